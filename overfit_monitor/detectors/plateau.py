"""Nothing moves any more, and what the learning rate says about it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import Levels

EVALUATIONS = 20
CHANGED = 2.0
LOW = 0.01
AWAY = 0.03
AWAY_NOISE = 2.0


@dataclass(slots=True)
class _State:
    still: int = 0
    val_mark: float = math.inf
    train_mark: float = math.inf
    rate: float | None = None
    rate_mark: float | None = None
    highest_rate: float | None = None
    changed_step: int | None = None
    onset_step: int | None = None
    alarm_step: int | None = None


@final
class Plateau(Detector):
    """Sees train and validation both stand still, and tells a high learning rate from one that has dropped.

    The levels (medians of five) of both curves have not come below their marks by more than their own
    noise for twenty evaluations. A mark is where the level was when it last did. The count starts anew
    when validation is worse than its best level by 3 % and twice its noise, which is no standing still,
    and when the learning rate has at least halved or doubled since the count began: a drop may set both
    curves moving again, as at the step schedules of He et al. 2016 (arXiv 1512.03385, figure 4).

    An info and never an alarm. Twenty is a convention. Measured by ``benchmarks/findings.py``: in 79 % of
    runs of 300 points that do stand still, and in 95 % of those that fall by less than their noise in twenty
    evaluations; in at most 2 % of 100 points, whose train still falls; in 18 % of 439 nets that do not overfit.
    """

    id: ClassVar[str] = "plateau"
    state: _State

    def __init__(self, levels: Levels | None = None) -> None:
        levels = levels or Levels()
        self.state = _State()
        self._val = levels.val
        self._train = levels.train_of_both

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        self._val.update(signal.step, signal.val)
        if signal.train is not None and math.isfinite(signal.train):
            self._train.update(signal.step, signal.train)
        val = [self._val.level], [self._val.best], [signal.noise]
        self._count([signal.step], val, [self._train.best], [signal.train_noise], [signal.learning_rate])

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        val, n = self._val.extend(stretch.steps, stretch.val), len(stretch)
        train = [self._train.best] * n
        if stretch.train is not None:
            train = self._train.extend(stretch.steps, stretch.train).bests
        self._count(stretch.steps, (val.levels, val.bests, stretch.noise), train, stretch.train_noise, stretch.rates)

    def _count(
        self,
        steps: Sequence[int],
        val: tuple[Sequence[float], Sequence[float], Sequence[float | None]],
        train: Sequence[float],
        train_noises: Sequence[float | None],
        rates: Sequence[float | None] | None,
    ) -> None:
        """Follow levels, lowest levels and noises of validation, and lowest levels and noises of train."""
        state = self.state
        still, val_mark, train_mark = state.still, state.val_mark, state.train_mark
        for at, (step, level, best, noise, train_best, train_noise) in enumerate(
            zip(steps, *val, train, train_noises, strict=True)
        ):
            changed = rates is not None and self._rate_changed(step, rates[at])
            rise = level - best
            if (
                changed
                or best < val_mark - (noise or 0.0)
                or train_best < train_mark - (train_noise or 0.0)
                or (rise > AWAY * abs(best) and rise > AWAY_NOISE * (noise or 0.0))
            ):
                still, val_mark, train_mark, state.rate_mark = 0, best, train_best, state.rate
                state.onset_step, state.alarm_step = step, None
                continue
            still += 1
            if still == EVALUATIONS:
                state.alarm_step = step
        state.still, state.val_mark, state.train_mark = still, val_mark, train_mark

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while nothing moves."""
        if self._val.seen <= EVALUATIONS:
            return NotJudged(
                id=self.id, reason=f"it needs more than {EVALUATIONS} evaluations and has seen {self._val.seen}"
            )
        return None if self.state.alarm_step is None else self._finding()

    def _rate_changed(self, step: int, rate: float | None) -> bool:
        state = self.state
        if rate is None or not rate > 0.0 or not math.isfinite(rate):
            return False
        state.rate = rate
        state.highest_rate = max(rate, state.highest_rate or 0.0)
        if state.rate_mark is None:
            state.rate_mark = rate
            return False
        if not (rate * CHANGED <= state.rate_mark or rate >= CHANGED * state.rate_mark):
            return False
        state.changed_step = step
        return True

    def _finding(self) -> Finding:
        state = self.state
        return Finding(
            id=self.id,
            severity="info",
            message=f"neither train nor validation has improved by more than its noise in {state.still} evaluations. "
            f"{self._about_rate()}",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "evaluations": state.still,
                "learning_rate": state.rate,
                "highest_learning_rate": state.highest_rate,
                "learning_rate_changed_at": state.changed_step,
            },
            speaks_for=self._for(),
            speaks_against=self._against(),
            experiment="Lower the learning rate tenfold from the latest weights for a few epochs: if both losses "
            "fall, the rate held them up; if neither does, training is done.",
        )

    def _for(self) -> tuple[str, ...]:
        found = [f"validation has stood at {self._val.best:.4g} since step {self.state.onset_step}"]
        if self._train.seen:
            found.append(f"train has stood at {self._train.best:.4g}")
        return tuple(found)

    def _against(self) -> tuple[str, ...]:
        against = []
        if self.state.rate is None:
            against.append("the learning rate is not known: a drop may be due, and it may bring more")
        if not self._train.seen:
            against.append("the train metric is not known: it may still be falling")
        return tuple(against)

    def _about_rate(self) -> str:
        state = self.state
        if state.rate is None or state.highest_rate is None:
            return "Whether a learning-rate drop is due is not known."
        if state.rate > state.highest_rate / CHANGED:
            return (
                f"The learning rate is still {state.rate:.3g} of at most {state.highest_rate:.3g}: a drop may bring "
                "more, so this is neither overfitting nor a reason to stop."
            )
        share = state.rate / state.highest_rate
        left = "another drop can bring little" if share <= LOW else "another drop may bring more"
        return f"The learning rate is down to {state.rate:.3g}, {share:.2g} of its highest: {left}."
