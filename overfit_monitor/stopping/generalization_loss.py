"""Prechelt's GL: a relative rise of validation above its best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy, decision

LARGEST = 1e300


@dataclass(slots=True)
class _State:
    pass


@final
class GeneralizationLoss(StoppingPolicy):
    """Stops as soon as validation is more than ``percent`` % worse than its best.

    ``GL = 100 (val - best) / |best|`` (Prechelt 1998, Early Stopping - But When?, class GL).

    Args:
        percent: Rise in percent of the best value, more than 0; Prechelt tried 1 to 5.
    """

    state: _State

    def __init__(self, *, percent: float) -> None:
        self.percent = percent
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:  # noqa: ARG002
        """Take in the next evaluation and return the decision if it is to stop."""
        loss = generalization_loss(signal)
        if loss <= self.percent:
            return None
        return decision(
            "gl",
            signal,
            value=loss,
            limit=self.percent,
            message=f"validation is {loss:.3g} % worse than its best at step {signal.best_step}, more than "
            f"{self.percent:g} %. A value closer to the best would have let it go on.",
        )


def generalization_loss(signal: Signal) -> float:
    """Return by how many percent validation is worse than its best, 0 where that is not known."""
    if not signal.finite or not signal.best:
        return 0.0
    return min(100.0 * (signal.val - signal.best) / abs(signal.best), LARGEST)
