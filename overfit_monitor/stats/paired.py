"""How sure a mean over examples is, and a difference of two means over the same examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from overfit_monitor.deferred import Deferred

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
else:
    np = Deferred("numpy")


def standard_error(values: Array) -> float:
    """Return the standard error of the mean, ``sd / sqrt(n)`` with ``n - 1`` degrees of freedom; shape (n >= 2,).

    It is the error of the mean as an estimate over all examples that there could be, if these were drawn
    independently. Infinite or NaN where the values are too large to be squared.

    Example:
        >>> import numpy as np
        >>> standard_error(np.array([1.0, 3.0, 1.0, 3.0])) == math.sqrt(4 / 3) / 2
        True
    """
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.std(values, ddof=1)) / math.sqrt(len(values))


def paired_change(now: Array, before: Array) -> tuple[float, float]:
    """Return the mean of ``now - before`` over the same examples and its standard error; shapes (n >= 2,).

    What makes an example hard is in both and falls out, so that the error is that of the differences and
    not of the two means (Student 1908, The Probable Error of a Mean, section on paired observations; for
    two models on the same test examples Dietterich 1998, Neural Computation 10).

    Example:
        >>> import numpy as np
        >>> paired_change(np.array([1.5, 9.0]), np.array([1.0, 9.0]))
        (0.25, 0.25)
    """
    with np.errstate(over="ignore", invalid="ignore"):
        differences = now - before
        return float(np.mean(differences)), standard_error(differences)
