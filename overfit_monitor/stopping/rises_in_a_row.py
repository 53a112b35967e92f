"""Prechelt's UP: validation rose in every one of the last strips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy, decision

STRIP = 5


@dataclass(slots=True)
class _State:
    count: int = 0
    last: float | None = None
    rises: int = 0


@final
class RisesInARow(StoppingPolicy):
    """Stops when validation at the end of a strip of five was higher than a strip before, so many times in a row.

    Prechelt 1998, Early Stopping - But When?, class UP with strips of 5.

    Args:
        strips: Rises in a row, at least 1; Prechelt tried 2 to 8.
    """

    state: _State

    def __init__(self, *, strips: int) -> None:
        self.strips = strips
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:  # noqa: ARG002
        """Take in the next evaluation and return the decision if it is to stop."""
        state = self.state
        if not signal.finite:
            return None
        state.count += 1
        if state.count % STRIP:
            return None
        rose = state.last is not None and signal.val > state.last
        state.rises = state.rises + 1 if rose else 0
        state.last = signal.val
        if state.rises < self.strips:
            return None
        return decision(
            "up",
            signal,
            value=float(state.rises),
            limit=float(self.strips),
            message=f"validation rose over {state.rises} strips of {STRIP} evaluations in a row. A strip without a "
            "rise would have started the count anew.",
        )
