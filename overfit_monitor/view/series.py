"""Curves made small enough to be sent and drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean

Point = tuple[int, float]

MOST_POINTS = 2000
SPARKLINE_POINTS = 64


def thin(points: Sequence[Point], most: int = MOST_POINTS) -> list[list[int | float | None]]:
    """Return at most ``most`` points as ``[step, value]``, None for NaN and infinity.

    Of each bucket the lowest and the highest point stay, and one that is not finite if there is
    one, so that no spike is lost; so do the first and the last point.

    Args:
        points: Points in the order of their steps.
        most: Most points to return, at least 5.
    """
    if len(points) <= most:
        return [_plain(point) for point in points]
    buckets = (most - 2) // (2 if all(math.isfinite(value) for _, value in points) else 3)
    kept = {0, len(points) - 1}
    for i in range(buckets):
        bucket = range(i * len(points) // buckets, (i + 1) * len(points) // buckets)
        finite = [j for j in bucket if math.isfinite(points[j][1])]
        if finite:
            kept |= {min(finite, key=lambda j: points[j][1]), max(finite, key=lambda j: points[j][1])}
        if len(finite) < len(bucket):
            kept.add(next(j for j in bucket if not math.isfinite(points[j][1])))
    return [_plain(points[j]) for j in sorted(kept)]


def sparkline(values: Sequence[float], most: int = SPARKLINE_POINTS) -> list[float | None]:
    """Return at most ``most`` values, each the mean of a bucket's finite ones, None where there is none."""
    buckets = min(most, len(values))
    cut = [values[i * len(values) // buckets : (i + 1) * len(values) // buckets] for i in range(buckets)]
    finite = [[value for value in bucket if math.isfinite(value)] for bucket in cut]
    return [fmean(bucket) if bucket else None for bucket in finite]


def _plain(point: Point) -> list[int | float | None]:
    step, value = point
    return [step, value if math.isfinite(value) else None]
