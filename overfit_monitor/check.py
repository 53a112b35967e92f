"""From paths to a result: read, replay through the monitor, judge."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

from overfit_monitor.columns import columns_of, rising
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.facts import Facts
from overfit_monitor.facts_file import completed
from overfit_monitor.gate import Limit, conclude, judge
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers import Run, read_runs
from overfit_monitor.readers.pairing import Names, place
from overfit_monitor.records import Diagnosis
from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged


def check(
    paths: Iterable[str | PathLike[str]],
    *,
    settings: Mapping[str, Any] | None = None,
    names: Names | None = None,
    limit: Limit | None = None,
    curves: dict[str, Sequence[float]] | None = None,
    facts: Facts | None = None,
) -> CheckResult:
    """Judge every run in files and folders.

    Args:
        paths: Files and folders.
        settings: Fields of `MonitorConfig`; they go before those that a journal holds.
        names: What is compared with what, None to go by the names in the files.
        limit: What makes a run fail, None for a finding of severity ``error``.
        curves: Filled with the validation values by name of the run, if given.
        facts: What the user says of model, optimizer and data; it goes before what a log tells.

    Returns:
        The result; what could not be read is in its ``errors``, nothing is raised for it.

    Raises:
        UsageError: A setting is unknown or cannot be right.
    """
    Monitor(**(settings or {}))
    runs, problems = read_runs(paths, names=names)
    checked: list[CheckedRun] = []
    errors = [Unjudged(source=problem.source, message=problem.message) for problem in problems]
    for run in runs:
        try:
            known = run if facts is None else replace(run, facts=completed(run.facts, facts))
            diagnosis = diagnose_run(known, settings or {})
        except OverfitMonitorError as error:
            errors.append(Unjudged(source=run.source, run=run.name, message=str(error)))
            continue
        checked.append(judge(diagnosis, limit or Limit(), hint=_hint(run)))
        if curves is not None and diagnosis.metrics.val is not None:
            curves[run.name] = _curve(run, diagnosis.metrics.val)
    return conclude(checked, errors)


def diagnose_run(run: Run, settings: Mapping[str, Any]) -> Diagnosis:
    """Return the diagnosis of a run, the same as a monitor with these settings would have given live.

    Args:
        run: The run as it was read.
        settings: Fields of `MonitorConfig` that go before the run's own.

    Raises:
        UsageError: The metric is not among those of the run, or its direction is unknown.
    """
    together = layered(run.settings, settings)
    if together.get("metric") is not None:
        together["metric"] = _metric_of(together["metric"], run)
    diagnosis = Monitor(facts=run.facts, **together).replay(run.observations)
    named = {"run": run.name, "source": run.source, "notes": run.notes + diagnosis.notes}
    return diagnosis.model_copy(update=named)


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the later layer wins; a mode does not outlive the metric it was given for."""
    together: dict[str, Any] = {}
    for layer in layers:
        if "metric" in layer and layer["metric"] != together.get("metric"):
            together.pop("mode", None)
        together |= layer
    return together


def _metric_of(asked: str, run: Run) -> str:
    """Return the metric under the name that the log uses for it (``val_loss``) or under ours (``loss``)."""
    names = next((observation.val for observation in run.observations if observation.val), {})
    told = place(asked)
    return told.metric if asked not in names and told and told.metric in names else asked


def _hint(run: Run) -> str:
    names = sorted({name for observation in run.observations[:100] for name in observation.train})
    seen = f"; train metrics: {', '.join(map(repr, names))}" if names else ""
    told = "" if run.source.endswith(FILE_NAME) else "; a column or tag with another name is chosen with --val"
    return seen + told


def _curve(run: Run, metric: str) -> Sequence[float]:
    columns = columns_of(run.observations)
    column = None if columns is None else columns.val.get(metric)
    if columns is not None and column is not None and column.full and rising(columns.steps):
        return column.values
    by_step = {
        observation.step: observation.val[metric] for observation in run.observations if metric in observation.val
    }
    return list(by_step.values())
