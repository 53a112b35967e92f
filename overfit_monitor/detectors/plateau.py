"""Nothing moves any more."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal

EVALUATIONS = 20


@dataclass(slots=True)
class _State:
    count: int = 0
    still: int = 0
    val_mark: float = math.inf
    train_mark: float = math.inf
    onset_step: int | None = None
    alarm_step: int | None = None


@final
class Plateau(Detector):
    """Sees train and validation both stand still.

    Both have not improved by more than their own noise for twenty evaluations.
    Worth knowing and no alarm: before a learning-rate drop a plateau is normal.
    """

    id: ClassVar[str] = "plateau"
    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        state = self.state
        state.count += 1
        val_moved = signal.best < state.val_mark - (signal.noise or 0.0)
        train_moved = signal.train_best < state.train_mark - (signal.train_noise or 0.0)
        if val_moved or train_moved:
            state.val_mark, state.train_mark = signal.best, signal.train_best
            state.still, state.onset_step, state.alarm_step = 0, signal.step, None
            return
        state.still += 1
        if state.still == EVALUATIONS:
            state.alarm_step = signal.step

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while nothing moves."""
        state = self.state
        if state.count <= EVALUATIONS:
            return NotJudged(
                id=self.id, reason=f"it needs more than {EVALUATIONS} evaluations and has seen {state.count}"
            )
        if state.alarm_step is None:
            return None
        return Finding(
            id=self.id,
            severity="info",
            message=f"neither train nor validation has improved by more than its noise in {state.still} evaluations.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={"evaluations": state.still},
        )
