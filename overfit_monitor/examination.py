"""One run, judged: through the analyzer, against its policy, with what its comparison and its picture need."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from overfit_monitor.advised import advised
from overfit_monitor.analyzer import Analyzer
from overfit_monitor.columns import columns_of as series_of
from overfit_monitor.columns import rising
from overfit_monitor.config import MonitorConfig
from overfit_monitor.facts import Facts
from overfit_monitor.gate import judge
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.policy import Policies, layered
from overfit_monitor.readers.base import Run
from overfit_monitor.readers.pairing import Place, place
from overfit_monitor.records import Diagnosis
from overfit_monitor.reports.base import CheckedRun, Columns
from overfit_monitor.reports.sketch import Sketch, sketch

if TYPE_CHECKING:
    from overfit_monitor.comparison import Measured
    from overfit_monitor.view.shown import ShownRun


class Examined(NamedTuple):
    """One run, judged by itself, with what its comparison and its picture need.

    Attributes:
        checked: The run with its outcome.
        measured: What it tells about how good it is, None where that was not asked for.
        sketch: Its validation curve as a few columns, empty where that was not asked for.
        shown: Itself with all its curves, None where that was not asked for.
    """

    checked: CheckedRun
    measured: Measured | None = None
    sketch: Sketch = Sketch()
    shown: ShownRun | None = None


def judge_run(run: Run, policies: Policies | None = None, *, facts: Facts | None = None) -> CheckedRun:
    """Judge one run by itself, as `check` does without a baseline.

    Args:
        run: The run as it was read.
        policies: As for `check`.
        facts: As for `check`.

    Raises:
        UsageError: The metric is not among those of the run, or its direction is unknown.
    """
    return examine(run, policies or Policies(), facts).checked


def examine(
    run: Run,
    policies: Policies,
    facts: Facts | None = None,
    *,
    measured: bool = False,
    sketched: bool = False,
    shown: bool = False,
    diagnose: Callable[[Run, Mapping[str, Any]], Diagnosis] | None = None,
) -> Examined:
    """Judge one run, and keep what its comparison and its picture need.

    Args:
        run: The run as it was read.
        policies: As for `check`.
        facts: As for `check`.
        measured: Whether it will be compared.
        sketched: Whether its curve will be drawn in a few columns.
        shown: Whether it will be shown with all its curves.
        diagnose: What gives the diagnosis, None for `diagnose_run`; one that goes on where it was gives the same.

    Raises:
        UsageError: The metric is not among those of the run, or its direction is unknown.
    """
    known = run if facts is None else _completed(run, facts)
    rules = policies.of(run.name)
    diagnosis = (diagnose or diagnose_run)(known, rules.settings)
    checked = judge(diagnosis, rules.limit, hint=_hint(run))
    columns = columns_of(run, diagnosis)
    return Examined(
        checked if columns is None else checked.model_copy(update={"columns": columns}),
        _measured(run, diagnosis) if measured else None,
        _sketch(run, diagnosis) if sketched else Sketch(),
        _shown(known, diagnosis, columns, rules.settings) if shown else None,
    )


def diagnose_run(run: Run, settings: Mapping[str, Any]) -> Diagnosis:
    """Return the diagnosis of a run, the same as a monitor with these settings would have given live.

    Args:
        run: The run as it was read.
        settings: Fields of `MonitorConfig` that go before the run's own.

    Raises:
        UsageError: The metric is not among those of the run, or its direction is unknown.
    """
    analyzer = Analyzer(MonitorConfig.build(settings_for(run, settings)))
    analyzer.replay(run.observations)
    return named(advised(analyzer, run.facts), run)


def settings_for(run: Run, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that a run is judged by: those given go before its own, the metric by its name there."""
    together = layered(run.settings, settings)
    if together.get("metric") is not None:
        together["metric"] = _metric_of(together["metric"], run)
    return together


def named(diagnosis: Diagnosis, run: Run) -> Diagnosis:
    """Return the diagnosis with the run's name, where it was read, and what was wrong there."""
    update = {"run": run.name, "source": run.source, "notes": run.notes + diagnosis.notes}
    return diagnosis.model_copy(update=update)


def _completed(run: Run, facts: Facts) -> Run:
    from overfit_monitor.facts_file import completed

    return replace(run, facts=completed(run.facts, facts))


def _metric_of(asked: str, run: Run) -> str:
    """Return the metric under the name that the log uses for it (``val_loss``) or under ours (``loss``)."""
    names = next((observation.val for observation in run.observations if observation.val), {})
    told = place(asked)
    return told.metric if asked not in names and told and told.metric in names else asked


def _hint(run: Run) -> str:
    columns = series_of(run.observations)
    if columns is None:
        names = sorted({name for observation in run.observations[:100] for name in observation.train})
    else:
        names = sorted(name for name, column in columns.train.items() if any(column.known[:100]))
    seen = f"; train metrics: {', '.join(map(repr, names))}" if names else ""
    told = "" if run.source.endswith(FILE_NAME) else "; a column or tag with another name is chosen with --val"
    return seen + told


def _measured(run: Run, diagnosis: Diagnosis) -> Measured:
    from overfit_monitor.comparison import measure

    return measure(diagnosis, run.observations)


def _shown(run: Run, diagnosis: Diagnosis, columns: Columns | None, settings: Mapping[str, Any]) -> ShownRun:
    from overfit_monitor.view.shown import shown_from_run

    told: dict[str, Any] = {} if columns is None else {"tags": columns.model_dump()}
    if (rate := layered(run.settings, settings).get("false_alarm_rate")) is not None:
        told["false_alarm_rate"] = rate
    light = diagnosis.model_copy()
    light._curves = None  # the analyzer's history, which would go from process to process
    return shown_from_run(run, light, **told)


def _sketch(run: Run, diagnosis: Diagnosis) -> Sketch:
    metric = diagnosis.metrics.val
    if metric is None:
        return Sketch()
    columns = series_of(run.observations)
    column = None if columns is None else columns.val.get(metric)
    if columns is not None and column is not None and column.full and rising(columns.steps):
        return sketch(columns.steps, column.values, mode=diagnosis.metrics.mode)
    by_step = dict(sorted({o.step: o.val[metric] for o in run.observations if metric in o.val}.items()))
    return sketch(list(by_step), list(by_step.values()), mode=diagnosis.metrics.mode)


def columns_of(run: Run, diagnosis: Diagnosis) -> Columns | None:
    """Return the names of what was compared as they stand in the log, None where the log does not tell."""
    places: Mapping[str, Place] = getattr(run, "places", {})
    labels = {(where.split, where.metric): label for label, where in places.items()}
    metrics = diagnosis.metrics
    train = None if metrics.train is None else labels.get(("train", metrics.train))
    val = None if metrics.val is None else labels.get(("val", metrics.val))
    return None if val is None else Columns(train=train, val=val)
