"""How far a curve has risen since its lowest level, and how much of that its own noise explains."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from overfit_monitor.stats.autocorrelation import (
    autocorrelation,
    first_difference_scale,
    inflation,
    second_difference_scale,
)
from overfit_monitor.stats.smoothing import running_median

Array = npt.NDArray[np.float64]

FEWEST = 6
LEAST_INFLATION = 2.0
MOST_CORRELATION = 0.8
NOISE_FLOOR = 1e-4
RANGE_ERRORS = 4.0
MOST_DOUBT = 20.0
EARLY = 3
EARLY_DOUBT = 3.0


class Rise(NamedTuple):
    """What `measure_rise` finds; positions are indices into the values.

    Attributes:
        best: Lowest level: the lowest running median.
        best_at: Where it is.
        level: Level at the end: the median of the last twentieth, of three values at least.
        noise: Standard deviation of the noise if it were independent.
        correlation: Lag-one autocorrelation of the noise, 0 to 0.95.
        wander: Standard deviation from second differences at lag 4, which slow noise moves as well.
        recovered: Largest earlier rise of the running median that a new lowest level made good.
        statistic: Rise in units of the noise of a mean of all evaluations since the best.
        begins: First, likeliest and last position of the turn. The likeliest is the last one with the lowest
            level; the others hold it where the level is within four standard errors, or a tenth of the rise.
            On 207 overfit nets the range held the turn of the true loss in 75 %, 13 % of a run wide.
        fall: How far the curve had come down from where it began.
    """

    best: float
    best_at: int
    level: float
    noise: float
    correlation: float
    wander: float
    recovered: float
    statistic: float
    begins: tuple[int, int, int]
    fall: float

    @property
    def rise(self) -> float:
        """Level at the end above the lowest, in the units of the values."""
        return self.level - self.best


def measure_rise(values: Array) -> Rise:
    """Measure the rise of a curve since its lowest level.

    With ``m`` values since the best, the statistic is
    ``rise / noise * sqrt(m) / max(2, inflation) / doubt``.

    - The ``noise`` is the smaller of the first and the second difference scale: a steep descent
      enlarges the first, and wild single values hardly move either.
    - ``inflation`` is what autocorrelation makes of it, taken as at least 2 (a correlation of 0.37)
      and at most that of a correlation of 0.8.
    - ``doubt`` is ``10^(2 r)``, at most 20, with ``r`` the largest earlier rise that was made good over
      this one: a curve that has come back from such a height may come back again. It is three times that
      where the best is among the first three values, for such a curve has had no occasion to come back.

    No distribution is assumed for it: its limit is calibrated by simulation
    (``docs/statistics.md``, ``docs/decisions/0004-overfitting-test.md``).

    Args:
        values: Finite values, lower is better, oldest first, shape (n >= 6,).
    """
    n = len(values)
    last = max(3, n // 20)
    half = max(1, (n // 20) // 2)
    smooth = running_median(values, half)
    best_at = int(np.argmin(smooth))
    best = float(smooth[best_at])
    level = float(np.median(values[-last:]))
    lag_1 = second_difference_scale(values, 1)
    noise = max(min(first_difference_scale(values), lag_1), NOISE_FLOOR * max(abs(best), abs(level)))
    correlation = autocorrelation(lag_1, second_difference_scale(values, 2))
    wander = second_difference_scale(values, 4)
    recovered = float(np.max(smooth[: best_at + 1] - np.minimum.accumulate(smooth[: best_at + 1])))
    statistic = _statistic(level - best, noise, n - best_at, correlation, _doubt(level - best, recovered, best_at))
    near = best + RANGE_ERRORS * noise / math.sqrt(2 * half + 1)
    return Rise(
        best,
        best_at,
        level,
        noise,
        correlation,
        0.0 if math.isnan(wander) else wander,
        recovered,
        statistic,
        _begins(smooth, best_at, near, max(near, best + 0.1 * (level - best))),
        float(np.median(values[:3])) - best,
    )


def _doubt(rise: float, recovered: float, best_at: int) -> float:
    doubt = min(10.0 ** (2.0 * recovered / rise), MOST_DOUBT) if rise > recovered else MOST_DOUBT
    return doubt * EARLY_DOUBT if best_at < EARLY else doubt


def _statistic(rise: float, noise: float, since: int, correlation: float, doubt: float) -> float:
    inflated = max(LEAST_INFLATION, inflation(min(correlation, MOST_CORRELATION)))
    return rise / noise * math.sqrt(since) / inflated / doubt if noise > 0.0 else 0.0


def _begins(smooth: Array, best_at: int, near: float, left: float) -> tuple[int, int, int]:
    """Return first, likeliest and last position at which the curve may have left its lowest level."""
    before = np.flatnonzero(smooth[: best_at + 1] > near)
    first = int(before[-1]) + 1 if len(before) else 0
    lowest = best_at + np.flatnonzero(smooth[best_at:] <= smooth[best_at])
    last = best_at + np.flatnonzero(smooth[best_at:] <= left)
    return first, int(lowest[-1]), int(last[-1])


def least_rise(found: Rise, n: int, limit: float) -> float:
    """Return the rise at which the statistic would reach a limit, all else being as it is.

    The inverse of the statistic of `measure_rise`: with ``c`` its limit without doubt, in units of the values, and
    ``q`` the largest rise that was made good, ``r 10^(-2 q / r) = c`` has the solution ``r = u / W(u / c)`` with
    ``u = 2 q ln 10`` and Lambert's W; it is at most ``20 c``, as the doubt is.

    Args:
        found: What was measured.
        n: Number of values it was measured on.
        limit: Limit of the statistic.

    Returns:
        The rise in the units of the values; infinite where the noise is 0, since no rise can be told from it.
    """
    if found.noise <= 0.0:
        return math.inf
    inflated = max(LEAST_INFLATION, inflation(min(found.correlation, MOST_CORRELATION)))
    sure = limit * found.noise * inflated / math.sqrt(n - found.best_at)
    sure *= EARLY_DOUBT if found.best_at < EARLY else 1.0
    made_good = 2.0 * found.recovered * math.log(10.0)
    if made_good <= 0.0:
        return sure
    return min(made_good / _lambert_w(made_good / sure), MOST_DOUBT * sure)


def _lambert_w(z: float) -> float:
    """Return w with ``w e^w = z`` for z above 0, by Newton's method on the logarithm of both sides."""
    w = math.log1p(z)
    for _ in range(20):
        step = (w + math.log(w) - math.log(z)) * w / (1.0 + w)
        w -= step
        if abs(step) <= 1e-12 * w:
            break
    return w
