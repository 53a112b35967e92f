"""The detector of overfitting."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.detectors.overfitting.conditions import (
    MATERIAL,
    OVER,
    PAIRED_ERRORS,
    PAIRED_IN_A_ROW,
    PAIRED_MATERIAL,
    PAIRED_SHARE,
    PAIRED_WANDER,
    RESTART,
    SINCE_BEST,
    SURE_ERRORS,
    SURELY_OVER,
    TRAIN_SHARE,
    WANDER,
    train_change,
)
from overfit_monitor.detectors.overfitting.told import State, Told
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.limits import limit_for
from overfit_monitor.stats.rise import FEWEST, Rise
from overfit_monitor.stats.rising_curve import RisingCurve


@final
class Overfitting(Detector):
    """Sees validation worse than its own best, beyond its own noise, while train is not worse.

    The rise is that of the level (a median) over the lowest level so far. The alarm is raised when

    - its statistic, the rise in units of the noise of a mean of all evaluations since the best, with
      autocorrelation and earlier rises that the run made good reckoned in (`overfit_monitor.stats.rise`),
      passes the limit for the ``false_alarm_rate`` (`overfit_monitor.stats.limits`),
    - the rise is at least 8 % of the lowest level: what is smaller is not worth an alarm,
    - it is at least three times the slow wander of the curve (second differences at lag 4),
    - it is at least 1.645 standard errors of the paired change, where per-example losses tell them, and
    - the train level has not risen by more than half as much.

    With per-example losses it is raised as well when the value less one standard error of its paired change to the
    best is at least 5 % above the best, five times in a row, the statistic passes a sixth of the limit, and the rise
    one and a half times the wander: what is sure about the examples needs to be less sure about the curve.

    A learning rate that grows by half or more begins a new phase, judged by itself: after a warm restart
    validation gets worse for a while as a matter of course (Loshchilov and Hutter 2017, arXiv 1608.03983).
    The alarm ends when the level comes back to within 3 % of the best. Wrong where the validation data changes
    half-way, and where noise is more correlated than 0.7: the table is in ``docs/statistics.md``.

    Args:
        false_alarm_rate: Largest share of healthy runs with an alarm at any time, 0.01 to 0.2.
    """

    id: ClassVar[str] = "overfitting"
    state: State

    def __init__(self, *, false_alarm_rate: float = 0.05) -> None:
        self.false_alarm_rate = false_alarm_rate
        self.limit = limit_for(false_alarm_rate)
        self.state = State()
        self._val = BinnedCurve()
        self._train = BinnedCurve()
        self._curve = RisingCurve()
        self._measured: Rise | None = None
        self.stood: list[bool] = []
        """Whether the alarm stood after each evaluation of the latest stretch."""

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        if self._restarted(signal.learning_rate):
            self._begin()
        self._remember(signal)
        train = math.nan if signal.train is None or not math.isfinite(signal.train) else signal.train
        self._train.update(signal.step, train)
        if not self._val.update(signal.step, signal.val):
            return
        self._measured = None
        curve = self._curve
        curve.follow(self._val.values)
        if curve.seen < FEWEST:
            return
        if self.state.alarm_step is None and signal.change_error is None and curve.rises_less_than(MATERIAL):
            return  # as nearly always in a run without overfitting
        self._judge(signal.step, signal.val, signal.change_error)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those at which the alarm may be raised, or may end, are judged."""
        state, rates, n = self.state, stretch.rates, len(stretch)
        restarts = [] if rates is None else [at for at, rate in enumerate(rates) if self._restarted(rate)]
        lowest = min(stretch.val)
        names = [name for name, other in stretch.others.items() if other.mode == "max"]
        state.last_val, state.change_error = stretch.val[-1], None
        if lowest < state.best_val:
            at = stretch.val.index(lowest)
            state.best_val = lowest
            state.others_at_best = {name: -stretch.others[name].val[at] for name in names}
        state.others_now = {name: -stretch.others[name].val[-1] for name in names}
        self.stood = []
        for start, end in pairwise([0, *restarts, n]):
            if start in restarts:
                self._begin()
            self._follow(stretch, start, end)

    def _begin(self) -> None:
        self._val, self._train = BinnedCurve(), BinnedCurve()
        self.state.alarm_step, self.state.paired_in_a_row = None, 0

    def _follow(self, stretch: Stretch, start: int, end: int) -> None:
        steps, val, train = stretch.steps, stretch.val, stretch.train or [math.nan] * len(stretch)
        while start < end:
            seen, stop = len(self._val.values), min(end, start + self._val.room)
            if start == stop:  # the next merges bins
                self._train.update(steps[start], train[start])
                self._val.update(steps[start], val[start])
                self._look([start], len(self._val.values) - 1, steps)
                stop += 1
            else:
                places = [start + at for at in self._val.closing(stop - start)]
                self._train.extend(steps[start:stop], train[start:stop])
                self._val.extend(steps[start:stop], val[start:stop])
                self._look(places, seen, steps)
            self.stood += [self.alarm] * (stop - len(self.stood))
            start = stop

    def _look(self, places: Sequence[int], seen: int, steps: Sequence[int]) -> None:
        """Look at the values after the first ``seen``, which came at these places."""
        curve, values, end = self._curve, self._val.values, seen + len(places)
        curve.follow(values, seen)
        while curve.seen < end:
            follow, share = (curve.follow_while_high, SURELY_OVER) if self.alarm else (curve.follow_while_low, MATERIAL)
            quiet, self._measured = follow(values, end, share), None
            if not quiet:
                at = places[curve.seen - seen - 1]
                self.stood += [self.alarm] * (at - len(self.stood))
                self._judge(steps[at], math.nan, None)

    def _judge(self, step: int, val: float, change_error: float | None) -> None:
        curve = self._curve
        best = curve.best
        rise = curve.level - best
        sure = self._sure_by_examples(rise, best, val, change_error)
        if self.state.alarm_step is None and (sure or self._raised(rise, best)):
            self.state.alarm_step = step
        elif rise <= OVER * abs(best):
            self.state.alarm_step = None

    @property
    def alarm(self) -> bool:
        """Whether the alarm stands now, without the cost of a finding."""
        return self.state.alarm_step is not None

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays up."""
        alarm, seen = self.state.alarm_step, len(self._val.values)
        if seen < FEWEST:
            return NotJudged(id=self.id, reason=f"it needs at least {FEWEST} finite validation values and has {seen}")
        found = None if alarm is None else self._rise()
        if alarm is None or found is None:
            return None
        first, onset, last = (min(self._val.step_of(position), alarm) for position in found.begins)
        told = Told(self.state, found, self._train_change(found), self.limit, self.false_alarm_rate, facts)
        return told.finding(self.id, onset, (first, last), alarm)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        super().load_state_dict(state)
        self._measured = None

    def _restarted(self, rate: float | None) -> bool:
        before = self.state.learning_rate
        self.state.learning_rate = before if rate is None else rate
        return before is not None and rate is not None and before > 0.0 and rate >= RESTART * before

    def _remember(self, signal: Signal) -> None:
        state = self.state
        state.last_val = signal.val
        state.change_error = signal.change_error
        state.others_now = {
            name: -other.val for name, other in signal.others.items() if other.mode == "max" and other.finite
        }
        if signal.val < state.best_val or signal.best_step == signal.step:
            state.best_val, state.others_at_best = signal.val, dict(state.others_now)

    def _rise(self) -> Rise | None:
        self._curve.follow(self._val.values)
        return self._measure() if self._curve.seen >= FEWEST else None

    def _measure(self) -> Rise:
        if self._measured is None:
            self._measured = self._curve.measure()
        return self._measured

    def _raised(self, rise: float, best: float) -> bool:
        curve = self._curve  # what costs most is asked last
        return (
            rise >= MATERIAL * abs(best)
            and curve.seen - 1 - curve.best_at >= SINCE_BEST
            and rise >= WANDER * curve.wander
            and rise >= SURE_ERRORS * (self.state.change_error or 0.0)
            and self._passes(self.limit)
        )

    def _sure_by_examples(self, rise: float, best: float, val: float, change_error: float | None) -> bool:
        if change_error is None:
            return False
        state = self.state
        surely = val - state.best_val - PAIRED_ERRORS * change_error
        worse = (
            surely >= PAIRED_MATERIAL * abs(state.best_val)
            and rise > OVER * abs(best)
            and rise >= PAIRED_WANDER * self._curve.wander
            and self._passes(PAIRED_SHARE * self.limit)
        )
        state.paired_in_a_row = state.paired_in_a_row + 1 if worse else 0
        return state.paired_in_a_row >= PAIRED_IN_A_ROW

    def _passes(self, limit: float) -> bool:
        """Return whether the statistic is at the limit and train is not worse by half as much."""
        found = self._measure()
        if not found.statistic >= limit:
            return False
        change = self._train_change(found)
        return change is None or not change > TRAIN_SHARE * found.rise

    def _train_change(self, found: Rise) -> float | None:
        return train_change(self._train.values[: self._curve.seen], found)
