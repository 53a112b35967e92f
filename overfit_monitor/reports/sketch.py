"""A curve as a few columns, small enough to be kept of every run, and the bars that are drawn of it."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import repeat
from operator import truediv
from typing import Final, NamedTuple

from overfit_monitor.records import Mode

BARS: Final = "▁▂▃▄▅▆▇█"
WIDTH: Final = 24
BEST: Final = "•"
ONSET: Final = "╎"


class Sketch(NamedTuple):
    """A curve as a few columns.

    Attributes:
        steps: First step of each column.
        values: Mean of the finite values of each column, NaN where there are none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
    """

    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    mode: Mode = "min"


def sketch(steps: Sequence[int], values: Sequence[float], *, mode: Mode = "min", width: int = WIDTH) -> Sketch:
    """Return a curve as at most so many columns.

    Args:
        steps: Steps in increasing order.
        values: As many values; those that are not finite leave a gap.
        mode: Direction of the metric.
        width: Most columns.

    Example:
        >>> sketch(range(4), [4.0, 2.0, 1.0, 3.0], width=2)
        Sketch(steps=(0, 2), values=(3.0, 2.0), mode='min')
    """
    each = 1 + (len(values) - 1) // width if len(values) else 1
    starts = range(0, len(values), each)
    means = tuple(_mean(values[start : start + each]) for start in starts)
    return Sketch(tuple(steps[start] for start in starts), means, mode)


def narrower(curve: Sketch, width: int) -> Sketch:
    """Return a curve as at most so many columns, each the mean of some of those it has.

    Args:
        curve: The curve.
        width: Most columns.
    """
    return sketch(curve.steps, curve.values, mode=curve.mode, width=width)


def bars(curve: Sketch, *, best: int | None = None, onset: int | None = None) -> list[str]:
    """Return the columns as bars of eight heights, with the best step as a dot and a line where it began.

    A height is the square root of the distance to the best column, so that a rise of a tenth is still seen
    beside the fall of the first epochs.

    Args:
        curve: The curve.
        best: Step of the checkpoint to keep, None for no mark.
        onset: Step at which the phenomenon began, None for no mark.

    Example:
        >>> "".join(bars(Sketch(range(5), (3.0, 2.0, 1.0, math.nan, 5.0)), best=2, onset=3))
        '▆▅•╎ █'
    """
    finite = [value for value in curve.values if math.isfinite(value)]
    if not finite:
        return []
    low, high = min(finite), max(finite)
    drawn = [_bar(value, low, high, curve.mode) for value in curve.values]
    if best is not None and (at := bisect_right(curve.steps, best) - 1) >= 0:
        drawn[at] = BEST
    if onset is not None and (at := bisect_right(curve.steps, onset) - 1) >= 0:
        drawn[at] = drawn[at] + ONSET if drawn[at] == BEST else ONSET + drawn[at]
    return drawn


def _bar(value: float, low: float, high: float, mode: Mode) -> str:
    if not math.isfinite(value):
        return " "
    # Halved, so that the height of a curve from -1e308 to 1e308 is finite.
    scale = (high / 2 - low / 2) or 1.0
    height = math.sqrt(min(1.0, (value / 2 - low / 2) / scale))
    if mode == "max":
        height = 1.0 - math.sqrt(min(1.0, (high / 2 - value / 2) / scale))
    return BARS[round((len(BARS) - 1) * height)]


def _mean(values: Sequence[float]) -> float:
    finite = list(filter(math.isfinite, values))
    return sum(map(truediv, finite, repeat(len(finite)))) if finite else math.nan
