"""How far a log can be taken in at once, and as what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from overfit_monitor.block import Block
from overfit_monitor.columns import Column, Columns
from overfit_monitor.deferred import Deferred
from overfit_monitor.rows import Known

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Flags = npt.NDArray[np.bool_]
    Places = npt.NDArray[np.int64]
else:
    np = Deferred("numpy")


class Stride(NamedTuple):
    """A part of a log that can be taken in at once.

    Attributes:
        block: Its evaluations, those with a value of the compared metric.
        train: The latest train values at its end, as far as any came in it.
        end: The first row after it.
    """

    block: Block
    train: dict[str, float]
    end: int


def stride(columns: Columns, row: int, seen: Known) -> Stride:
    """Return what can be taken in at once from a row on: up to a step that goes back, or a metric not seen before.

    Args:
        columns: The log.
        row: First row of the part.
        seen: What was seen before it.
    """
    metric, others, left_alone, train, last_step = seen
    rows = _Rows(columns, row)
    validated = np.flatnonzero(rows.known(columns.val.get(metric)))
    steps = np.frombuffer(columns.steps, dtype=np.int64)[row:][validated]
    new = [name for name in columns.val if name != metric and name not in others and name not in left_alone]
    kept = _rising(steps, last_step)
    kept = min([kept, *(_first(rows.known(columns.val[name])[validated], kept) for name in new)])
    end = rows.n if kept == len(validated) else int(validated[kept])
    places = validated[:kept]
    latest = {name: rows.latest(column, end) for name, column in columns.train.items()}
    values, since = rows.trained(latest.get(metric), metric, columns.train, train, places)
    beside = {}
    for name in others:
        val = rows.values(columns.val.get(name))[places]
        trained, first = rows.trained(latest.get(name), name, columns.train, train, places)
        trained[:first] = math.nan
        beside[name] = val, np.where(np.isnan(val), math.nan, trained)
    rate, rated = (
        (None, None) if columns.rate is None else (rows.values(columns.rate)[places], rows.known(columns.rate)[places])
    )
    block = Block(steps[:kept], rows.values(columns.val[metric])[places], values, since, rate, rated, beside)
    return Stride(block, rows.last(latest, columns.train, end), row + end)


class _Rows:
    """The rows of a log from one on, as arrays."""

    def __init__(self, columns: Columns, start: int) -> None:
        self.start = start
        self.n = len(columns) - start

    def known(self, column: Column | None) -> Flags:
        """Return where a column has a value."""
        if column is None:
            return np.zeros(self.n, dtype=bool)
        return np.frombuffer(column.known, dtype=np.bool_)[self.start :]

    def values(self, column: Column | None) -> Array:
        """Return the values of a column, NaN where there is none."""
        if column is None:
            return np.full(self.n, math.nan)
        return np.where(self.known(column), np.frombuffer(column.values, dtype=np.float64)[self.start :], math.nan)

    def latest(self, column: Column, end: int) -> Places:
        """Return for each row up to one the place of the latest value of a column, -1 before the first."""
        return np.maximum.accumulate(np.where(self.known(column)[:end], np.arange(end), -1))

    def trained(
        self,
        latest: Places | None,
        name: str,
        columns: Mapping[str, Column],
        before: Mapping[str, float],
        places: Places,
    ) -> tuple[Array, int]:
        """Return the latest train value of a metric at some rows, and from which of them on there is one."""
        found = np.full(len(places), before.get(name, math.nan))
        at = np.full(len(places), -1) if latest is None else latest[places]
        here = at >= 0
        if latest is not None:
            found[here] = self.values(columns[name])[at[here]]
        return found, 0 if name in before else _first(here, len(places))

    def last(self, latest: Mapping[str, Places], columns: Mapping[str, Column], end: int) -> dict[str, float]:
        """Return the latest value of each column before a row, without those that have none."""
        places = {name: int(found[-1]) for name, found in latest.items() if end}
        return {name: columns[name].values[self.start + place] for name, place in places.items() if place >= 0}


def _rising(steps: Places, last_step: int | None) -> int:
    """Return how many steps at the beginning are each greater than the one before."""
    if last_step is not None and len(steps) and steps[0] <= last_step:
        return 0
    back = np.flatnonzero(np.diff(steps) <= 0)
    return int(back[0]) + 1 if len(back) else len(steps)


def _first(flags: Flags, none: int) -> int:
    found = np.flatnonzero(flags)
    return int(found[0]) if len(found) else none
