"""Medians of values that come one by one, without sorting them anew."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterable, Sequence
from typing import final


def median(values: Iterable[float]) -> float:
    """Return the median, the mean of the middle two of an even number; there must be a value.

    Example:
        >>> median([3.0, 1.0]), median([3.0, 1.0, 9.0])
        (2.0, 3.0)
    """
    return middle(sorted(values))


def middle(ordered: Sequence[float]) -> float:
    """Return the median of values in their order."""
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2.0


@final
class Window:
    """The latest values of a list that its owner keeps, in their order; made anew from the list at any time.

    Args:
        values: The latest values, oldest first. They are changed by `push`, nowhere else.
        size: Most values to keep.

    Example:
        >>> window = Window([3.0, 1.0, 2.0], 3)
        >>> window.push(5.0)
        >>> window.values, window.median
        ([1.0, 2.0, 5.0], 2.0)
    """

    __slots__ = ("_ordered", "size", "values")

    def __init__(self, values: list[float], size: int) -> None:
        self.values = values
        self.size = size
        self._ordered = sorted(values)

    def push(self, value: float) -> None:
        """Add a value that is not NaN, and let go of the oldest where there are too many."""
        values, ordered = self.values, self._ordered
        values.append(value)
        insort(ordered, value)
        if len(values) > self.size:
            del ordered[bisect_left(ordered, values[0])]
            del values[0]

    def extend(self, values: Sequence[float]) -> list[float]:
        """Push values one after another, none of them NaN, and return the median after each."""
        ordered, size, medians = self._ordered, self.size, []
        room = max(0, size - len(ordered))
        for value in values[:room]:
            insort(ordered, value)
            medians.append(middle(ordered))
        together = [*self.values, *values]
        half = size // 2
        low = half if size % 2 else half - 1
        for oldest, value in zip(together, together[size:], strict=False):
            del ordered[bisect_left(ordered, oldest)]
            insort(ordered, value)
            medians.append((ordered[low] + ordered[half]) / 2.0)
        self.values[:] = together[-size:]
        return medians

    @property
    def median(self) -> float:
        """Median of the values; there must be one."""
        return middle(self._ordered)
