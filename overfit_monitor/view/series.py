"""Curves made small enough to be sent and drawn."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Steps = npt.NDArray[np.int64]
Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

MOST_POINTS = 2000
SPARKLINE_POINTS = 48
DIGITS = 7  # more than a float32 tells, or a screen shows
FEW_DIGITS = 4


class Curve(NamedTuple):
    """One curve: steps that rise, values, and wall times in seconds since 1970 where they are known."""

    steps: Steps
    values: Array
    times: Array | None = None

    @classmethod
    def of(cls, points: Sequence[tuple[int, float]], times: Sequence[float] | None = None) -> Curve:
        """Return the curve of points (step, value) in the order of their steps."""
        steps = np.array([step for step, _ in points], dtype=np.int64)
        values = np.array([value for _, value in points], dtype=np.float64)
        return cls(steps, values, None if times is None else np.array(times, dtype=np.float64))

    def __len__(self) -> int:
        return len(self.steps)

    def between(self, first: int | None, last: int | None) -> Curve:
        """Return the part from one step to another, both included; None leaves an end open."""
        return self.at(between(self.steps, first, last))

    def at(self, places: Places | slice) -> Curve:
        """Return the points at these places."""
        return Curve(self.steps[places], self.values[places], None if self.times is None else self.times[places])

    def plain(self, most: int = MOST_POINTS) -> dict[str, Any]:
        """Return the curve as columns for JSON, thinned to at most ``most`` points."""
        kept = self.at(thin(self.values, most))
        times = None if kept.times is None else numbers(kept.times, digits=13)
        return {"steps": kept.steps.tolist(), "values": numbers(kept.values), "times": times}


NOTHING = Curve.of([])


class Clock(NamedTuple):
    """When steps were logged: steps that rise, and wall times in seconds since 1970."""

    steps: Steps
    times: Array

    @classmethod
    def of(cls, steps: npt.ArrayLike, times: npt.ArrayLike) -> Clock:
        """Return the clock of steps in any order; of one that comes again the last time counts."""
        known, at = np.array(steps, dtype=np.int64), np.array(times, dtype=np.float64)
        if not (known[1:] > known[:-1]).all():
            order = np.argsort(known, kind="stable")
            order = order[np.append(np.diff(known[order]) > 0, True)[: len(order)]]
            known, at = known[order], at[order]
        return cls(known, at)

    def at(self, steps: Steps) -> Array:
        """Return the wall times of steps, NaN where they are not known."""
        if np.array_equal(self.steps, steps):
            return self.times
        place = np.searchsorted(self.steps, steps)
        there = np.append(self.steps, 0)[place] == steps
        return np.where(there & (place < len(self.steps)), np.append(self.times, math.nan)[place], math.nan)


def between(steps: Steps, first: int | None, last: int | None) -> slice:
    """Return where rising steps lie between two, both included; None leaves an end open."""
    begin = 0 if first is None else int(np.searchsorted(steps, first, "left"))
    end = len(steps) if last is None else int(np.searchsorted(steps, last, "right"))
    return slice(begin, max(begin, end))


def thin(values: Array, most: int = MOST_POINTS) -> Places:
    """Return the places of at most ``most`` values.

    Of each bucket the lowest and the highest value stay, and one that is not finite if there is
    one, so that no spike is lost; so do the first and the last value.

    Args:
        values: Values in the order of their steps, shape (n,).
        most: Most places to return, at least 5.
    """
    n = len(values)
    if n <= most:
        return np.arange(n)
    finite = np.isfinite(values)
    buckets = (most - 2) // (2 if finite.all() else 3)
    low, high = np.where(finite, values, math.inf), np.where(finite, values, -math.inf)
    edges = np.arange(buckets + 1) * n // buckets
    kept = [0, n - 1]
    for begin, end in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        whole = finite[begin:end]
        if whole.any():
            kept += [begin + int(np.argmin(low[begin:end])), begin + int(np.argmax(high[begin:end]))]
        if not whole.all():
            kept.append(begin + int(np.argmin(whole)))
    return np.unique(np.array(kept, dtype=np.intp))


def spread(n: int, most: int = MOST_POINTS) -> Places:
    """Return at most ``most`` places of ``n``, equally far apart, the last one always."""
    return np.arange(n - 1, -1, -max(1, math.ceil(n / most)))[::-1]


def sparkline(values: Array, most: int = SPARKLINE_POINTS) -> list[float | None]:
    """Return at most ``most`` values, each the mean of a bucket's finite ones, None where there is none."""
    n = len(values)
    buckets = min(most, n)
    finite = np.isfinite(values)
    edges = np.arange(buckets + 1) * n // max(1, buckets)
    if not buckets:
        return []
    counts = np.add.reduceat(finite.astype(np.float64), edges[:-1])
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        means = np.add.reduceat(np.where(finite, values, 0.0), edges[:-1]) / counts
    return numbers(means, FEW_DIGITS)


def numbers(values: Iterable[float], digits: int = DIGITS) -> list[float | None]:
    """Return values with that many significant digits, None for NaN and infinity."""
    return [float(f"{value:.{digits}g}") if math.isfinite(value) else None for value in map(float, values)]


def plain(value: Any) -> Any:
    """Return a value of records, dictionaries and lists for JSON; what is not a finite number is None."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int) else str(value)
