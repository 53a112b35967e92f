"""Observations as columns: a whole log in a few bytes a value, without one object a row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from operator import lt
from typing import Any, final, overload

from overfit_monitor.records import Observation


@final
class Column:
    """Numbers of one column, 9 bytes each; a cell may be empty.

    Args:
        values: The numbers; what stands at an empty cell means nothing.
        known: 1 where there is a number, 0 where the cell is empty; None where there is a number everywhere.
    """

    __slots__ = ("known", "values")

    def __init__(self, values: array[float] | None = None, known: bytearray | None = None) -> None:
        self.values = array("d") if values is None else values
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

    @property
    def rising(self) -> bool:
        """Whether every step is greater than the one before it."""
        return all(map(lt, self.steps, islice(self.steps, 1, None)))

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
