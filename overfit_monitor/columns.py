"""Observations as columns: a whole log in a few bytes a value, without one object a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import add, and_, lt
from typing import TYPE_CHECKING, Any, final, overload

from overfit_monitor.deferred import Deferred
from overfit_monitor.records import Observation

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
else:
    np = Deferred("numpy")


@final
class Column:
    """Numbers of one column, 9 bytes each; a cell may be empty.

    Args:
        values: The numbers; what stands at an empty cell means nothing.
        known: 1 where there is a number, 0 where the cell is empty; None where there is a number everywhere.
    """

    __slots__ = ("known", "values")

    def __init__(self, values: array[float] | None = None, known: bytearray | None = None) -> None:
        self.values: array[float] = array("d") if values is None else values
        self.known = bytearray(b"\1") * len(self.values) if known is None else known

    def append(self, value: float | None) -> None:
        """Add the next cell."""
        self.values.append(0.0 if value is None else value)
        self.known.append(value is not None)

    def __getitem__(self, row: int) -> float | None:
        return self.values[row] if self.known[row] else None

    @property
    def full(self) -> bool:
        """Whether no cell is empty."""
        return 0 not in self.known


@final
@dataclass(eq=False, slots=True)
class Columns(Sequence[Observation]):
    """A log as columns of equal length, read as a sequence of observations.

    Attributes:
        steps: Step of every observation, in the order in which they were logged.
        train: Train metrics by name.
        val: Validation metrics by the same names.
        rate: Learning rate, None where there is none at all.
    """

    steps: array[int] = field(default_factory=lambda: array("q"))
    train: Mapping[str, Column] = field(default_factory=dict)
    val: Mapping[str, Column] = field(default_factory=dict)
    rate: Column | None = None

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[Observation]:
        return map(self._observation, range(len(self)))

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        if isinstance(index, slice):
            return [self._observation(row) for row in range(*index.indices(len(self)))]
        return self._observation(range(len(self))[index])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def _observation(self, row: int) -> Observation:
        return Observation(
            step=self.steps[row],
            train=at(self.train, row),
            val=at(self.val, row),
            learning_rate=None if self.rate is None else self.rate[row],
        )


def at(columns: Mapping[str, Column], row: int) -> dict[str, float]:
    """Return the numbers of a row by name, without the empty cells."""
    return {name: column.values[row] for name, column in columns.items() if column.known[row]}


def columns_of(observations: Any) -> Columns | None:
    """Return the columns behind a sequence of observations, None where it is made of objects."""
    found = observations if isinstance(observations, Columns) else getattr(observations, "columns", None)
    return found if isinstance(found, Columns) else None


@final
class Points(Sequence[tuple[int, float]]):
    """The points (step, value) of one curve in the order in which they were logged, 16 bytes each."""

    __slots__ = ("steps", "values")

    def __init__(self, points: Iterable[tuple[int, float]] = ()) -> None:
        self.steps = array("q")
        self.values = array("d")
        for step, value in points:
            self.append(step, value)

    def append(self, step: int, value: float) -> None:
        """Add the next point."""
        self.steps.append(step)
        self.values.append(value)

    def __len__(self) -> int:
        return len(self.steps)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.steps, self.values, strict=True)

    @overload
    def __getitem__(self, index: int) -> tuple[int, float]: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[tuple[int, float]]: ...
    def __getitem__(self, index: int | slice) -> tuple[int, float] | Sequence[tuple[int, float]]:
        if isinstance(index, slice):
            return list(zip(self.steps[index], self.values[index], strict=True))
        return self.steps[index], self.values[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str | bytes):
            return NotImplemented
        return list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Points({list(self)!r})"


def as_points(points: Iterable[tuple[int, float]]) -> Points:
    """Return points as such, those that are already as they are."""
    return points if isinstance(points, Points) else Points(points)


def rising(steps: array[int]) -> bool:
    """Return whether every step is greater than the one before it."""
    return all(map(lt, steps, islice(steps, 1, None)))


def merged(curves: Mapping[str, Points]) -> tuple[array[int], dict[str, Column]]:
    """Return the steps at which any of the curves has a point, in their order, and the curves as columns over them.

    Args:
        curves: Curves by name. A restart inside one (its step goes back) preempts what it had at or after that step.
    """
    kept = {name: _preempted(points) for name, points in curves.items()}
    first = next(iter(kept.values()), Points())
    if all(points.steps == first.steps for points in kept.values()):
        return first.steps, {name: Column(points.values) for name, points in kept.items()}
    steps = np.unique(np.concatenate([np.frombuffer(points.steps, dtype=np.int64) for points in kept.values()]))
    return array("q", steps.tobytes()), {name: _spread(points, steps) for name, points in kept.items()}


def over(steps: array[int], points: Points) -> Column:
    """Return a curve as a column over given steps that rise; points at other steps are left out."""
    kept = _preempted(points)
    return Column(kept.values) if kept.steps == steps else _spread(kept, np.frombuffer(steps, dtype=np.int64))


def summed(columns: Sequence[Column]) -> Column:
    """Return the sums of columns, known where all of them are."""
    total = columns[0]
    for column in columns[1:]:
        known = total.known if total.full and column.full else bytearray(map(and_, total.known, column.known))
        total = Column(array("d", map(add, total.values, column.values)), known)
    return total


def _preempted(points: Points) -> Points:
    if rising(points.steps):
        return points
    steps = np.frombuffer(points.steps, dtype=np.int64)
    lowest_after = np.minimum.accumulate(steps[:0:-1])[::-1]
    kept = np.append(steps[:-1] < lowest_after, True)
    found = Points()
    found.steps.frombytes(steps[kept].tobytes())
    found.values.frombytes(np.frombuffer(points.values, dtype=np.float64)[kept].tobytes())
    return found


def _spread(points: Points, steps: npt.NDArray[np.int64]) -> Column:
    mine = np.frombuffer(points.steps, dtype=np.int64)
    places = np.searchsorted(steps, mine)
    there = places < len(steps)
    there[there] = steps[places[there]] == mine[there]
    values, known = np.zeros(len(steps)), np.zeros(len(steps), dtype=np.uint8)
    values[places[there]] = np.frombuffer(points.values, dtype=np.float64)[there]
    known[places[there]] = 1
    return Column(array("d", values.tobytes()), bytearray(known.tobytes()))
