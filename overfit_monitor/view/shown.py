"""A run as it is shown: its verdict, its curves, and what was recorded beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overfit_monitor.comparison import Measured, measure
from overfit_monitor.config import MonitorConfig
from overfit_monitor.example_tables import ExampleTables
from overfit_monitor.readers.base import Run
from overfit_monitor.records import AppliedChange, Diagnosis, Finding, Observation, StopDecision
from overfit_monitor.view.curves import RunCurves, curves_of
from overfit_monitor.view.series import Clock, Curve

FALSE_ALARM_RATE = float(MonitorConfig.model_fields["false_alarm_rate"].default)


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with its verdict and its curves.

    Attributes:
        name: Name of the run.
        diagnosis: What the analyzer says.
        curves: What is drawn.
        measured: What the run tells about how good it is, for comparisons.
        version: Number that changes with the run.
        source: File or folder it was read from, None where it was not read from one.
        tags: Names of the compared curves by split, as the log has them; None where there is none.
        labels: Names of all its curves, those that were not compared among them.
        alerts: What was raised live, each with the ``step`` that raised it; None where nobody watched.
        stop: The stopping decision as it was taken live, None where there was none.
        applied: Recommendations that were applied to the live training.
        examples: Examples and classes behind the validation value, None where nobody recorded them.
        sampled: Whether the curves are a sample of what was logged.
        exact: Whether every point was asked for and read.
        exact_possible: Whether every point could be read.
        false_alarm_rate: What the test was told, as in `MonitorConfig`.
    """

    name: str
    diagnosis: Diagnosis
    curves: RunCurves
    measured: Measured = field(default_factory=Measured)
    version: int = 0
    source: str | None = None
    tags: Mapping[str, str | None] = field(default_factory=dict)
    labels: Sequence[str] = ()
    alerts: Sequence[Finding] | None = None
    stop: StopDecision | None = None
    applied: Sequence[AppliedChange] = ()
    examples: ExampleTables | None = None
    sampled: bool = False
    exact: bool = False
    exact_possible: bool = False
    false_alarm_rate: float = FALSE_ALARM_RATE


def show(
    name: str,
    diagnosis: Diagnosis,
    observations: Sequence[Observation],
    *,
    times: Clock | None = None,
    more: Mapping[str, Curve] | None = None,
    **fields: Any,
) -> ShownRun:
    """Return a run as it is shown.

    Args:
        name: Name of the run.
        diagnosis: What the analyzer says of it.
        observations: What it was judged by, in the order in which it was logged.
        times: Wall times of steps, None where unknown.
        more: Curves that are not in the observations; see `overfit_monitor.view.curves.curves_of`.
        **fields: The other attributes of `ShownRun`.
    """
    curves = curves_of(observations, diagnosis.metrics, times=times, more=more)
    return ShownRun(name, diagnosis, curves, measure(diagnosis, observations), **fields)


def shown_from_run(run: Run, diagnosis: Diagnosis, **fields: Any) -> ShownRun:
    """Return a run that a reader found, as it is shown.

    Args:
        run: The run.
        diagnosis: What `overfit_monitor.examination.diagnose_run` says of it.
        **fields: Attributes of `ShownRun` that go before those that the run tells: ``tags``, ``examples``, …
    """
    metrics, recorded = diagnosis.metrics, run.recorded
    told: dict[str, Any] = {
        "source": run.source,
        "tags": {"train": metrics.train, "val": metrics.val},
        "labels": run.labels or _labels(run.observations),
        "applied": run.facts.changes,
        "exact": True,
        "false_alarm_rate": run.settings.get("false_alarm_rate") or FALSE_ALARM_RATE,
    }
    if recorded is not None:
        names = ("alerts", "stop", "applied", "examples")
        told |= {name: getattr(recorded, name) for name in names}
        times = recorded.times
        told["times"] = Clock.of(list(times), list(times.values())) if times else None
    return show(run.name, diagnosis, run.observations, **told | fields)


def _labels(observations: Iterable[Observation]) -> tuple[str, ...]:
    names: dict[str, None] = {}
    for observation in observations:
        for name in (*observation.train, *observation.val):
            names.setdefault(name)
    return tuple(sorted(names))
