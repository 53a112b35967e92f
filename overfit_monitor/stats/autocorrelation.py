"""Noise and its autocorrelation under a trend, from second differences."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from overfit_monitor.stats.order import median

# Of a Gaussian, the median absolute value is 0.6745 standard deviations.
_MEDIAN_ABSOLUTE = 0.6744897501960817
FIRST_UNIT = _MEDIAN_ABSOLUTE * math.sqrt(2.0)
SECOND_UNIT = _MEDIAN_ABSOLUTE * math.sqrt(6.0)
_GRID = [*(at * (0.95 / 95) for at in range(95)), 0.95]
_RATIO = [(1.0 + r) * (3.0 - r * r) / (3.0 - r) for r in _GRID]


def first_difference_scale(values: Sequence[float]) -> float:
    """Return the standard deviation of independent noise from the median absolute step; two values at least."""
    return median(abs(after - before) for before, after in pairwise(values)) / FIRST_UNIT


def second_difference_scale(values: Sequence[float], lag: int) -> float:
    """Return the standard deviation of independent noise from ``x[t-lag] - 2 x[t] + x[t+lag]``.

    A straight trend does not move it. The median keeps half of the differences from mattering, however
    wild. NaN where there are fewer than three differences.
    """
    if len(values) < 2 * lag + 3:
        return math.nan
    return median(map(second_difference, values[: -2 * lag], values[lag:-lag], values[2 * lag :])) / SECOND_UNIT


def second_difference(first: float, middle: float, last: float) -> float:
    """Return the size of a second difference."""
    return abs(last - 2.0 * middle + first)


def autocorrelation(lag_1: float, lag_2: float) -> float:
    """Return the lag-one correlation of AR(1) noise from its second differences at lags 1 and 2, 0 to 0.95.

    For AR(1) noise of correlation r the variance of the second difference at lag l is proportional to
    ``6 - 8 r^l + 2 r^2l``, so that the ratio of the two variances is ``(1 + r)(3 - r^2) / (3 - r)``,
    from 1 at r = 0 to 2 at r = 1.
    """
    if not lag_1 > 0.0 or math.isnan(lag_2):
        return 0.0
    ratio = min(lag_2 / lag_1, 2.0) ** 2
    at = bisect_right(_RATIO, ratio) - 1
    if at < 0 or at == len(_GRID) - 1:
        return _GRID[max(at, 0)]
    slope = (_GRID[at + 1] - _GRID[at]) / (_RATIO[at + 1] - _RATIO[at])
    return slope * (ratio - _RATIO[at]) + _GRID[at]


def inflation(correlation: float) -> float:
    """Return how much more the mean of AR(1) noise moves than second differences at lag 1 let one expect.

    The standard deviation of AR(1) noise is ``sqrt(6 / (6 - 8 r + 2 r^2))`` times what its second
    differences give for independent noise, and that of a mean of many values is
    ``sqrt((1 + r) / (1 - r))`` times that of independent ones.

    Example:
        >>> [round(inflation(r), 1) for r in (0.0, 0.35, 0.7, 0.8)]
        [1.0, 1.9, 5.0, 7.8]
    """
    r = correlation
    return math.sqrt(6.0 / (6.0 - 8.0 * r + 2.0 * r * r) * (1.0 + r) / (1.0 - r))
