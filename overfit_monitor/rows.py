"""Consecutive evaluations as columns of plain numbers, to be judged together at less cost than one by one."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import lt
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar, final

if TYPE_CHECKING:
    from overfit_monitor.columns import Column, Columns
    from overfit_monitor.history import Evaluation

T = TypeVar("T")

MOST: Final = 512  # rows that are looked at together
LARGEST: Final = 1e150  # as in `overfit_monitor.signals`: a value within is taken as it is


@final
@dataclass(eq=False, slots=True)
class Rows:
    """Consecutive evaluations of one metric, each value a number within 1e150, nothing told by examples or a probe.

    Attributes:
        steps: Their steps, rising.
        val: Validation values.
        train: Latest train values, None where there were none.
        rates: Learning rates in force, None where there is none at all.
        others: The other metrics by name, each as such rows; every evaluation has all of them.
        missing: What stands for a train value where ``train`` is None.
    """

    steps: list[int] = field(default_factory=list)
    val: list[float] = field(default_factory=list)
    train: list[float] | None = None
    rates: list[float | None] | None = None
    others: Mapping[str, Rows] = field(default_factory=dict)
    missing: float | None = None

    def __len__(self) -> int:
        return len(self.steps)


class Known(NamedTuple):
    """What of a run was seen before.

    Attributes:
        compared: The validation metric that is compared.
        others: Those that are looked at beside it.
        left_alone: Those that are not.
        train: Latest train values by name.
        last_step: Step of the evaluation before, None before the first.
    """

    compared: str
    others: Collection[str]
    left_alone: Collection[str]
    train: Mapping[str, float]
    last_step: int | None


class Found(NamedTuple):
    """A part of a log that can be judged together.

    Attributes:
        rows: Its evaluations; none where the first is not plain.
        train: The latest train values at its end, as far as any came in it, in the order in which they came.
        end: The first row after it.
    """

    rows: Rows
    train: dict[str, float]
    end: int


def rows_of_columns(columns: Columns, row: int, known: Known, *, most: int = MOST) -> Found:
    """Return the plain rows from one on: up to a step that goes back, a value that is no number, or a new metric.

    Args:
        columns: The log.
        row: First row of the part.
        known: What was seen before it.
        most: Most rows to look at.
    """
    stop = min(len(columns), row + most)
    met = {known.compared, *known.others, *known.left_alone}
    for name, column in columns.val.items():
        if name not in met:
            new = column.known.find(1, row, stop)
            stop = new if new >= 0 else stop
    compared = columns.val.get(known.compared)
    if compared is None:
        return Found(Rows(), _latest(columns.train, row, stop), stop)
    places = range(row, stop)
    if compared.known.find(0, row, stop) >= 0:
        places = [at for at in places if compared.known[at]]  # type: ignore[assignment]
    found = _Columns(
        _taken(columns.steps, places),
        _taken(compared.values, places),
        _carried(columns.train.get(known.compared), row, places, known.train.get(known.compared)),
        None if columns.rate is None else [columns.rate[at] for at in places],
        {
            name: (
                _told(columns.val.get(name), places),
                list(map(_number, _carried(columns.train.get(name), row, places, known.train.get(name)))),
            )
            for name in known.others
        },
    )
    rows = _plain(found, known.last_step)
    end = stop if len(rows) == len(places) else places[len(rows)]
    return Found(rows, _latest(columns.train, row, end), end)


def rows_of_evaluations(evaluations: Sequence[Evaluation]) -> Rows:
    """Return the plain ones at the beginning, none where the first is not plain.

    Args:
        evaluations: Evaluations at steps that rise.
    """
    odd = (each.sampling or each.probe or each.learning_rates for each in evaluations)
    part = evaluations[: next((at for at, found in enumerate(odd) if found is not None), len(evaluations))]
    names = dict.fromkeys(name for each in part for name in each.others)
    rates = [each.learning_rate for each in part]
    found = _Columns(
        [each.step for each in part],
        [each.val for each in part],
        [each.train for each in part],
        None if all(rate is None for rate in rates) else rates,
        {
            name: (
                [each.others[name].val if name in each.others else None for each in part],
                [_number(each.others[name].train) if name in each.others else None for each in part],
            )
            for name in names
        },
    )
    return _plain(found)


class _Columns(NamedTuple):
    """Evaluations as columns, not known to be plain; None where there is no value."""

    steps: list[int]
    val: list[float]
    train: list[float | None]
    rates: list[float | None] | None
    others: Mapping[str, tuple[list[float | None], list[float | None]]]


def _plain(columns: _Columns, last_step: int | None = None) -> Rows:
    """Return the evaluations up to the first that is not plain, or has other metrics, or no train value any more."""
    steps, val, train, rates, others = columns
    n = min(_rising(steps, last_step), _alike(val), _alike(train))
    for told, _ in others.values():
        n = min(n, _alike(told))
    there = {name: pair for name, pair in others.items() if n and pair[0][0] is not None}
    for _, trained in there.values():
        n = min(n, _alike(trained))
    steps, rates = steps[:n], None if rates is None else rates[:n]
    beside = {
        name: Rows(steps, _all(told[:n]) or [], _all(trained[:n]), rates, missing=math.nan)
        for name, (told, trained) in there.items()
    }
    return Rows(steps, val[:n], _all(train[:n]), rates, beside)


def _rising(steps: Sequence[int], last_step: int | None) -> int:
    """Return how many steps at the beginning are each greater than the one before."""
    if not steps or (last_step is not None and steps[0] <= last_step):
        return 0
    rises = list(map(lt, steps, steps[1:]))
    return rises.index(False) + 1 if False in rises else len(steps)


def _alike(values: Sequence[float | None]) -> int:
    """Return how many values at the beginning are all there and plain, or all missing."""
    if values and values[0] is None:
        odd = (at for at, value in enumerate(values) if value is not None)
    else:
        odd = (at for at, value in enumerate(values) if value is None or not -LARGEST <= value <= LARGEST)
    return next(odd, len(values))


def _number(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else value


def _all(values: list[float | None]) -> list[float] | None:
    """Return values that are all there, None where they are all missing."""
    return None if not values or values[0] is None else values  # type: ignore[return-value]  # `_alike` told so


def _taken(values: Sequence[T], places: Sequence[int]) -> list[T]:
    if isinstance(places, range):
        return list(values[places.start : places.stop])
    return [values[at] for at in places]


def _told(column: Column | None, places: Sequence[int]) -> list[float | None]:
    """Return the values of another metric, None where there is none or it is NaN."""
    if column is None:
        return [None] * len(places)
    return [_number(column[at]) for at in places]


def _carried(column: Column | None, row: int, places: Sequence[int], before: float | None) -> list[float | None]:
    """Return at each place the latest value of a column from a row on, or else the one before it."""
    if column is None:
        return [before] * len(places)
    if isinstance(places, range) and column.known.find(0, places.start, places.stop) < 0:
        return list(column.values[places.start : places.stop])
    latest = (column.known.rfind(1, row, at + 1) for at in places)
    return [before if at < 0 else column.values[at] for at in latest]


def _latest(columns: Mapping[str, Column], row: int, end: int) -> dict[str, float]:
    first = {name: column.known.find(1, row, end) for name, column in columns.items()}
    there = sorted((name for name, at in first.items() if at >= 0), key=first.__getitem__)
    return {name: columns[name].values[columns[name].known.rfind(1, row, end)] for name in there}
