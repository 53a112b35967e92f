"""Running medians."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]


def running_median(values: Array, half: int) -> Array:
    """Return the median of every value with its ``half`` neighbours on each side, shape (n,).

    At the ends, where neighbours are missing, the window is what is there. Where their number is even,
    it is the lower of the middle two at the beginning and the higher one at the end, so that a single
    low value at the end is no new level.

    Example:
        >>> import numpy as np
        >>> running_median(np.array([1.0, 9.0, 2.0, 3.0, 2.0]), 1).tolist()
        [1.0, 2.0, 3.0, 2.0, 3.0]
    """
    import numpy as np

    if half == 0:
        return values
    pad = np.where(np.arange(half) % 2 == 0, np.inf, -np.inf)
    padded = np.concatenate([-pad[::-1], values, pad])
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1)
    middle: Array = np.partition(windows, half, axis=1)[:, half]
    return middle
