"""Rows of a log as observations: which column is the step, which rows belong together.

What every reader of rows shares, whatever the rows are written in.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import compress
from typing import Final, NamedTuple, final, overload

from overfit_monitor.columns import Column, Columns
from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.conventions import Conventions, current
from overfit_monitor.readers.pairing import (
    Names,
    Place,
    Split,
    heads,
    heads_note,
    is_rate,
    metric_of,
    mode_of,
    pair,
    place,
    train_only,
    with_total_column,
    words_of,
)
from overfit_monitor.readers.steps import repeats, steps_in
from overfit_monitor.records import Observation

COLUMNS: Final = 1024
_KEPT_HEADERS: Final = 64  # runs of one kind have one header


def looks_like_log(names: Collection[str], chosen: Names | None = None) -> bool:
    """Return whether columns with these names are those of a training log, not of any other table.

    They are if one names a split and a metric of known direction, if train and validation have a
    metric in common, if a metric or a split stands beside a step, or if the user's choice is among them.

    Example:
        >>> looks_like_log(["train_loss"]), looks_like_log(["epoch", "acc"]), looks_like_log(["model", "acc"])
        (True, True, False)
    """
    return bool(chosen and chosen.val in names) or _looks_like_log(tuple(names), current())


@lru_cache(_KEPT_HEADERS)
def _looks_like_log(names: tuple[str, ...], known: Conventions) -> bool:
    if any(place(name) and names_metric(name) for name in names) or _both_sides(names):
        return True
    stepped = any(plain_name(name) in known.steps for name in names)
    return stepped and any(place(name) or names_metric(name) for name in names)


def _both_sides(names: Collection[str]) -> bool:
    told = [where for name in names if (where := place(name)) and metric_of(words_of(name))]
    of = {split: {where.metric for where in told if where.split == split} for split in ("train", "val")}
    return bool(of["train"] & of["val"])


def names_metric(name: str) -> bool:
    """Return whether a name tells a metric; ``train`` and ``test`` alone tell none, and name other lists too."""
    return mode_of(metric_of(words_of(name))) is not None


def plain_name(name: str) -> str:
    """Return a name as the table of conventions writes those of steps."""
    return name.strip().lower().replace(" ", "_")


class _Understood(NamedTuple):
    """What the names of columns say: what they stand for, which of them may count steps, and the learning rate."""

    places: Mapping[str, Place]
    steps: tuple[str, ...]
    rate: str | None


@lru_cache(_KEPT_HEADERS)
def _understood(names: tuple[str, ...], chosen: Names | None, known: Conventions) -> _Understood:
    places = chosen.places(names) if chosen else pair(names) or train_only(names)
    by_step_name = {plain_name(name): name for name in reversed(names)}
    steps = tuple(by_step_name[step] for step in (*known.steps, *known.index) if step in by_step_name)
    return _Understood(places, steps, next((name for name in names if is_rate(name)), None))


@final
class Table(Sequence[Observation]):
    """Rows by column, read as a sequence of observations without one object a row.

    The step is the column ``epoch``, or else ``step`` or ``iteration``, whichever tells the
    validation rows apart, or else the number of the row, from 0. Rows with the same step
    one after the other are one observation, until a validation value comes a second time.
    A row without a step belongs to the next that has one.

    Args:
        names: Names of the columns.
        chosen: What the user says is compared with what, None to go by the names.

    Raises:
        UnreadableError: There are more columns that look like metrics than anyone logs.
        UsageError: A chosen name is not among the columns.
    """

    def __init__(self, names: Sequence[str], chosen: Names | None = None) -> None:
        understand = _understood if len(names) <= COLUMNS else _understood.__wrapped__  # too large to be kept
        understood = understand(tuple(names), chosen, current())
        self.places = dict(understood.places)
        self.parts = heads(self.places)
        self._step_names, self._rate = understood.steps, understood.rate
        rate = () if self._rate is None else (self._rate,)
        self.wanted: tuple[str, ...] = tuple(dict.fromkeys([*self.places, *self._step_names, *rate]))
        if len(self.wanted) > COLUMNS:
            raise UnreadableError(f"{len(self.wanted)} columns look like metrics, more than {COLUMNS}")
        self.columns = Columns()
        self._columns = {name: Column() for name in self.wanted}
        self._appenders = tuple(column.append for column in self._columns.values())

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on how the columns were understood."""
        total = (heads_note(self.parts),) if self.parts and self._validated() else ()
        return total + self._unmeasured()

    def append(self, cells: Sequence[float | None]) -> None:
        """Add a row: one cell for each of `wanted`, None where it is empty."""
        for append, cell in zip(self._appenders, cells, strict=True):
            append(cell)

    def extend(self, cells: Sequence[array[float]], rows: int) -> None:
        """Add many rows without an empty cell: one column of so many numbers for each of `wanted`."""
        for column, values in zip(self._columns.values(), cells, strict=True):
            column.values.extend(values)
            column.known += b"\1" * rows

    def forget(self, name: str) -> None:
        """Take the last cell of a column as empty."""
        self._columns[name].known[-1] = 0

    def close(self) -> Table:
        """Find the steps and the rows that belong together, once all rows are there."""
        steps = self._find_steps()
        starts = self._find_starts(steps)
        columns = self._columns
        if starts is not None:
            steps = array("q", (steps[start] for start in starts))
            columns = {name: _latest(column, starts) for name, column in columns.items()}
        self.columns = Columns(
            steps,
            self._of("train", columns),
            self._of("val", columns),
            None if self._rate is None else columns[self._rate],
        )
        return self

    def __len__(self) -> int:
        return len(self.columns)

    def __iter__(self) -> Iterator[Observation]:
        return iter(self.columns)

    @overload
    def __getitem__(self, index: int) -> Observation: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Observation]: ...
    def __getitem__(self, index: int | slice) -> Observation | Sequence[Observation]:
        return self.columns[index]

    def _of(self, split: Split, columns: Mapping[str, Column]) -> dict[str, Column]:
        metrics = {where.metric: columns[name] for name, where in self.places.items() if where.split == split}
        return with_total_column(metrics, self.parts)

    def _find_starts(self, steps: array[int]) -> array[int] | None:
        """Return the rows with which an observation begins, None where every row is one."""
        if not repeats(steps):
            return None
        vals = [self._columns[name].known for name, where in self.places.items() if where.split == "val"]
        starts = array("q")
        seen = [False] * len(vals)
        previous: int | None = None
        for row, step in enumerate(steps):
            now = [bool(known[row]) for known in vals]
            if step != previous or any(map(bool.__and__, seen, now)):
                starts.append(row)
                seen, previous = now, step
            else:
                seen = list(map(bool.__or__, seen, now))
        return starts

    def _validated(self) -> bool:
        return any(1 in self._columns[n].known for n, where in self.places.items() if where.split == "val")

    def _unmeasured(self) -> tuple[str, ...]:
        """Return a remark where every value of a validation column is NaN while training has numbers."""
        sides = {(where.split, where.metric): name for name, where in self.places.items()}
        dead = [
            (name, sides["train", metric])
            for (split, metric), name in sides.items()
            if split == "val" and ("train", metric) in sides and self._only_nan(name)
        ]
        return tuple(
            f"{val!r} holds nothing but nan while {train!r} has numbers: what failed is the validation."
            for val, train in dead[:1]
            if not self._only_nan(train)
        )

    def _only_nan(self, name: str) -> bool:
        column = self._columns[name]
        return 1 in column.known and all(map(math.isnan, compress(column.values, column.known)))

    def _rows(self) -> Sequence[int]:
        """Return the rows with a validation value, or else those with any metric."""
        for split in ("val", "train"):
            flags = [self._columns[name].known for name, where in self.places.items() if where.split == split]
            if any(flag and 0 not in flag for flag in flags):
                return range(self._height())
            rows = [row for row, known in enumerate(zip(*flags, strict=True)) if any(known)]
            if rows:
                return rows
        return []

    def _find_steps(self) -> array[int]:
        found = steps_in([self._columns[name] for name in self._step_names], self._rows())
        return array("q", range(self._height())) if found is None else found

    def _height(self) -> int:
        return len(next(iter(self._columns.values())).values) if self._columns else 0


def _latest(column: Column, starts: array[int]) -> Column:
    """Return the latest cell that is not empty of the rows from each start up to the next."""
    found = Column()
    for start, end in zip(starts, (*starts[1:], len(column.values)), strict=True):
        row = column.known.rfind(1, start, end)
        found.append(None if row < 0 else column.values[row])
    return found
