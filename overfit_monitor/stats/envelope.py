"""Where a curve stands along its way, and how much its single values move around that."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from overfit_monitor.stats.autocorrelation import (
    FIRST_UNIT,
    SECOND_UNIT,
    first_difference_scale,
    second_difference_scale,
)
from overfit_monitor.stats.smoothing import running_median

Array = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]

WINDOW = 32  # values on each side that the noise is taken from
FEWEST = 5  # values below which a noise is no more than a guess
LEVEL_SHARE = 40  # the level is a median over a twentieth of what is drawn: this share on each side


def level_at(values: Array, places: Places) -> Array:
    """Return the running median of the values at these places, over a twentieth of them.

    Args:
        values: Finite values, oldest first, shape (n,).
        places: Rising indices into ``values``, shape (k,).
    """
    return running_median(values[places], max(1, len(places) // LEVEL_SHARE)) if len(places) else values[places]


def noise_at(values: Array, places: Places) -> Array:
    """Return the standard deviation of single values around these places, NaN where there are fewer than 5 values.

    It is the smaller of the first and the second difference scale of up to 65 values around each: a trend
    enlarges the first, and wild single values hardly move either.

    Args:
        values: Finite values, oldest first, shape (n,).
        places: Indices into ``values``, shape (k,).
    """
    if len(values) < FEWEST:
        return np.full(len(places), math.nan)
    starts = np.maximum(0, np.minimum(places - WINDOW, len(values) - 2 * WINDOW))
    firsts, which = np.unique(starts, return_inverse=True)
    length = 2 * WINDOW + 1
    whole = firsts[firsts + length <= len(values)]
    scales = np.empty(len(firsts))
    # The last window may be shorter by one than the others.
    scales[len(whole) :] = [_scale(values[first : first + length]) for first in firsts[len(whole) :]]
    if len(whole):
        scales[: len(whole)] = _scales(np.lib.stride_tricks.sliding_window_view(values, length)[whole])
    found: Array = scales[which]
    return found


def _scale(window: Array) -> float:
    values = window.tolist()
    return min(first_difference_scale(values), second_difference_scale(values, 1))


def _scales(windows: Array) -> Array:
    """Return `_scale` of each row, all rows at once."""
    first = np.median(np.abs(np.diff(windows, axis=1)), axis=1) / FIRST_UNIT
    second = np.median(np.abs(np.diff(windows, n=2, axis=1)), axis=1) / SECOND_UNIT
    smaller: Array = np.minimum(first, second)
    return smaller
