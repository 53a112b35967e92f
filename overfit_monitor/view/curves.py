"""The curves of a run as columns: much smaller than the observations, and quick to cut and to thin."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from overfit_monitor.records import MetricChoice, Observation
from overfit_monitor.view.series import NOTHING, Array, Curve


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

    def curve(self, times: Mapping[int, float] | None, place: int = 0) -> Curve:
        """Return one of the columns as a curve."""
        steps = np.array(self.steps, dtype=np.int64)
        known = None if times is None else np.array([times.get(step, math.nan) for step in self.steps])
        return Curve(steps, self.column(place), known)

    def column(self, place: int) -> Array:
        return np.array([row[place] for row in self.rows], dtype=np.float64)


def curves_of(
    observations: Iterable[Observation],
    metrics: MetricChoice,
    *,
    times: Mapping[int, float] | None = None,
    more: Mapping[str, Curve] | None = None,
) -> RunCurves:
    """Return the curves of a run, restarts evened out as the analyzer does.

    Args:
        observations: What was logged, in the order in which it was logged.
        metrics: What is compared with what.
        times: Wall time by step, None where unknown.
        more: Curves that are not in the observations, by the name of their attribute; they go before those that are.
    """
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
    found = {
        "probe": probe.curve(times),
        "like_for_like_gap": probe.curve(times, 1),
        "learning_rate": rates.curve(times),
    }
    return RunCurves(
        train=train.curve(times),
        val=val.curve(times),
        train_at_val=val.column(1),
        rate_at_val=val.column(2),
        change_error=val.column(3),
        restarts=tuple(restarts),
        **found | dict(more or {}),
    )


def _sign(mode: str) -> float:
    return -1.0 if mode == "max" else 1.0
