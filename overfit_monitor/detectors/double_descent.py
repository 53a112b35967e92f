"""Validation rose, and came back down while train went on improving."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import MINIMUM, Level, Levels

MATERIAL = 0.10
RETURNED = 0.5
RETURNED_NOISE = 4.0
AGAIN = 0.25
NEARLY = 0.999  # what is below is below whatever the rounding


@dataclass(slots=True)
class _State:
    train_at_best: float | None = None
    rate_at_peak: float | None = None
    rate: float | None = None
    noise: float | None = None
    base: float | None = None
    base_step: int | None = None
    base_train: float | None = None
    peak: float = -math.inf
    peak_step: int | None = None
    peak_train: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None
    full_step: int | None = None


@final
class DoubleDescent(Detector):
    """Sees epoch-wise double descent: validation got worse beyond its noise, then better again.

    Levels are medians of five. A rise is one of 10 % of the best level and of twice what the
    noise explains (`Level.beyond`), with train not above its own level at that best. From then on the best
    level is held fixed and the peak is followed. Raised when validation has given back half of the rise
    and four standard deviations of its noise while train is better than it was at the best; full when
    the level is back at the former best. It ends when a quarter of the rise is lost again before that,
    and with the next rise after it. The phenomenon: Nakkiran et al. 2019, Deep Double Descent
    (arXiv 1912.02292), section 6. Half and a quarter are conventions.

    An info: it says that an earlier alarm was about the peak. Measured by ``benchmarks/findings.py``: in 0 to 2 % of
    the healthy runs of 30 to 300 points (2 % at an autocorrelation of 0.9), in none of 439 nets that do not
    overfit, in all runs of 100 and 300 points that rise by half and come back, and in none of 30.
    """

    id: ClassVar[str] = "double_descent"
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
        state = self.state
        state.noise, state.rate = signal.noise, signal.learning_rate
        if signal.train is not None and math.isfinite(signal.train):
            self._train.update(signal.step, signal.train)
        train = self._train.level if self._train.seen else None
        if self._val.update(signal.step, signal.val):
            state.train_at_best = train
        self._judge(signal, self._val, train)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those with a rise that matters are judged."""
        state = self.state
        val = self._val.extend(stretch.steps, stretch.val)
        train = None if stretch.train is None else self._train.extend(stretch.steps, stretch.train)
        better, known = set(val.better()), self._train.level if self._train.seen else None
        for at, (level, best) in enumerate(zip(val.levels, val.bests, strict=True)):
            if at in better:
                state.train_at_best = known if train is None else train.levels[at]
            if state.base is not None or level - best >= NEARLY * MATERIAL * abs(best):
                state.noise, state.rate = stretch.noise[at], None if stretch.rates is None else stretch.rates[at]
                self._judge(stretch[at], val.at(at), known if train is None else train.levels[at])
        state.noise, state.rate = stretch.noise[-1], None if stretch.rates is None else stretch.rates[-1]

    def _judge(self, signal: Signal, val: Level, train: float | None) -> None:
        if self._risen(signal, val, train):
            self._begin(val)
        if self.state.base is not None and self.state.full_step is None:
            self._follow(signal.step, val.level, train)

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding once validation has come back far enough."""
        if self._val.seen < MINIMUM or self.state.noise is None:
            return NotJudged(
                id=self.id, reason=f"it needs {MINIMUM} finite validation values and has seen {self._val.seen}"
            )
        return None if self.state.alarm_step is None else self._finding()

    def _risen(self, signal: Signal, val: Level, train: float | None) -> bool:
        state = self.state
        if state.base is not None and (state.full_step is None or val.best_step == state.base_step):
            return False
        if val.relative < MATERIAL or not val.beyond(signal.noise):
            return False
        if state.train_at_best is None or train is None:
            return True
        return train <= state.train_at_best + (signal.train_noise or 0.0)

    def _begin(self, val: Level) -> None:
        state = self.state
        state.base, state.base_step, state.base_train = val.best, val.best_step, state.train_at_best
        state.peak, state.peak_step, state.onset_step = -math.inf, None, val.onset_step
        state.alarm_step = state.full_step = None

    def _follow(self, step: int, level: float, train: float | None) -> None:
        state = self.state
        base = state.base if state.base is not None else level
        if level > state.peak:
            state.peak, state.peak_step, state.peak_train, state.rate_at_peak = level, step, train, state.rate
        back, rise = state.peak - level, state.peak - base
        learned = state.base_train is None or train is None or train < state.base_train
        enough = back >= RETURNED * rise and back >= RETURNED_NOISE * (state.noise or 0.0) and back > 0.0
        if enough and learned and state.alarm_step is None:
            state.alarm_step = step
        elif back < (RETURNED - AGAIN) * rise:
            state.alarm_step = None
        if state.alarm_step is not None and level <= base:
            state.full_step = step

    def _finding(self) -> Finding:
        state = self.state
        base = state.base if state.base is not None else math.nan
        share = (state.peak - self._val.level) / (state.peak - base)
        now = (
            f"was back at its former best by step {state.full_step}"
            if state.full_step is not None
            else f"has given back {share:.0%} of that rise"
        )
        return Finding(
            id=self.id,
            severity="info",
            message=f"validation rose by {state.peak - base:.3g} between steps {state.base_step} and {state.peak_step} "
            f"and {now}, while train went on: epoch-wise double descent. An alarm before step {state.alarm_step} was "
            "about the peak; training on was right so far.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "former_best": base,
                "former_best_step": state.base_step,
                "peak": state.peak,
                "peak_step": state.peak_step,
                "level": self._val.level,
                "returned": share,
                "noise": state.noise,
            },
            speaks_for=self._for(base),
            speaks_against=self._against(),
            experiment="Evaluate the checkpoints of the former best, the peak and now on held-out examples that chose "
            "none of them: a second descent shows there as well, a lucky validation set does not.",
        )

    def _for(self, base: float) -> tuple[str, ...]:
        state = self.state
        found = [
            f"the rise to {state.peak:.4g} is {(state.peak - base) / (state.noise or math.inf):.0f} times the noise"
        ]
        if state.base_train is not None and self._train.seen:
            found.append(f"train went from {state.base_train:.4g} at the former best to {self._train.level:.4g}")
        return tuple(found)

    def _against(self) -> tuple[str, ...]:
        state, against = self.state, []
        if state.rate_at_peak is None or state.rate is None:
            against.append("the learning rate is not known: a drop of it would bring validation down as well")
        elif state.rate <= 0.5 * state.rate_at_peak:
            against.append(f"the learning rate went from {state.rate_at_peak:.3g} to {state.rate:.3g} since the peak")
        if state.base_train is None:
            against.append("the train metric is not known: a spike in training would look the same")
        if state.full_step is None:
            against.append("validation is not back at its former best yet")
        return tuple(against)
