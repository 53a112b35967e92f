"""One run that grows: what is new is analyzed, and what was analyzed is not analyzed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any, final

from overfit_monitor.check import named, settings_for
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers import Run
from overfit_monitor.records import Diagnosis, Observation

Points = list[tuple[int, float]]


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
        self.train: Points = []
        self.val: Points = []
        self._monitor = Monitor()
        self._settings: dict[str, Any] | None = None
        self._run: Run | None = None
        self._taken = 0

    def has_taken(self, run: Run) -> bool:
        """Return whether this very reading of the run was taken last."""
        return self._settings is not None and self._run is not None and run.observations is self._run.observations

    def take(self, run: Run, settings: Mapping[str, Any]) -> Diagnosis:
        """Return the diagnosis of the run as it is now, the same as `overfit_monitor.check.diagnose_run` gives.

        Args:
            run: The run as it was just read.
            settings: Fields of `MonitorConfig` that go before the run's own.

        Raises:
            UsageError: The metric is not among those of the run, or its direction is unknown.
        """
        together = settings_for(run, settings)
        if self._settings != together or not self._goes_on(run.observations):
            self._begin(run.observations, together)
        self._settings = None  # until all went well
        self._monitor.facts = run.facts
        news = list(islice(iter(run.observations), self._taken, None))
        diagnosis = self._monitor.replay(news)
        self._run, self._taken, self._settings = run, len(run.observations), together
        self._draw(news, diagnosis)
        return named(diagnosis, run)

    @property
    def _read(self) -> Sequence[Observation]:
        return () if self._run is None else self._run.observations

    def _begin(self, observations: Sequence[Observation], settings: dict[str, Any]) -> None:
        anew = len(observations) < self._taken - 1 or not _same(
            next(iter(self._read), None), next(iter(observations), None)
        )
        self.restarts += bool(self._taken and anew)
        self.train, self.val = [], []
        self._taken = 0
        self._monitor = Monitor(**settings)

    def _goes_on(self, observations: Sequence[Observation]) -> bool:
        if len(observations) < self._taken:
            return False
        pairs = zip(islice(iter(self._read), self._taken), iter(observations), strict=False)
        return all(_same(before, now) for before, now in pairs)

    def _draw(self, news: Sequence[Observation], diagnosis: Diagnosis) -> None:
        metrics = diagnosis.metrics
        for observation in news:
            if metrics.train in observation.train:
                _put(self.train, observation.step, observation.train[metrics.train])
            if metrics.val in observation.val:
                _put(self.val, observation.step, observation.val[metrics.val])


def _put(points: Points, step: int, value: float) -> None:
    while points and points[-1][0] >= step:
        points.pop()
    points.append((step, value))


def _same(before: Observation | None, now: Observation | None) -> bool:
    return before == now or repr(before) == repr(now)  # repr: NaN is like itself here
