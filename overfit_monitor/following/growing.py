"""One run that grows: what is new is analyzed, and what was analyzed is not analyzed again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, Final, final

from overfit_monitor.columns import Column, Columns, Points, columns_of
from overfit_monitor.examination import named, settings_for
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers import Run
from overfit_monitor.records import Diagnosis, Observation

_NOTHING: Final = Column()


@final
class GrowingRun:
    """Analyzes a run as often as it was read, by the same monitor as long as what it saw is still there.

    Attributes:
        restarts: How often the run began anew: the log became shorter, or other than it was.
        train: Points of the compared train metric, as they were taken in.
        val: Points of the compared validation metric.
    """

    def __init__(self) -> None:
        self.restarts = 0
        self.train = Points()
        self.val = Points()
        self._monitor = Monitor()
        self._settings: dict[str, Any] | None = None
        self._read: Sequence[Observation] = ()
        self._taken = 0

    def has_taken(self, run: Run) -> bool:
        """Return whether this very reading of the run was taken last."""
        return self._settings is not None and run.observations is self._read

    def take(self, run: Run, settings: Mapping[str, Any]) -> Diagnosis:
        """Return the diagnosis of the run as it is now, the same as `overfit_monitor.examination.diagnose_run` gives.

        Args:
            run: The run as it was just read.
            settings: Fields of `MonitorConfig` that go before the run's own.

        Raises:
            UsageError: The metric is not among those of the run, or its direction is unknown.
        """
        together = settings_for(run, settings)
        if self._settings != together or not _begins_with(run.observations, self._read, self._taken):
            self._begin(run.observations, together)
        self._settings = None  # until all went well
        self._monitor.facts = run.facts
        news = run.observations[self._taken :] if self._taken else run.observations
        diagnosis = self._monitor.replay(news)
        self._draw(run.observations, diagnosis)
        self._read, self._taken, self._settings = run.observations, len(run.observations), together
        return named(diagnosis, run)

    def _begin(self, observations: Sequence[Observation], settings: dict[str, Any]) -> None:
        first, now = next(iter(self._read), None), next(iter(observations), None)
        anew = len(observations) < self._taken - 1 or not _same(first, now)
        self.restarts += bool(self._taken and anew)
        self.train, self.val = Points(), Points()
        self._taken = 0
        self._monitor = Monitor(**settings)

    def _draw(self, observations: Sequence[Observation], diagnosis: Diagnosis) -> None:
        metrics = diagnosis.metrics
        # Which metric is compared may be known only now, and what came before it is drawn as well.
        begin = self._taken if len(self.val) else 0
        for name, points, split in ((metrics.train, self.train, "train"), (metrics.val, self.val, "val")):
            for step, value in _values(observations, split, name, begin):
                _put(points, step, value)


def _values(
    observations: Sequence[Observation], split: str, name: str | None, begin: int
) -> Iterator[tuple[int, float]]:
    columns = columns_of(observations)
    if columns is None:
        for observation in islice(iter(observations), begin, None):
            metrics = observation.train if split == "train" else observation.val
            if name in metrics:
                yield observation.step, metrics[name]
        return
    column = (columns.train if split == "train" else columns.val).get(name or "", _NOTHING)
    cells = zip(columns.steps, column.values, column.known, strict=False)
    yield from ((step, value) for step, value, known in islice(cells, begin, None) if known)


def _put(points: Points, step: int, value: float) -> None:
    while points and points.steps[-1] >= step:
        points.steps.pop()
        points.values.pop()
    points.append(step, value)


def _begins_with(now: Sequence[Observation], before: Sequence[Observation], count: int) -> bool:
    """Return whether the first ``count`` observations are still the same."""
    if len(now) < count:
        return False
    columns, were = columns_of(now), columns_of(before)
    if columns is not None and were is not None and _shape(columns) == _shape(were):
        return _cells(columns, count) == _cells(were, count)
    return all(_same(a, b) for a, b in zip(islice(iter(before), count), iter(now), strict=False))


def _shape(columns: Columns) -> tuple[Any, ...]:
    return tuple(columns.train), tuple(columns.val), columns.rate is None


def _cells(columns: Columns, count: int) -> list[bytes]:
    """Return the first ``count`` cells of all columns as bytes, in which NaN is like itself."""
    every = [*columns.train.values(), *columns.val.values(), *([] if columns.rate is None else [columns.rate])]
    cells = [columns.steps[:count].tobytes()]
    for column in every:
        cells += [column.values[:count].tobytes(), bytes(column.known[:count])]
    return cells


def _same(before: Observation | None, now: Observation | None) -> bool:
    return before == now or repr(before) == repr(now)  # repr: NaN is like itself here
