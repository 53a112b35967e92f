"""The rise of a curve that grows, measured at less cost than anew each time."""

from __future__ import annotations

import math
from bisect import insort
from collections.abc import Iterable, Sequence
from itertools import accumulate
from operator import sub
from typing import final

from overfit_monitor.stats.autocorrelation import FIRST_UNIT, SECOND_UNIT, autocorrelation, second_difference
from overfit_monitor.stats.order import median, middle
from overfit_monitor.stats.rise import FEWEST, Rise, begins_of, doubt_of, statistic_of

NOISE_FLOOR = 1e-4
RANGE_ERRORS = 4.0
LAGS = (1, 2, 4)
FEW = 8  # values that are put in their places one by one


def measure_rise(values: Sequence[float]) -> Rise:
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
        values: Finite values, lower is better, oldest first, 6 at least.
    """
    curve = RisingCurve()
    curve.follow([float(value) for value in values])
    return curve.measure()


@final
class RisingCurve:
    """Measures the rise of a curve that grows by one value at a time, each time as if it were new, at less cost.

    Differences and running medians of the values that are there already stay as they are, so that only what
    new values add is reckoned, and nothing before somebody asks for it.
    """

    _seen: int

    def __init__(self) -> None:
        self._begin([])

    def follow(self, values: list[float], n: int | None = None) -> None:
        """Take in the values: those of before, with what was appended to them since, or else any others.

        Args:
            values: Finite values. The list is kept, to be appended to; whoever changes it otherwise hands in another.
            n: How many of them, from the beginning on; None takes all.
        """
        n = len(values) if n is None else n
        if values is not self._values or n < self._seen:
            self._begin(values)
        self._seen = n

    @property
    def seen(self) -> int:
        """Number of values."""
        return self._seen

    @property
    def best_at(self) -> int:
        """Where the lowest running median is, the first of them."""
        return self._best()[1]

    @property
    def best(self) -> float:
        """The lowest running median."""
        return self._best()[0]

    @property
    def level(self) -> float:
        """Median of the last twentieth of the values, of three at least."""
        n = self._seen
        return median(self._values[max(0, n - max(3, n // 20)) : n])

    def rises_less_than(self, share: float) -> bool:
        """Return whether the rise is below a share of the lowest level's size for sure, told at less cost than both.

        The lowest level is not below `_least`. Where that is negative, a rise from it means that it is below the level.

        Args:
            share: Above 0.
        """
        level, least = self.level, self._least()
        return level - least < share * (least if least >= 0.0 else -level)

    def follow_while_low(self, values: list[float], n: int, share: float) -> bool:
        """Follow values one by one for as long as the rise is below a share of the lowest level for sure.

        As `rises_less_than` tells, and at less cost: no running median, however wide, is below the lowest median of
        three neighbours and the first four values. More than half of its window is not above it, and so are two of
        three neighbours or, at the start, one of the four.

        Args:
            values: As for `follow`.
            n: How many of them to follow at most, not fewer than were.
            share: As for `rises_less_than`.

        Returns:
            Whether it went on to the end; otherwise the last that was followed is the first of which it is not so.
        """
        first = max(self._seen + 1, FEWEST)
        self.follow(values, min(n, first - 1))
        lowest = self._lowest_of_three()
        for seen in range(first, n + 1):
            last = sorted(values[seen - 3 : seen])
            lowest = min(lowest, last[1])
            wide = seen // 20
            level = last[1] if wide <= 3 else middle(sorted(values[seen - wide : seen]))
            if not (lowest >= 0.0 and level - lowest < share * lowest):
                self._seen, self._threes = seen, (lowest, seen)
                if not self.rises_less_than(share):
                    return False
        self._seen = n
        if n >= first:
            self._threes = lowest, n
        return True

    def follow_while_high(self, values: list[float], n: int, share: float) -> bool:
        """Follow values one by one for as long as the rise is above a share of the lowest level's size for sure.

        Args:
            values: As for `follow`.
            n: How many of them to follow at most, not fewer than were.
            share: Above 0.

        Returns:
            As `follow_while_low`.
        """
        first = max(self._seen + 1, FEWEST)
        self.follow(values, min(n, first - 1))
        for seen in range(first, n + 1):
            self._seen = seen
            least = self._least()
            lowest = self._settled[self._lowest_at]
            if not (least > 0.0 and self.level - lowest > share * lowest):
                return False
        return True

    @property
    def wander(self) -> float:
        """Standard deviation from second differences at lag 4, 0 with fewer than three of them."""
        self._compare()
        found = self._second_scale(4)
        return 0.0 if math.isnan(found) else found

    def measure(self) -> Rise:
        """Return all that `measure_rise` finds; it takes 6 values at least."""
        self._compare()
        values, level, n = self._values, self.level, self._seen
        best, best_at = self._best()
        smooth = self._settled + self._tail()
        lag_1 = self._second_scale(1)
        noise = max(min(middle(self._differences) / FIRST_UNIT, lag_1), NOISE_FLOOR * max(abs(best), abs(level)))
        correlation = autocorrelation(lag_1, self._second_scale(2))
        earlier = smooth[: best_at + 1]
        recovered = max(value - lowest for value, lowest in zip(earlier, accumulate(earlier, min), strict=True))
        doubt = doubt_of(level - best, recovered, best_at)
        near = best + RANGE_ERRORS * noise / math.sqrt(2 * self._half + 1)
        return Rise(
            best,
            best_at,
            level,
            noise,
            correlation,
            self.wander,
            recovered,
            statistic_of(level - best, noise, n - best_at, correlation, doubt),
            begins_of(smooth, best_at, near, max(near, best + 0.1 * (level - best))),
            median(values[:3]) - best,
        )

    def _begin(self, values: list[float]) -> None:
        self._values = values
        self._seen = self._compared = 0
        self._half = 1
        self._threes = math.inf, 0  # the lowest median of three, and the values that it is of
        self._settled: list[float] = []  # running medians whose window is full on the right
        self._lowest_at = 0
        self._differences: list[float] = []
        self._seconds: dict[int, list[float]] = {lag: [] for lag in LAGS}

    def _compare(self) -> None:
        """Reckon the differences that the values which came since the last time have added."""
        values, done, n = self._values, self._compared, self._seen
        _insert(self._differences, map(abs, map(sub, values[max(1, done) : n], values[max(0, done - 1) : n])))
        for lag, ordered in self._seconds.items():
            first = max(0, done - 2 * lag)
            _insert(
                ordered, map(second_difference, values[first:n], values[first + lag : n], values[first + 2 * lag : n])
            )
        self._compared = n

    def _settle(self) -> None:
        """Reckon the running medians that the values which came since the last time have settled."""
        values, n = self._values, self._seen
        half = max(1, n // 20 // 2)
        if half != self._half:
            self._half, self._settled, self._lowest_at = half, [], 0
        settled, done = self._settled, len(self._settled)
        settled += [_running_median(values, at, half, n) for at in range(done, min(half, n - half))]
        settled += [sorted(values[at - half : at + half + 1])[half] for at in range(len(settled), n - half)]
        for at in range(done, len(settled)):
            if settled[at] < settled[self._lowest_at]:
                self._lowest_at = at

    def _lowest_of_three(self) -> float:
        """Return the lowest of the first four values and of the medians of three neighbours."""
        values, (lowest, done) = self._values, self._threes
        threes = (sorted(values[at - 3 : at])[1] for at in range(max(3, done + 1), self._seen + 1))
        lowest = min(min(values[done : min(4, self._seen)], default=lowest), min(threes, default=lowest), lowest)
        self._threes = lowest, self._seen
        return lowest

    def _least(self) -> float:
        """Return what no running median is below, from those that are settled and the values at the end.

        A window at the end has its median at ``half - half // 2`` in its order or later, and lies within those values.
        """
        self._settle()
        half = self._half
        n = self._seen
        return min(self._settled[self._lowest_at], sorted(self._values[n - 2 * half : n])[half - half // 2])

    def _best(self) -> tuple[float, int]:
        least = self._least()
        settled = self._settled
        lowest_at = self._lowest_at
        lowest = settled[lowest_at]
        if least < lowest:
            for at, level in enumerate(self._tail(), start=len(settled)):
                if level < lowest:
                    lowest, lowest_at = level, at
        return lowest, lowest_at

    def _tail(self) -> list[float]:
        n, half = self._seen, self._half
        return [_running_median(self._values, at, half, n) for at in range(len(self._settled), n)]

    def _second_scale(self, lag: int) -> float:
        ordered = self._seconds[lag]
        return middle(ordered) / SECOND_UNIT if len(ordered) >= 3 else math.nan


def _insert(ordered: list[float], values: Iterable[float]) -> None:
    new = list(values)
    if len(new) < FEW:
        for value in new:
            insort(ordered, value)
    else:
        ordered += new
        ordered.sort()


def _running_median(values: list[float], at: int, half: int, n: int) -> float:
    """Return what `overfit_monitor.stats.smoothing.running_median` has there, with the ``n`` values seen so far."""
    before, after = min(at, half), min(n - 1 - at, half)
    window = sorted(values[at - before : at + after + 1])
    # Every other missing neighbour is infinite: from the edge on down, up, down at the start; up, down, up at the end.
    below = (half - before + 1) // 2 + (half - after) // 2
    return window[half - below]
