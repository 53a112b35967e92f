"""From paths to a result: read, replay through the monitor, judge."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, NamedTuple, final

from overfit_monitor.columns import columns_of as series_of
from overfit_monitor.columns import rising
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.facts import Facts
from overfit_monitor.facts_file import completed
from overfit_monitor.gate import conclude, judge
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.monitor import Monitor
from overfit_monitor.policy import Policies, layered
from overfit_monitor.readers import Batch, Problem, Run, distinct, survey
from overfit_monitor.readers.conventions import Conventions, current, using
from overfit_monitor.readers.pairing import Names, Place, place
from overfit_monitor.records import Diagnosis
from overfit_monitor.reports.base import CheckedRun, CheckResult, Columns, Unjudged
from overfit_monitor.reports.sketch import Sketch, sketch
from overfit_monitor.spread import spread

if TYPE_CHECKING:
    from overfit_monitor.baseline import Baseline
    from overfit_monitor.comparison import Measured
    from overfit_monitor.view.shown import ShownRun

Progress = Callable[[int, int | None, str], None]


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


def check(
    paths: Iterable[str | PathLike[str]],
    *,
    settings: Mapping[str, Any] | None = None,
    policies: Policies | None = None,
    names: Names | None = None,
    facts: Facts | None = None,
    sketches: dict[str, Sketch] | None = None,
    baseline: Baseline | None = None,
    progress: Progress | None = None,
    jobs: int | None = 1,
    engine: str = "processes",
) -> CheckResult:
    """Judge every run in files and folders.

    Args:
        paths: Files and folders.
        settings: Fields of `MonitorConfig`; they go before those of the policies.
        policies: What the runs are judged by; its settings go before those that a journal holds. None fails a run
            with a finding of severity ``error``.
        names: What is compared with what, None to go by the names in the files.
        facts: What the user says of model, optimizer and data; it goes before what a log tells.
        sketches: Filled with the validation curves by name of the run, if given.
        baseline: With it, only what got worse makes a run fail.
        progress: Called after each run with the number of runs judged, their number in all or None, and its name.
        jobs: Processes to read and judge in; None takes one for each core where there are many files.
        engine: ``processes`` of this machine, or ``ray`` or ``dask``.

    Returns:
        The result; what could not be read is in its ``errors``, nothing is raised for it.

    Raises:
        UsageError: A setting is unknown or cannot be right.
    """
    rules = policies or Policies()
    rules = replace(rules, over={**rules.over, **(settings or {})})
    examined, errors = examine_all(
        paths,
        policies=rules,
        names=names,
        facts=facts,
        measured=baseline is not None,
        sketched=sketches is not None,
        progress=progress,
        jobs=jobs,
        engine=engine,
    )
    if sketches is not None:
        sketches.update({each.checked.run or "": each.sketch for each in examined})
    checked = [each.checked for each in examined]
    unused = remarks(rules, checked)
    if baseline is not None:
        return baseline.held_against([(each.checked, each.measured) for each in examined], errors, unused)
    return conclude(checked, errors, unused)


def examine_all(
    paths: Iterable[str | PathLike[str]],
    *,
    policies: Policies,
    names: Names | None = None,
    facts: Facts | None = None,
    measured: bool = False,
    sketched: bool = False,
    shown: bool = False,
    progress: Progress | None = None,
    jobs: int | None = 1,
    engine: str = "processes",
) -> tuple[list[Examined], list[Unjudged]]:
    """Judge every run in files and folders by itself, and return them with what could not be judged.

    Args:
        paths: As for `check`.
        policies: As for `check`.
        names: As for `check`.
        facts: As for `check`.
        measured: Whether the runs will be compared.
        sketched: Whether their curves will be drawn in a few columns.
        shown: Whether they will be shown with all their curves.
        progress: As for `check`.
        jobs: As for `check`.
        engine: As for `check`.

    Raises:
        UsageError: A setting is unknown or cannot be right.
    """
    policies.check()
    found = survey(paths, names=names)
    look = Look(policies, facts, measured=measured, sketched=sketched, shown=shown, conventions=current())
    parts = [(at, part) for at, each in enumerate(found) for part in _parts(each)]
    judged: list[list[tuple[Examined | Unjudged, Batch | Run | Problem]]] = [[] for _ in found]
    items, done = [part for _, part in parts], 0
    for (at, part), answers in zip(parts, spread(look, items, jobs=jobs, engine=engine, died=_died), strict=True):
        judged[at] += [(answer, part) for answer in answers]
        done += len(answers)
        if progress is not None and answers:
            progress(done, None if done > len(items) else len(items), _told(answers[-1]))
    for each, pairs in zip(found, judged, strict=True):
        if len(_parts(each)) > 1 and not any(map(_has_values, pairs)):
            pairs[:] = [(answer, each) for answer in look(each)]
    return look.together([pair for pairs in judged for pair in pairs])


def _parts(found: Batch | Run | Problem) -> Sequence[Batch | Run | Problem]:
    return found.parts() if isinstance(found, Batch) else [found]


def _has_values(judged: tuple[Examined | Unjudged, Batch | Run | Problem]) -> bool:
    answer, _ = judged
    return isinstance(answer, Examined) and answer.checked.step is not None


def _told(answer: Examined | Unjudged) -> str:
    return (answer.checked.run if isinstance(answer, Examined) else answer.run) or ""


def _died(found: Batch | Run | Problem) -> list[Examined | Unjudged]:
    source = str(found.files[0]) if isinstance(found, Batch) else found.source
    return [Unjudged(source=source, message="its process died, of a crash or for want of memory")]


@final
@dataclass(frozen=True, slots=True)
class Look:
    """Reads and judges what is in a batch of files; picklable, so that another process can do it.

    Attributes:
        policies: As for `check`.
        facts: As for `check`.
        measured: Whether the runs will be compared.
        sketched: Whether their curves will be drawn in a few columns.
        shown: Whether they will be shown with all their curves.
        conventions: How columns and tags are paired.
        names: Names under which runs are known, by the names in their files and their place among those of a batch.
    """

    policies: Policies
    facts: Facts | None
    measured: bool
    sketched: bool
    shown: bool
    conventions: Conventions
    names: Mapping[int, str] = field(default_factory=dict)

    def __call__(self, found: Batch | Run | Problem) -> list[Examined | Unjudged]:
        """Return each run as it was judged, and what could not be."""
        with using(self.conventions):
            each = found.read() if isinstance(found, Batch) else [found]
            return [self._judged(one, self.names.get(at)) for at, one in enumerate(each)]

    def together(
        self, judged: Sequence[tuple[Examined | Unjudged, Batch | Run | Problem]]
    ) -> tuple[list[Examined], list[Unjudged]]:
        """Return runs and errors, with names of which no two are the same; a run with a new one is judged by it."""
        runs = [at for at, (answer, _) in enumerate(judged) if isinstance(answer, Examined) or answer.run is not None]
        called = distinct([_name_and_source(judged[at][0]) for at in runs])
        answers = [answer for answer, _ in judged]
        for at, name in zip(runs, called, strict=True):
            if name != _told(answers[at]):
                place = sum(found is judged[at][1] for _, found in judged[:at])
                answers[at] = replace(self, names={place: name})(judged[at][1])[place]
        examined = [answer for answer in answers if isinstance(answer, Examined)]
        problems = [answer for answer in answers if isinstance(answer, Unjudged) and answer.run is None]
        return examined, problems + [answer for answer in answers if isinstance(answer, Unjudged) and answer.run]

    def _judged(self, found: Run | Problem, name: str | None) -> Examined | Unjudged:
        if isinstance(found, Problem):
            return Unjudged(source=found.source, message=found.message)
        run = found if name is None else replace(found, name=name)
        try:
            asked = {"measured": self.measured, "sketched": self.sketched, "shown": self.shown}
            return examine(run, self.policies, self.facts, **asked)
        except OverfitMonitorError as error:
            return Unjudged(source=run.source, run=run.name, message=str(error))


def _name_and_source(answer: Examined | Unjudged) -> tuple[str, str]:
    if isinstance(answer, Examined):
        return answer.checked.run or "", answer.checked.source or ""
    return answer.run or "", answer.source


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
    known = run if facts is None else replace(run, facts=completed(run.facts, facts))
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
    return named(Monitor(facts=run.facts, **settings_for(run, settings)).replay(run.observations), run)


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


def remarks(policies: Policies, checked: Sequence[CheckedRun]) -> list[str]:
    """Return what is to be said of the policies: which of them fit none of the runs."""
    unused = policies.unused(run.run or "" for run in checked)
    return [f"the policy for {' and '.join(map(repr, layer.runs))} fits none of the runs" for layer in unused]
