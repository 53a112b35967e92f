"""Which column of a table counts the steps, and what its cells say."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import compress, islice
from operator import eq
from typing import TYPE_CHECKING, Final

from overfit_monitor.columns import Column
from overfit_monitor.deferred import Deferred

if TYPE_CHECKING:
    import numpy as np
else:
    np = Deferred("numpy")

LARGEST_STEP: Final = 2.0**53
LARGE: Final = 1 << 15  # cells from which on importing numpy takes less time than it saves


def steps_in(columns: Iterable[Column], rows: Sequence[int]) -> array[int] | None:
    """Return the steps by the column that tells the rows apart best, the first of them; None where none counts steps.

    Args:
        columns: Columns that may count steps, the preferred first.
        rows: The rows that matter; a ``range`` is all of them.

    Returns:
        A step for each row: an empty cell has that of the next that has one, or else the last.
    """
    best: tuple[int, Column] | None = None
    for column in columns:
        if not _is_steps(column) or not (column.full or all(column.known[row] for row in rows)):
            continue
        values = column.values if isinstance(rows, range) else array("d", [column.values[row] for row in rows])
        found = repeats(values)
        if best is None or found < best[0]:
            best = found, column
    return None if best is None else _filled(best[1])


def repeats(values: array[float] | array[int]) -> int:
    """Return how many numbers are the same as the one before."""
    if len(values) < LARGE:
        return sum(map(eq, values, islice(values, 1, None)))
    numbers = np.frombuffer(values, dtype=values.typecode)
    return int(np.count_nonzero(numbers[1:] == numbers[:-1]))


def _is_steps(column: Column) -> bool:
    """Return whether there are numbers and all are whole, as steps are."""
    values = column.values if column.full else array("d", compress(column.values, column.known))
    if not values:
        return False
    if len(values) < LARGE:
        return all(map(float.is_integer, values)) and -LARGEST_STEP < min(values) <= max(values) < LARGEST_STEP
    numbers = np.frombuffer(values, dtype=np.float64)
    return bool(np.all((np.abs(numbers) < LARGEST_STEP) & (numbers == np.floor(numbers))))


def _filled(column: Column) -> array[int]:
    """Return the steps, each empty cell with the next step there is, or else the last."""
    steps = _whole(column.values)
    if column.full:
        return steps
    following = steps[column.known.rfind(1)]
    for row in range(len(steps) - 1, -1, -1):
        if column.known[row]:
            following = steps[row]
        else:
            steps[row] = following
    return steps


def _whole(values: array[float]) -> array[int]:
    if len(values) < LARGE:
        return array("q", map(int, values))
    return array("q", np.frombuffer(values, dtype=np.float64).astype(np.int64).tobytes())
