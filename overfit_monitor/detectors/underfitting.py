"""Nothing learned, or not done learning."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.order import median

EVALUATIONS = 20
HARDLY = 0.05
NEAR_CHANCE = 0.02
STILL_FALLING = 0.1
NOISE_UNITS = 4.0
LIKELY_CLASSES = (2, 3, 4, 5, 10, 100, 1000)


@dataclass(slots=True)
class _State:
    start: float | None = None
    start_step: int | None = None
    last_step: int | None = None
    noise: float | None = None
    raised_step: int | None = None


@final
class Underfitting(Detector):
    """Sees a train metric that never left the level of guessing, and curves that were still falling at the end.

    *Stuck*, after at least twenty evaluations: train has gained less than 5 % since its first value, and stands
    within 2 % of ln(classes), the cross-entropy of guessing. An error where facts tell the classes, a warning
    where the level is that of guessing among 2, 3, 4, 5, 10, 100 or 1,000; an info while train is on its way down.
    *Hardly learning*, an info: gained as little, at another level. *Still falling*, an info: over the last quarter
    of the evaluations both splits came down by at least a tenth of their whole fall and four standard deviations
    of the noise of validation.

    The limits are conventions; shares measured by ``benchmarks/findings.py`` are in
    ``docs/findings/underfitting.md``.
    """

    id: ClassVar[str] = "underfitting"
    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self._val = BinnedCurve()
        self._train = BinnedCurve()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite or signal.train is None or not math.isfinite(signal.train):
            return
        state = self.state
        if state.start is None:
            state.start, state.start_step = signal.train, signal.step
        state.last_step, state.noise = signal.step, signal.noise
        self._val.update(signal.step, signal.val)
        self._train.update(signal.step, signal.train)
        if state.raised_step is None and len(self._train.state.values) >= EVALUATIONS:
            state.raised_step = signal.step

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        state = self.state
        if stretch.train is None:
            return
        if state.start is None:
            state.start, state.start_step = stretch.train[0], stretch.steps[0]
        state.last_step, state.noise = stretch.steps[-1], stretch.noise[-1]
        seen = len(self._train.values)
        self._val.extend(stretch.steps, stretch.val)
        self._train.extend(stretch.steps, stretch.train)
        if state.raised_step is None and seen + len(stretch) >= EVALUATIONS:
            state.raised_step = stretch.steps[EVALUATIONS - seen - 1]

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while nothing is learned, or while there is more to come."""
        state = self.state
        seen = len(self._train.state.values)
        if state.start is None or state.raised_step is None:
            reason = f"it needs {EVALUATIONS} evaluations with a finite train value and has {seen}"
            return NotJudged(id=self.id, reason=reason)
        train, val = self._train.values, self._val.values
        level = median(train[-5:])
        if state.start - level < HARDLY * abs(state.start) and max(train) > min(train):
            return self._stuck(level, facts)
        if self._falling(train) and self._falling(val):
            return self._cut_short(val)
        return None

    def _falling(self, values: list[float]) -> bool:
        before, now = (median(values[at - 5 : at]) for at in (3 * len(values) // 4, len(values)))
        fall = median(values[:5]) - now
        return before - now > max(STILL_FALLING * fall, NOISE_UNITS * (self.state.noise or 0.0), 0.0)

    def _stuck(self, level: float, facts: Facts) -> Finding | None:
        state = self.state
        start = state.start if state.start is not None else level
        if start - level < -HARDLY * abs(start):
            return None  # train got worse: divergence
        classes, known = _guessing(level, facts)
        guessing = "" if classes is None else f", what guessing among {classes} classes costs ({math.log(classes):.3g})"
        return Finding(
            id=self.id,
            severity="info"
            if classes is None or self._falling(self._train.values)
            else "error"
            if known
            else "warning",
            message=f"train went from {start:.4g} to {level:.4g} in all{guessing}: next to nothing is learned.",
            onset_step=state.start_step,
            alarm_step=state.raised_step,
            evidence={"train_start": start, "train_level": level, "gained": start - level, "classes": classes},
            speaks_for=(f"train gained {start - level:.3g} since step {state.start_step}",),
            speaks_against=_not_stuck(classes, known),
            experiment="train on 20 examples only: a model and a learning rate that can learn at all bring their loss "
            "close to zero; if not, look at the learning rate, the loss and the labels before anything else.",
        )

    def _cut_short(self, val: list[float]) -> Finding:
        state = self.state
        quarter = median(val[3 * len(val) // 4 - 5 : 3 * len(val) // 4]) - median(val[-5:])
        return Finding(
            id=self.id,
            severity="info",
            message=f"train and validation are still falling, validation by {quarter:.3g} over the last quarter of the "
            "evaluations: training longer would bring more.",
            alarm_step=state.raised_step,
            evidence={"fall_of_the_last_quarter": quarter, "noise": state.noise},
            speaks_for=(f"validation came down by {quarter:.3g} since three quarters of the run",),
            speaks_against=("a falling learning rate may be about to end the fall",),
            experiment="train on from the last checkpoint for a quarter of the epochs.",
        )


def _guessing(level: float, facts: Facts) -> tuple[int | None, bool]:
    """Return the number of classes whose guessing costs this much, and whether it is known."""
    told = facts.data.classes
    for classes in LIKELY_CLASSES if told is None else (told,):
        if classes > 1 and abs(level / math.log(classes) - 1.0) <= NEAR_CHANCE:
            return classes, told is not None
    return None, False


def _not_stuck(classes: int | None, known: bool) -> tuple[str, ...]:
    if classes is None:
        return ("the level of guessing is not known: a model that was good from the start also gains little",)
    return () if known else ("the number of classes is not known; the level may be a coincidence",)
