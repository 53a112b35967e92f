"""The detector of memorization."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.detectors.memorization.label_noise import Limit, by_accuracy, by_loss, reach_accuracy, reach_loss
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import MINIMUM, Level, Levels

ZERO = 0.01
PERFECT = 0.999
FAR = 0.5
FAR_ACCURACY = 0.05
WORSE = 0.10


@dataclass(slots=True)
class _State:
    accuracy: str | None = None
    percent: bool = False
    start: float | None = None
    worse: bool = False
    fitted_step: int | None = None
    membership: list[float] | None = None
    accuracy_steps: list[int] = field(default_factory=list)
    loss_steps: list[int] = field(default_factory=list)


@final
class Memorization(Detector):
    """Sees train fall below the label-noise floor, or, with unknown noise, reach zero far from validation.

    With a known share ``q`` of wrong labels among ``n`` training examples of ``C`` classes, all levels
    medians of five, a model that knows every right answer and no wrong label by heart has

    - an accuracy on the labels of ``1 - q``: raised above it by 2 points and three binomial standard
      deviations ``sqrt(q (1 - q) / n)``,
    - a cross-entropy of at least ``H = -(1 - q) log(1 - q) - q log(q / (C - 1))``, the entropy of a label
      that is right with probability ``1 - q`` and else any other (Cover and Thomas, Elements of Information
      Theory, 2.1; two classes, which give the lowest, where ``C`` is unknown): raised below ``0.9 H`` and
      three standard deviations ``sqrt(q (1 - q) / n) log((1 - q)(C - 1) / q)`` under it.

    Dropout, in-epoch means, smoothing and penalties make train look worse, so that they hide it and never
    fake it. That is a warning. With unknown noise train must be at 1 % of its first loss, or at an accuracy
    of 99.9 %, with validation behind by half of what train gained, or by 5 points: an info, because many
    good models interpolate (Belkin et al. 2019, arXiv 1812.11118; Zhang et al. 2017, arXiv 1611.03530), and
    a warning once validation is 10 % worse than its best and by twice what its noise explains.

    Measured by ``benchmarks/findings.py``: with unknown noise in none of 2,400 healthy runs, an info in 1 and
    a warning in 1 of 439 nets that do not overfit, and an info in all runs made to interpolate. With known
    noise in none of 179 nets that do not overfit and in 64 of 126 that do.
    """

    id: ClassVar[str] = "memorization"
    state: _State

    def __init__(self, levels: Levels | None = None) -> None:
        levels = levels or Levels()
        self.state = _State()
        self._val = levels.val
        self._train = levels.train_of_both
        self._val_accuracy = Level()
        self._train_accuracy = Level()

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        state = self.state
        if not signal.finite:
            return
        self._val.update(signal.step, signal.val)
        if signal.membership is not None:
            state.membership = [signal.membership.auc, signal.membership.low, signal.membership.high]
        state.worse = self._val.relative >= WORSE and self._val.beyond(signal.noise)
        if signal.train is not None and math.isfinite(signal.train):
            state.start = signal.train if state.start is None else state.start
            self._train.update(signal.step, signal.train)
            reach_loss(state.loss_steps, signal.step, self._train.level)
        self._follow_accuracy(signal)
        self._fitted(signal.step, self._zero_loss(self._val.level, self._train.level) or self._perfect())

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: of train only new lowest levels matter, and those near zero."""
        state = self.state
        val = self._val.extend(stretch.steps, stretch.val)
        state.worse = self._val.relative >= WORSE and self._val.beyond(stretch.noise[-1])
        known = [self._train.level] * len(stretch)
        if stretch.train is not None:
            state.start = stretch.train[0] if state.start is None else state.start
            train = self._train.extend(stretch.steps, stretch.train)
            known = train.levels
            for at in train.better():
                reach_loss(state.loss_steps, stretch.steps[at], known[at])
        near = state.start is not None and min(known) <= ZERO * state.start
        perfect = self._perfect_at(stretch)
        if not near and True not in perfect:
            state.fitted_step = None
            return
        for step, level, trained, fitted in zip(stretch.steps, val.levels, known, perfect, strict=True):
            self._fitted(step, fitted or (near and self._zero_loss(level, trained)))

    def _perfect_at(self, stretch: Stretch) -> list[bool]:
        """Follow the accuracy, and return whether train was fitted by it at each evaluation."""
        found = self._accuracy_of(stretch)
        if stretch.mode == "min" and (found is None or found.train is None):
            return [self._perfect()] * len(stretch)
        if found is None or found.train is None or self._turns_to_percent(found):
            perfect = []
            for signal in stretch:
                self._follow_accuracy(signal)
                perfect.append(self._perfect())
            return perfect
        val = self._val_accuracy.extend(found.steps, found.val).levels
        train = self._train_accuracy.extend(found.steps, found.train).levels
        for step, level in zip(found.steps, train, strict=True):
            reach_accuracy(self.state.accuracy_steps, step, self._part(level))
        return [self._perfect_with(one, other) for one, other in zip(train, val, strict=True)]

    def _accuracy_of(self, stretch: Stretch) -> Stretch | None:
        """Return the accuracy beside a loss, None without one."""
        if self.state.accuracy is None and stretch.others:
            self.state.accuracy = _choose(stretch[0]) if stretch.mode == "min" else None
        return stretch.others.get(self.state.accuracy or "")

    def _turns_to_percent(self, found: Stretch) -> bool:
        return not self.state.percent and -min(*found.val, *(found.train or ())) > 1.0

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while train is where right answers alone cannot bring it."""
        if max(self._train.seen, self._train_accuracy.seen) < MINIMUM:
            return NotJudged(id=self.id, reason=f"it needs at least {MINIMUM} finite train values")
        noise = facts.data.label_noise
        if noise is None:
            return self._interpolation()
        state, accuracy = self.state, self._share(self._train_accuracy)
        passed = [
            by_accuracy(state.accuracy_steps, accuracy, noise, facts),
            None if state.accuracy == "" else by_loss(state.loss_steps, self._train.level, noise, facts),
        ]
        limits = [limit for limit in passed if limit is not None]
        return self._noise_learned(noise, limits, facts) if limits else None

    def _follow_accuracy(self, signal: Signal) -> None:
        state = self.state
        if state.accuracy is None:
            state.accuracy = _choose(signal)
        found = signal if state.accuracy == "" else signal.others.get(state.accuracy or "")
        if found is None or found.train is None or not (found.finite and math.isfinite(found.train)):
            return
        if max(-found.train, -found.val) > 1.0 and not state.percent:
            state.percent, state.accuracy_steps = True, []
        self._val_accuracy.update(signal.step, found.val)
        self._train_accuracy.update(signal.step, found.train)
        reach_accuracy(state.accuracy_steps, signal.step, self._share(self._train_accuracy))

    def _share(self, level: Level) -> float:
        return self._part(level.level)

    def _part(self, level: float) -> float:
        return -level / (100.0 if self.state.percent else 1.0)

    def _fitted(self, step: int, fitted: bool) -> None:
        state = self.state
        state.fitted_step = (step if state.fitted_step is None else state.fitted_step) if fitted else None

    def _zero_loss(self, val: float, level: float) -> bool:
        start = self.state.start
        if start is None or not start > 0.0 or not 0.0 <= level <= ZERO * start:
            return False
        return val - level >= FAR * (start - level)

    def _perfect(self) -> bool:
        seen = self._train_accuracy.seen > 0
        return seen and self._perfect_with(self._train_accuracy.level, self._val_accuracy.level)

    def _perfect_with(self, train: float, val: float) -> bool:
        return self._part(train) >= PERFECT and self._part(val) <= self._part(train) - FAR_ACCURACY

    def _noise_learned(self, noise: float, passed: list[Limit], facts: Facts) -> Finding:
        step = min(limit.step for limit in passed)
        against = ["validation has not got worse than its best beyond its noise"] * (not self.state.worse)
        if facts.data.classes is None:
            against.append("the number of classes is not known; two, which give the lowest limit, are assumed")
        if self.state.accuracy == "":
            against.append("it is not known that the compared metric is an accuracy")
        against.append("wrong labels that follow from the input, and not from chance, could be learned as a rule")
        return Finding(
            id=self.id,
            severity="warning",
            message=f"{' and '.join(limit.told for limit in passed)}: the model knows wrong labels by heart. Stop "
            "earlier, regularize, or clean the labels.",
            onset_step=step,
            alarm_step=step,
            evidence=self._evidence() | {"label_noise": noise},
            speaks_for=tuple(limit.told for limit in passed) + self._told_by_losses(),
            speaks_against=tuple(against),
            experiment="Compare the train accuracy on the labels known to be wrong with chance: above it, they were "
            "memorized.",
        )

    def _interpolation(self) -> Finding | None:
        if self.state.fitted_step is None:
            return None
        harm = (
            f"and validation is {self._val.relative:.0%} worse than its best"
            if self.state.worse and math.isfinite(self._val.relative)
            else "and validation is worse than its best"
            if self.state.worse
            else "and validation has not got worse: this may be benign interpolation"
        )
        return Finding(
            id=self.id,
            severity="warning" if self.state.worse else "info",
            message=f"train is fitted almost exactly since step {self.state.fitted_step} with validation far behind, "
            f"{harm}. Every label is learned, the wrong ones included, if there are any.",
            onset_step=self.state.fitted_step,
            alarm_step=self.state.fitted_step,
            evidence=self._evidence(),
            speaks_for=self._fit(),
            speaks_against=("the share of wrong labels is not known; without any, an exact fit is no fault",),
            experiment="Look at the twenty training examples whose loss fell last: if many are labelled wrongly, noise "
            "was memorized.",
        )

    def _fit(self) -> tuple[str, ...]:
        found = []
        if self._zero_loss(self._val.level, self._train.level):
            train, val = self._train.level, self._val.level
            found.append(f"train is at {train:.3g} after {self.state.start:.3g} at first, validation at {val:.3g}")
        if self._perfect():
            train, val = self._share(self._train_accuracy), self._share(self._val_accuracy)
            found.append(f"train accuracy is {train:.1%}, validation accuracy {val:.1%}")
        return tuple(found) + self._told_by_losses()

    def _told_by_losses(self) -> tuple[str, ...]:
        if self.state.membership is None or self.state.membership[1] <= 0.5:
            return ()
        auc, low, high = self.state.membership
        return (f"the loss alone tells train from validation, with an AUC of {auc:.2f} ({low:.2f} to {high:.2f})",)

    def _evidence(self) -> dict[str, float | int | str | bool | None]:
        known = self._train_accuracy.seen > 0
        return {
            "train": self._train.level if self._train.seen else None,
            "validation": self._val.level,
            "train_accuracy": self._share(self._train_accuracy) if known else None,
            "validation_accuracy": self._share(self._val_accuracy) if known else None,
            "validation_worse": self.state.worse,
            "membership_auc": None if self.state.membership is None else self.state.membership[0],
        }


def _choose(signal: Signal) -> str | None:
    """Return the name of an accuracy that has a train value, "" for the compared metric, None without one."""
    for name, other in signal.others.items():
        words = set(re.split(r"[^a-z0-9]+", name.lower()))
        if other.mode == "max" and words & {"accuracy", "acc", "top1"} and other.train is not None:
            return name
    if signal.mode == "min" or signal.train is None:
        return None
    return "" if -1.0 <= signal.val <= 0.0 and -1.0 <= signal.train <= 0.0 else None
