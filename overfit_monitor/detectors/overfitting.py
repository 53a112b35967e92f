"""Validation gets worse than its own best while training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal

# Measured together by benchmarks/detection.py and benchmarks/calibration.py; docs/decisions/0004-overfitting-test.md
# holds the false-alarm rates and the other values that were tried.
LEVEL_WINDOW = 5
LEVEL_DEVIATION = 0.54
BOUNDARY = 4.0
MATERIAL = 0.06
OVER = 0.03
MINIMUM = 8
SINCE_BEST = 4


@dataclass(slots=True)
class _State:
    seen: int = 0
    noise: float | None = None
    recent: list[float] = field(default_factory=list)
    recent_train: list[float] = field(default_factory=list)
    best_level: float = math.inf
    best_step: int | None = None
    train_at_best: float | None = None
    since: int = 0
    excess: float = 0.0
    level: float = math.inf
    train_change: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None


@final
class Overfitting(Detector):
    """Sees validation worse than its own best, beyond its own noise, while train is not worse.

    The level of the curve is the median of its last five values. Since the step of the best level
    so far, ``k`` evaluations ago, validation has on average been worse than that level by
    ``statistic`` standard deviations of its own noise. The alarm is raised when

    - ``statistic > 0.54 sqrt(2 log n) + 4 / sqrt(k)``: the first term bounds what the lowest of
      ``n`` noisy levels lies too low by (0.54 is the deviation of a median of five), the second is
      the boundary for a mean of ``k`` values that is looked at again and again (a sequential test
      in the manner of Robbins 1970, Annals of Mathematical Statistics 41),
    - the level is at least 6 % worse than the best one: what is smaller is not worth an alarm, and
    - the train level has not risen by more than half as much.

    It ends when the level comes back to within 3 % of the best, or at a new best. Autocorrelated
    noise makes it raise more false alarms than independent noise: the table is in
    ``docs/decisions/0004-overfitting-test.md``. Wrong where the validation data changes half-way.
    """

    id: ClassVar[str] = "overfitting"
    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        state = self.state
        state.seen, state.noise = signal.seen, signal.noise
        self._follow(signal)
        if state.seen < MINIMUM or state.noise is None:
            return
        rise, scale = self._rise(), abs(state.best_level)
        if self._beyond_noise() and rise >= MATERIAL * scale and self._train_not_worse(signal.train_noise):
            state.alarm_step = signal.step if state.alarm_step is None else state.alarm_step
        elif rise <= OVER * scale:
            state.alarm_step = None

    @property
    def alarm(self) -> bool:
        """Whether the alarm stands now, without the cost of a finding."""
        return self.state.alarm_step is not None

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays up."""
        state = self.state
        if state.seen < MINIMUM or state.noise is None:
            return NotJudged(
                id=self.id, reason=f"it needs at least {MINIMUM} finite validation values and has seen {state.seen}"
            )
        if not self.alarm:
            return None
        rise = self._rise()
        relative = rise / abs(state.best_level) if state.best_level else None
        return Finding(
            id=self.id,
            severity="error",
            message=f"validation is {rise:.4g}{'' if relative is None else f' ({relative:.0%})'} worse than its best "
            f"around step {state.best_step} and has been since step {state.onset_step}; its noise is "
            f"{state.noise:.2g}. {self._about_train()}",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "rise": rise,
                "rise_relative": relative,
                "noise": state.noise,
                "statistic": self._statistic(),
                "limit": self._limit(),
                "evaluations": state.seen,
                "evaluations_since_best": state.since,
                "train_change": state.train_change,
            },
        )

    def _follow(self, signal: Signal) -> None:
        state = self.state
        state.recent = [*state.recent, signal.val][-LEVEL_WINDOW:]
        if signal.train is not None and math.isfinite(signal.train):
            state.recent_train = [*state.recent_train, signal.train][-LEVEL_WINDOW:]
        state.level = median(state.recent)
        train = median(state.recent_train) if state.recent_train else None
        if state.level < state.best_level:
            state.best_level, state.best_step, state.train_at_best = state.level, signal.step, train
            state.since, state.excess, state.onset_step, state.alarm_step = 0, 0.0, None, None
        state.since += 1
        state.excess += signal.val - state.best_level
        state.train_change = None if train is None or state.train_at_best is None else train - state.train_at_best
        if self._rise() <= 0.0:
            state.onset_step = None
        elif state.onset_step is None:
            state.onset_step = signal.step

    def _rise(self) -> float:
        return self.state.level - self.state.best_level

    def _statistic(self) -> float:
        floor = 1e-9 * max(abs(self.state.best_level), abs(self.state.level), 1e-300)
        return self.state.excess / self.state.since / max(self.state.noise or 0.0, floor)

    def _limit(self) -> float:
        lowest = LEVEL_DEVIATION * math.sqrt(2.0 * math.log(self.state.seen))
        return lowest + BOUNDARY / math.sqrt(self.state.since)

    def _beyond_noise(self) -> bool:
        return self.state.since >= SINCE_BEST and self._statistic() > self._limit()

    def _train_not_worse(self, noise: float | None) -> bool:
        change = self.state.train_change
        return change is None or not change > max(2.0 * (noise or 0.0), 0.5 * self._rise())

    def _about_train(self) -> str:
        change = self.state.train_change
        if change is None:
            return "The train metric is not known."
        if change < 0.0:
            return f"Train improved by {-change:.4g} meanwhile."
        return "Train is at its floor."
