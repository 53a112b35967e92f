"""From paths to a result: read, judge every run, conclude."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from typing import TYPE_CHECKING, Any, final

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.examination import Examined, examine
from overfit_monitor.facts import Facts
from overfit_monitor.gate import conclude
from overfit_monitor.policy import Policies
from overfit_monitor.readers import Batch, Problem, Run, distinct, survey
from overfit_monitor.readers.conventions import Conventions, current, using
from overfit_monitor.readers.pairing import Names
from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged
from overfit_monitor.reports.sketch import Sketch
from overfit_monitor.spread import spread

if TYPE_CHECKING:
    from overfit_monitor.baseline import Baseline

Progress = Callable[[int, int | None, str], None]


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
            return examine(
                run, self.policies, self.facts, measured=self.measured, sketched=self.sketched, shown=self.shown
            )
        except OverfitMonitorError as error:
            return Unjudged(source=run.source, run=run.name, message=str(error))


def _name_and_source(answer: Examined | Unjudged) -> tuple[str, str]:
    if isinstance(answer, Examined):
        return answer.checked.run or "", answer.checked.source or ""
    return answer.run or "", answer.source


def remarks(policies: Policies, checked: Sequence[CheckedRun]) -> list[str]:
    """Return what is to be said of the policies: which of them fit none of the runs."""
    unused = policies.unused(run.run or "" for run in checked)
    return [f"the policy for {' and '.join(map(repr, layer.runs))} fits none of the runs" for layer in unused]
