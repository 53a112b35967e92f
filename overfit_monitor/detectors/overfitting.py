"""Validation gets worse than its own best while training goes on."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import median
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal

SLACK = 1.5
LIMIT = 20.0
LARGEST_STEP = 20.0
LEVEL_WINDOW = 5
MATERIAL = 0.05
MINIMUM = 8


@dataclass(slots=True)
class _State:
    count: int = 0
    noise: float | None = None
    statistic: float = 0.0
    recent: list[float] = field(default_factory=list)
    recent_train: list[float] = field(default_factory=list)
    level_best: float = math.inf
    train_at_best: float = math.inf
    best_step: int | None = None
    rise: float = 0.0
    train_change: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None


@final
class Overfitting(Detector):
    """Sees validation worse than its own best, beyond its own noise, while train is not worse.

    A one-sided cumulative sum (Page 1954, Biometrika 41) of ``(val - best) / noise - slack``
    crosses its limit, and the level of the last five evaluations stands more than 5 % above
    its own best. Wrong where the validation data changes half-way.
    """

    id: ClassVar[str] = "overfitting"

    def __init__(self, *, false_alarm_rate: float = 0.05) -> None:
        super().__init__(false_alarm_rate=false_alarm_rate)
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        state = self.state
        state.count, state.noise = signal.seen, signal.noise
        self._follow_levels(signal)
        if signal.noise is None:
            return
        above = (signal.val - signal.best) / max(signal.noise, 1e-9 * abs(signal.best), 1e-12)
        state.statistic = max(0.0, state.statistic + min(above, LARGEST_STEP) - SLACK)
        if state.statistic == 0.0:
            state.onset_step = None
        elif state.onset_step is None:
            state.onset_step = signal.step
        material = state.rise >= MATERIAL * max(abs(state.level_best), 1e-12)
        raised = state.count >= MINIMUM and state.statistic > LIMIT and material and self._train_not_worse(signal)
        if raised and state.alarm_step is None:
            state.alarm_step = signal.step
        elif not raised:
            state.alarm_step = None

    def result(self) -> Finding | NotJudged | None:
        """Return the finding while validation stays up."""
        state = self.state
        if state.count < MINIMUM:
            return NotJudged(
                id=self.id, reason=f"it needs at least {MINIMUM} finite validation values and has seen {state.count}"
            )
        if state.alarm_step is None or state.noise is None:
            return None
        return Finding(
            id=self.id,
            severity="error",
            message=f"validation is {state.rise:.4g} worse than its best around step {state.best_step}, "
            f"{state.rise / max(state.noise, 1e-12):.3g} times its own noise, and has been since step "
            f"{state.onset_step}{self._about_train()}.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "rise": state.rise,
                "rise_relative": state.rise / max(abs(state.level_best), 1e-12),
                "noise": state.noise,
                "statistic": state.statistic,
                "limit": LIMIT,
                "train_change": state.train_change,
            },
        )

    def _follow_levels(self, signal: Signal) -> None:
        state = self.state
        state.recent = [*state.recent, signal.val][-LEVEL_WINDOW:]
        if signal.train is not None and math.isfinite(signal.train):
            state.recent_train = [*state.recent_train, signal.train][-LEVEL_WINDOW:]
        level = median(state.recent)
        train = median(state.recent_train) if state.recent_train else None
        if level < state.level_best:
            state.level_best, state.best_step = level, signal.step
            state.train_at_best = math.inf if train is None else train
        state.rise = level - state.level_best
        state.train_change = None if train is None else train - state.train_at_best

    def _train_not_worse(self, signal: Signal) -> bool:
        change = self.state.train_change
        return change is None or not change > 2.0 * (signal.train_noise or 0.0)

    def _about_train(self) -> str:
        change = self.state.train_change
        if change is None:
            return "; the train metric is not known"
        return f", while train improved by {-change:.4g}" if change < 0.0 else ", with train at its floor"
