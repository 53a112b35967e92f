"""Validation improves long after train has reached its floor (grokking)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import Levels, Track

EVALUATIONS = 20
POOR = 0.5
GOOD = 0.25
FLOOR = 0.05
NOISE_UNITS = 6.0


@dataclass(slots=True)
class _State:
    start: float | None = None
    floor: float = math.inf
    floor_step: int | None = None
    before: int = 0
    waited: int = 0
    long: bool = False
    best_before: float = math.inf
    poorest: float = -math.inf
    rate_at_floor: float | None = None
    rate: float | None = None
    noise: float | None = None
    alarm_step: int | None = None


@final
class LateGeneralization(Detector):
    """Sees validation catch up with train long after train had stopped moving.

    Levels are medians of five, and everything is measured in what train has gained since its first value.
    Train is at its floor while its level moves by less than 5 % of that gain. Validation is poor while
    it is more than half of the gain behind train. Both together for at least twenty evaluations, and for
    as long as train took to get to its floor, are a long wait. Raised when validation then comes to within a
    quarter of the gain, better than ever before by a tenth of the gain and six standard deviations of its
    noise, with train still at its floor. It is final: what was learned late stays so.
    The phenomenon: Power et al. 2022, Grokking (arXiv 2201.02177). The limits are conventions; there a run
    waits a hundred to a thousand times as long as train took.

    Measured by ``benchmarks/findings.py``: in none of 2,400 healthy runs and none of 800 nets, in all runs of
    100 and 300 points that grok, and in none of 30, which are too short for a long wait.
    """

    id: ClassVar[str] = "late_generalization"
    state: _State

    def __init__(self, levels: Levels | None = None) -> None:
        levels = levels or Levels()
        self.state = _State()
        self._val = levels.val_of_both
        self._train = levels.train_of_both

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        state = self.state
        if not signal.finite or signal.train is None or not math.isfinite(signal.train):
            return
        state.start = signal.train if state.start is None else state.start
        state.noise, state.rate = signal.noise, signal.learning_rate
        self._val.update(signal.step, signal.val)
        self._train.update(signal.step, signal.train)
        gain = state.start - self._train.best
        if state.alarm_step is not None or not gain > 0.0:
            return
        if abs(self._train.level - state.floor) > FLOOR * gain:
            self._leave_floor(signal.step, self._train.level, self._train.seen)
        self._wait(signal, gain, self._val.level, self._train.level, self._val.best_before)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: where train is on its way, or validation is not poor, there is no wait."""
        state = self.state
        if stretch.train is None:
            return
        state.start = stretch.train[0] if state.start is None else state.start
        val = self._val.extend(stretch.steps, stretch.val)
        train = self._train.extend(stretch.steps, stretch.train)
        if state.alarm_step is None:
            self._look(stretch, val, train)
        state.noise, state.rate = stretch.noise[-1], None if stretch.rates is None else stretch.rates[-1]

    def _look(self, stretch: Stretch, val: Track, train: Track) -> None:
        state, rates = self.state, stretch.rates
        start, floor, left = state.start or 0.0, state.floor, -1
        for at, (behind, level, lowest) in enumerate(zip(val.levels, train.levels, train.bests, strict=True)):
            gain = start - lowest
            if not gain > 0.0:
                continue
            if abs(level - floor) > FLOOR * gain:
                floor, left = level, at
            if behind - level > POOR * gain or (left < 0 and state.long):
                if left >= 0:
                    state.rate = None if rates is None else rates[left]
                    self._leave_floor(stretch.steps[left], floor, train.start.seen + left + 1)
                    left = -1
                self._wait(stretch[at], gain, behind, level, val.best_before(at))
                if state.alarm_step is not None:
                    return
        if left >= 0:
            state.rate = None if rates is None else rates[left]
            self._leave_floor(stretch.steps[left], floor, train.start.seen + left + 1)

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding once validation has caught up late."""
        if self._val.seen <= EVALUATIONS:
            return NotJudged(
                id=self.id,
                reason=f"it needs more than {EVALUATIONS} evaluations with both splits and has {self._val.seen}",
            )
        return None if self.state.alarm_step is None else self._finding()

    def _leave_floor(self, step: int, level: float, seen: int) -> None:
        state = self.state
        state.floor, state.floor_step, state.before = level, step, seen
        state.waited, state.long, state.rate_at_floor = 0, False, state.rate
        state.best_before, state.poorest = math.inf, -math.inf

    def _wait(self, signal: Signal, gain: float, level: float, train: float, best_before: float) -> None:
        state = self.state
        behind = level - train
        if behind > POOR * gain:
            state.waited += 1
            state.poorest = max(state.poorest, level)
            if not state.long:
                state.best_before = min(best_before, level)
            state.long = state.waited >= max(EVALUATIONS, state.before)
        better = state.best_before - level
        if state.long and behind < GOOD * gain and better > max(0.1 * gain, NOISE_UNITS * (signal.noise or 0.0)):
            state.alarm_step = signal.step

    def _finding(self) -> Finding:
        state = self.state
        return Finding(
            id=self.id,
            severity="info",
            message=f"train has been at its floor since step {state.floor_step}, validation stayed poor for "
            f"{state.waited} evaluations, and by step {state.alarm_step} it had caught up: late generalization "
            "(grokking). Training on was right; an alarm or a stop in between would have been premature.",
            onset_step=state.floor_step,
            alarm_step=state.alarm_step,
            evidence={
                "floor": state.floor,
                "floor_step": state.floor_step,
                "evaluations_waited": state.waited,
                "poorest": state.poorest,
                "best_before": state.best_before,
                "level": self._val.level,
                "noise": state.noise,
            },
            speaks_for=(
                f"validation had been no better than {state.best_before:.4g} and is at {self._val.level:.4g}",
                f"train has stayed within 5 % of its gain around {state.floor:.4g}",
            ),
            speaks_against=self._against(),
            experiment="Repeat the run with more weight decay: grokking comes sooner (Power et al. 2022), a change of "
            "the validation data does not.",
        )

    def _against(self) -> tuple[str, ...]:
        state = self.state
        if state.rate is None or state.rate_at_floor is None:
            return ("the learning rate is not known: a change of it may have set validation moving",)
        if not 0.5 < state.rate / (state.rate_at_floor or math.inf) < 2.0:
            return (f"the learning rate went from {state.rate_at_floor:.3g} to {state.rate:.3g} in between",)
        return ()
