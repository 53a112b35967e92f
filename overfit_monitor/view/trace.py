"""The test that decides on overfitting, along the whole run: its statistic, its limit, and what would pass it.

The detector keeps the latest figures only. Here they are reckoned again at chosen evaluations, from the same
functions: `RisingCurve` over the bins that the detector had then, and `rise_for_alarm` for its conditions. From 4,096
evaluations on these are bins of the means that the analyzer judges at the end of the run.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from overfit_monitor.detectors.overfitting.conditions import RESTART, rise_for_alarm, train_change
from overfit_monitor.pooling import MOST
from overfit_monitor.records import Mode
from overfit_monitor.signals import LARGEST
from overfit_monitor.stats.binned import MOST_BINS
from overfit_monitor.stats.limits import limit_for
from overfit_monitor.stats.rise import FEWEST
from overfit_monitor.stats.rising_curve import RisingCurve
from overfit_monitor.view.curves import RunCurves
from overfit_monitor.view.series import Array, Places, Steps, between, spread

MOST_TRACED = 500


class Trace(NamedTuple):
    """The test at chosen evaluations.

    Attributes:
        steps: Steps of the evaluations.
        statistic: The rise in units of its noise; NaN while there are too few values.
        limit: What the statistic must pass for an alarm.
        level: Level of validation at which the alarm would be raised, oriented; NaN where no level would raise it.
        train: The latest train value, oriented; NaN where there is none.
    """

    steps: Steps
    statistic: Array
    limit: float
    level: Array
    train: Array


def trace(
    curves: RunCurves,
    mode: Mode,
    *,
    false_alarm_rate: float,
    first: int | None = None,
    last: int | None = None,
    most: int = MOST_TRACED,
) -> Trace:
    """Return the test at up to ``most`` evaluations, equally far apart.

    What per-example losses add (an alarm may be raised earlier by them) is not in it.

    Args:
        curves: The run's curves.
        mode: ``max`` where higher is better.
        false_alarm_rate: What the test was told.
        first: First step of interest, None for all from the beginning.
        last: Last step of interest, None for all to the end.
        most: Most evaluations.
    """
    sign = -1.0 if mode == "max" else 1.0
    size = _pool_size(len(curves.val))
    pooled = _means(_oriented(curves.val.values, sign), size)
    finite = np.flatnonzero(np.isfinite(pooled))
    last_of = (finite + 1) * size - 1  # place of the last evaluation of each pool
    steps, val = curves.val.steps[last_of], pooled[finite]
    train = _means(_oriented(curves.train_at_val, sign), size)[finite]
    errors = np.nan_to_num(curves.change_error[last_of])
    begins = _phases(curves.rate_at_val[last_of])
    wanted = np.arange(len(steps))[between(steps, first, last)]
    wanted = wanted[spread(len(wanted), most)]
    limit = limit_for(false_alarm_rate)
    statistic, level = np.full((2, len(wanted)), math.nan)
    ends = np.append(begins, len(steps))[1:]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        bins, train_bins, curve = _Bins(val[begin:end]), _Bins(train[begin:end]), RisingCurve()
        for i in np.flatnonzero((wanted >= begin) & (wanted < end)).tolist():
            seen = int(wanted[i]) - begin + 1
            values = bins.at(seen)
            if len(values) < FEWEST:
                continue
            curve.follow(values)
            found = curve.measure()
            change = train_change(train_bins.at(seen), found)
            error = float(errors[wanted[i]])
            statistic[i] = found.statistic
            level[i] = found.best + rise_for_alarm(found, len(values), limit, change=change, change_error=error)
    return Trace(steps[wanted], statistic, limit, level, train[wanted])


class _Bins:
    """The means that `BinnedCurve` holds after any number of values, without taking them in one by one."""

    def __init__(self, values: Array) -> None:
        self._pairs = [values]
        self._halvings = 0
        self._list: list[float] = []

    def at(self, seen: int) -> list[float]:
        """Return the closed bins after the first ``seen`` values, which must not become fewer.

        The list is appended to, and replaced when bins are merged.
        """
        halvings = 0 if seen < MOST_BINS else (seen // MOST_BINS).bit_length()
        while len(self._pairs) <= halvings:
            finer = self._pairs[-1]
            whole = finer[: len(finer) // 2 * 2]
            self._pairs.append(0.5 * (whole[::2] + whole[1::2]))
        if halvings != self._halvings:
            self._halvings, self._list = halvings, []
        self._list += self._pairs[halvings][len(self._list) : seen >> halvings].tolist()
        return self._list


def _pool_size(evaluations: int) -> int:
    """Return how many evaluations the analyzer judges as one: a power of two, 1 up to a length of 4,096."""
    return 1 << max(0, (evaluations - 1) // MOST).bit_length()


def _means(values: Array, size: int) -> Array:
    """Return the means of the finite ones among ``size`` values each, NaN where there is none."""
    if size == 1:
        return values
    pools = values[: len(values) // size * size].reshape(-1, size)
    finite = np.isfinite(pools)
    with np.errstate(invalid="ignore"):  # 0 / 0 is what is wanted where there is none
        means: Array = np.where(finite, pools, 0.0).sum(axis=1) / finite.sum(axis=1)
    return means


def _oriented(values: Array, sign: float) -> Array:
    bounded = np.clip(sign * values, -LARGEST, LARGEST)
    return np.where(np.isfinite(values), bounded, math.nan)


def _phases(rates: Array) -> Places:
    """Return where a phase begins: at the first evaluation, and where the learning rate grows by half or more."""
    known = np.flatnonzero(~np.isnan(rates))
    before, now = rates[known[:-1]], rates[known[1:]]
    begins = known[1:][(before > 0.0) & (now >= RESTART * before)]
    return np.unique(np.concatenate([np.zeros(min(1, len(rates)), dtype=np.intp), begins]))
