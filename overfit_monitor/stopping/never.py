"""Training to the planned end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy


@dataclass(slots=True)
class _State:
    pass


@final
class NeverStopping(StoppingPolicy):
    """Never stops: the other end of the scale, to compare with."""

    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:  # noqa: ARG002
        """Take in the next evaluation; there is never a decision."""
        return None
