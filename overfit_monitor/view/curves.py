"""The curves of a run as columns: much smaller than the observations, and quick to cut and to thin."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from overfit_monitor.columns import Column, Columns, columns_of, rising
from overfit_monitor.records import MetricChoice, Observation
from overfit_monitor.view.series import NOTHING, Array, Clock, Curve


@dataclass(frozen=True, slots=True)
class RunCurves:
    """What is drawn of a run; the values in the metric's own units.

    Attributes:
        train: The compared train metric.
        val: The compared validation metric, one point for each evaluation.
        train_at_val: The latest train value at each evaluation, NaN where there was none.
        rate_at_val: The learning rate told at each evaluation, NaN where there was none.
        change_error: Standard error of the paired change at each evaluation, NaN where unknown.
        probe: The train probe.
        like_for_like_gap: Validation minus the probe, oriented.
        learning_rate: The learning rate.
        restarts: Where a step went back: the step, and the last one before it.
    """

    train: Curve = NOTHING
    val: Curve = NOTHING
    train_at_val: Array = field(default_factory=lambda: np.zeros(0))
    rate_at_val: Array = field(default_factory=lambda: np.zeros(0))
    change_error: Array = field(default_factory=lambda: np.zeros(0))
    probe: Curve = NOTHING
    like_for_like_gap: Curve = NOTHING
    learning_rate: Curve = NOTHING
    restarts: tuple[tuple[int, int], ...] = ()

    def gap(self, mode: str) -> Curve:
        """Return the generalization gap at each evaluation; empty without a train metric."""
        if not len(self.train):
            return NOTHING
        with np.errstate(invalid="ignore", over="ignore"):  # infinity minus infinity is no number, and drawn as none
            gap = _sign(mode) * (self.val.values - self.train_at_val)
        return Curve(self.val.steps, gap, self.val.times)


class _Column:
    """Rows in rising order of steps; a step that goes back, or comes twice, takes the place of what was there."""

    def __init__(self) -> None:
        self.steps: list[int] = []
        self.rows: list[tuple[float, ...]] = []

    def add(self, step: int, *row: float) -> int | None:
        """Add a row, and return the last step before it where that was later."""
        before = self.steps[-1] if self.steps else None
        if before is not None and before >= step:
            place = bisect_left(self.steps, step)
            del self.steps[place:], self.rows[place:]
        self.steps.append(step)
        self.rows.append(row)
        return before if before is not None and before > step else None

    def curve(self, times: Clock | None, place: int = 0) -> Curve:
        """Return one of the columns as a curve."""
        steps = np.array(self.steps, dtype=np.int64)
        return Curve(steps, self.column(place), None if times is None else times.at(steps))

    def column(self, place: int) -> Array:
        return np.array([row[place] for row in self.rows], dtype=np.float64)


def curves_of(
    observations: Iterable[Observation],
    metrics: MetricChoice,
    *,
    times: Clock | None = None,
    more: Mapping[str, Curve] | None = None,
) -> RunCurves:
    """Return the curves of a run, restarts evened out as the analyzer does.

    Args:
        observations: What was logged, in the order in which it was logged.
        metrics: What is compared with what.
        times: Wall times of steps, None where unknown.
        more: Curves that are not in the observations, by the name of their attribute; they go before those that are.
    """
    columns = columns_of(observations)
    if columns is not None and rising(columns.steps):
        return _with(_of_columns(columns, metrics, times), more)
    train, val, probe, rates = _Column(), _Column(), _Column(), _Column()
    sign, latest, restarts = _sign(metrics.mode), math.nan, []
    for observation in observations:
        step = observation.step
        if metrics.train in observation.train:
            latest = observation.train[metrics.train or ""]
            train.add(step, latest)
        rate = math.nan if observation.learning_rate is None else observation.learning_rate
        if observation.learning_rate is not None:
            rates.add(step, rate)
        if metrics.val not in observation.val:
            continue
        value, sampling = observation.val[metrics.val or ""], observation.sampling
        error = math.nan if sampling is None or sampling.change_error is None else sampling.change_error
        before = val.add(step, value, latest, rate, error)
        if before is not None:
            restarts.append((step, before))
        if observation.probe is not None:
            probe.add(step, observation.probe.value, sign * (value - observation.probe.value))
    curves = RunCurves(
        train=train.curve(times),
        val=val.curve(times),
        train_at_val=val.column(1),
        rate_at_val=val.column(2),
        change_error=val.column(3),
        probe=probe.curve(times),
        like_for_like_gap=probe.curve(times, 1),
        learning_rate=rates.curve(times),
        restarts=tuple(restarts),
    )
    return _with(curves, more)


def _with(curves: RunCurves, more: Mapping[str, Curve] | None) -> RunCurves:
    """Return the curves with others in place of them."""
    other: dict[str, Any] = dict(more or {})
    return replace(curves, **other)


def _of_columns(columns: Columns, metrics: MetricChoice, times: Clock | None) -> RunCurves:
    """Return the curves of a log that is there as columns, without one object a row."""
    steps = np.array(columns.steps, dtype=np.int64)
    known = None if times is None else times.at(steps)
    val, train, rate = (
        NOTHING if column is None else _cells(Curve(steps, _numbers(column), known), column)
        for column in (columns.val.get(metrics.val or ""), columns.train.get(metrics.train or ""), columns.rate)
    )
    return RunCurves(
        train=train,
        val=val,
        train_at_val=_latest(train, val),
        rate_at_val=_exactly(rate, val),
        change_error=np.full(len(val), math.nan),
        learning_rate=rate,
    )


def _latest(curve: Curve, at: Curve) -> Array:
    """Return the latest value of a curve at the steps of another, NaN before its first."""
    found: Array = np.append(curve.values, math.nan)[np.searchsorted(curve.steps, at.steps, "right") - 1]
    return found


def _exactly(curve: Curve, at: Curve) -> Array:
    """Return the value of a curve at the steps of another, NaN where it has none there."""
    place = np.searchsorted(curve.steps, at.steps)
    there = (np.append(curve.steps, 0)[place] == at.steps) & (place < len(curve))
    return np.where(there, np.append(curve.values, math.nan)[place], math.nan)


def _numbers(column: Column) -> Array:
    return np.array(column.values, dtype=np.float64)


def _cells(curve: Curve, column: Column) -> Curve:
    """Return the points of a curve where its column has a number."""
    return curve if column.full else curve.at(np.flatnonzero(np.frombuffer(column.known, dtype=np.uint8)))


def _sign(mode: str) -> float:
    return -1.0 if mode == "max" else 1.0
