"""Noise and its autocorrelation under a trend, from second differences."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

# Of a Gaussian, the median absolute value is 0.6745 standard deviations.
_MEDIAN_ABSOLUTE = 0.6744897501960817
_GRID = np.linspace(0.0, 0.95, 96)
_RATIO = (1.0 + _GRID) * (3.0 - _GRID**2) / (3.0 - _GRID)


def first_difference_scale(values: Array) -> float:
    """Return the standard deviation of independent noise from the median absolute step; shape (n >= 2,)."""
    return float(np.median(np.abs(np.diff(values)))) / (_MEDIAN_ABSOLUTE * math.sqrt(2.0))


def second_difference_scale(values: Array, lag: int) -> float:
    """Return the standard deviation of independent noise from ``x[t-lag] - 2 x[t] + x[t+lag]``.

    A straight trend does not move it. The median keeps half of the differences from mattering, however
    wild. NaN where there are fewer than three differences.
    """
    if len(values) < 2 * lag + 3:
        return math.nan
    second = values[2 * lag :] - 2.0 * values[lag:-lag] + values[: -2 * lag]
    return float(np.median(np.abs(second))) / (_MEDIAN_ABSOLUTE * math.sqrt(6.0))


def autocorrelation(lag_1: float, lag_2: float) -> float:
    """Return the lag-one correlation of AR(1) noise from its second differences at lags 1 and 2, 0 to 0.95.

    For AR(1) noise of correlation r the variance of the second difference at lag l is proportional to
    ``6 - 8 r^l + 2 r^2l``, so that the ratio of the two variances is ``(1 + r)(3 - r^2) / (3 - r)``,
    from 1 at r = 0 to 2 at r = 1.
    """
    if not lag_1 > 0.0 or math.isnan(lag_2):
        return 0.0
    return float(np.interp(min(lag_2 / lag_1, 2.0) ** 2, _RATIO, _GRID))


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
