"""Prechelt's PQ: the rise of validation against the progress of training."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy, decision
from overfit_monitor.stopping.generalization_loss import LARGEST, generalization_loss

STRIP = 5


@dataclass(slots=True)
class _State:
    train: list[float] = field(default_factory=list)


@final
class ProgressQuotient(StoppingPolicy):
    """Stops when the rise of validation is large against what training still gains.

    ``PQ = GL / P`` with ``P = 1000 (mean of the last 5 train values / their lowest - 1)``
    (Prechelt 1998, Early Stopping - But When?, class PQ with strips of 5, looked at once a strip).
    Without train values, and where they are not positive, it never stops.

    Args:
        limit: Largest quotient to allow, more than 0; Prechelt tried 0.5 to 3.
    """

    state: _State

    def __init__(self, *, limit: float) -> None:
        self.limit = limit
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:  # noqa: ARG002
        """Take in the next evaluation and return the decision if it is to stop."""
        if signal.train is None or not math.isfinite(signal.train):
            return None
        strip = self.state.train
        strip.append(signal.train)
        if len(strip) < STRIP:
            return None
        self.state.train = []
        lowest = min(strip)
        if lowest <= 0.0:
            return None
        progress = 1000.0 * (sum(strip) / STRIP / lowest - 1.0)
        quotient = min(generalization_loss(signal) / max(progress, 1e-9), LARGEST)
        if quotient <= self.limit:
            return None
        return decision(
            "pq",
            signal,
            value=quotient,
            limit=self.limit,
            message=f"validation is worse than its best by {quotient:.3g} times what training still gains, more than "
            f"{self.limit:g}. A value closer to the best, or a train loss that falls faster, would have let it go on.",
        )
