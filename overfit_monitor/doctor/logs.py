"""What is in a file or a folder: who reads it, what each name is taken for, what is not taken and why, what to type."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice, pairwise
from typing import Final

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.examination import examine
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.policy import Policies
from overfit_monitor.readers import LAST_RESORT, SPREAD, Problem, Run, read_runs
from overfit_monitor.readers.base import printable
from overfit_monitor.readers.explain import explain_names
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.sources import STDIN, opened
from overfit_monitor.readers.walk import Found, find, why_unknown
from overfit_monitor.records import Record, Verdict
from overfit_monitor.reports.base import CheckedRun

RESERVOIR: Final = 1000  # points of a scalar tag that TensorBoard keeps for its dashboards, whatever was logged
MOST_LEFT: Final = 1000  # of those that are passed over; whatever should have been read is told
_BETTER: Final = {"min": "lower", "max": "higher"}


class NameInLog(Record):
    """A column, key or tag.

    Attributes:
        name: As in the file.
        role: What it is taken for, see `overfit_monitor.readers.explain.Explained`.
        metric: The metric that it stands for, None for none.
        why: Why.
    """

    name: str
    role: str
    metric: str | None
    why: str


class RunInLog(Record):
    """One run.

    Attributes:
        run: Its name.
        source: File or folder.
        reader: The reader that took it, empty where that is not known.
        names: What each name is taken for.
        observations: Number of steps with any value.
        evaluations: Number of steps with the compared validation value.
        first_step: First step, None without one.
        last_step: Last step, None without one.
        verdict: The verdict, None where it could not be judged at all.
        compared: What is compared, in the words of the file; None where nothing is.
        why: Why that verdict, or why it could not be judged.
        judged: Whether it could be judged.
        hints: What is to be known of it.
        notes: What was wrong with the file.
    """

    run: str
    source: str
    reader: str = ""
    names: tuple[NameInLog, ...] = ()
    observations: int = 0
    evaluations: int = 0
    first_step: int | None = None
    last_step: int | None = None
    verdict: Verdict | None = None
    compared: str | None = None
    why: str
    judged: bool
    hints: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class FileLeft(Record):
    """A file that is not read.

    Attributes:
        source: The file.
        why: Why it is not.
        wrong: Whether it should have been.
    """

    source: str
    why: str
    wrong: bool


class Log(Record):
    """What is in a file or a folder.

    Attributes:
        path: As it was given.
        files: Number of files that were looked at, None where they are not on this machine.
        runs: The runs in it.
        left: Files that are not read, of those that are passed over at most 1,000.
        more: How many more are passed over.
        tab: What TensorBoard's tab makes of it.
        commands: What to type next.
    """

    path: str
    files: int | None
    runs: tuple[RunInLog, ...]
    left: tuple[FileLeft, ...]
    more: int
    tab: str
    commands: tuple[str, ...]

    @property
    def fine(self) -> bool:
        """Whether everything could be read and judged."""
        return bool(self.runs) and all(run.judged for run in self.runs) and not any(left.wrong for left in self.left)


def look_at_log(path: str, *, policies: Policies | None = None, names: Names | None = None) -> Log:
    """Return what is at a path.

    Args:
        path: File, folder, pattern, URL, or ``-``, as for `check`.
        policies: What the runs are judged by.
        names: What is compared with what, None to go by the names in the files.
    """
    runs, problems = read_runs([path], names=names)
    files = _files(path)
    told = tuple(_run(run, policies or Policies(), names) for run in runs)
    left = [FileLeft(source=problem.source, why=problem.message, wrong=True) for problem in problems]
    passed_over = _passed_over(files or (), runs, {each.source for each in left})
    left += islice(passed_over, MOST_LEFT)
    more = sum(1 for _ in passed_over)
    commands = tuple(_commands(path, told))
    return Log(
        path=path,
        files=None if files is None else len(files),
        runs=told,
        left=tuple(left),
        more=more,
        tab=_tab(files, told),
        commands=commands,
    )


def _tab(files: Sequence[Found] | None, runs: Sequence[RunInLog]) -> str:
    if files is None:
        shown = sum(run.reader == "tensorboard" for run in runs)
        return f"TensorBoard's tab shows {shown or 'none'} of the runs; it reads event files only."
    events = sum(found.looks_like_events for found in files)
    if not events:
        return "TensorBoard shows nothing of it: there is no event file, and it reads no others."
    return f"TensorBoard's tab shows the runs of {events} event file(s)."


def _files(path: str) -> list[Found] | None:
    """Return the files on this machine that a path stands for, None where it stands for others."""
    if path == STDIN or "://" in path:
        return None
    with opened(path) as source:
        if isinstance(source, Problem):
            return []
        return [found for found in find(source.path, source.wanted) if not isinstance(found, Problem)]


def _run(run: Run, policies: Policies, names: Names | None) -> RunInLog:
    steps = [observation.step for observation in run.observations]
    read = RunInLog(
        run=run.name,
        source=run.source,
        reader=run.reader,
        names=tuple(_names(run, names)),
        observations=len(steps),
        first_step=steps[0] if steps else None,
        last_step=steps[-1] if steps else None,
        notes=run.notes,
        why="",
        judged=False,
    )
    try:
        checked = examine(run, policies).checked
    except OverfitMonitorError as error:
        return read.model_copy(update={"why": str(error)})
    metric = checked.metrics.val
    evaluations = sum(metric in observation.val for observation in run.observations)
    compared = None if metric is None else f"{run.compared(metric)}, {_BETTER[checked.metrics.mode]} is better"
    judged = {"evaluations": evaluations, "verdict": checked.verdict, "compared": compared, "why": _why(checked)}
    hints = tuple(_hints(run, steps, evaluations))
    return read.model_copy(
        update={**judged, "judged": checked.outcome != "error", "hints": hints, "notes": checked.notes}
    )


def _names(run: Run, names: Names | None) -> Iterator[NameInLog]:
    labels = run.labels or tuple(run.places)
    for each in explain_names(labels, names) if labels else ():
        yield NameInLog(name=printable(each.name), role=each.role, metric=each.metric, why=each.why)


def _why(checked: CheckedRun) -> str:
    if checked.reason is not None:
        return checked.reason
    if checked.findings:
        return checked.findings[0].message
    reason = next((item.reason for item in checked.not_judged if item.id == "overfitting"), None)
    return "nothing that was looked for shows" if reason is None else f"not judged: {reason}"


def _hints(run: Run, steps: Sequence[int], evaluations: int) -> Iterator[str]:
    if run.reader == "tensorboard" and len(steps) > RESERVOIR:
        yield (
            f"TensorBoard keeps a sample of {RESERVOIR:,} points of each tag, and this run has {len(steps):,}: the tab "
            "says 'sampled' and may miss single points; 'check' reads all, and so does the tab's exact mode, or "
            "tensorboard --samples_per_plugin scalars=0."
        )
    back = sum(later <= earlier for earlier, later in pairwise(steps))
    if back:
        yield f"the step goes back, or comes twice, {back} time(s): each is taken as a restart."
    if 0 < evaluations < len(steps) / 2:
        yield f"validation is there at {evaluations} of {len(steps)} steps; only these are judged."


def _passed_over(files: Iterable[Found], runs: Sequence[Run], told: set[str]) -> Iterator[FileLeft]:
    spread = {make(names=None).name for make in SPREAD}
    taken = {run.source for run in runs}
    whole = {run.source for run in runs if run.reader in spread}  # all that is in there is the run's
    last = [make(names=None) for make in LAST_RESORT]
    for found in files:
        path = printable(found.path)  # as sources are written
        places = {path, *map(printable, found.path.parents)}
        if path in told or path in taken or places & whole:
            continue
        if found.looks_like_events and found.journaled:
            why = f"the {FILE_NAME} beside it is read instead"
        elif found.looks_like_events and places & taken:
            continue
        elif any(reader.recognizes(found.path, found.head) for reader in last):
            why = "the output of a console, and a better log lies beside it"
        else:
            why = why_unknown(found)
        yield FileLeft(source=path, why=why, wrong=False)


def _commands(path: str, runs: Sequence[RunInLog]) -> Iterator[str]:
    if path == STDIN:
        return
    quoted = shlex.quote(path)
    unjudged = next((run for run in runs if not run.judged), None)
    if unjudged is not None:
        loose = [name.name for name in unjudged.names if name.role in ("unused", "ignored", "train")]
        train = next((name.name for name in unjudged.names if name.role == "train"), None)
        for val in [name for name in loose if name != train][:3]:
            told = f" --train {shlex.quote(train)}" if train else ""
            yield f"overfit-monitor check {shlex.quote(unjudged.source)} --val {shlex.quote(val)}{told}"
    if any(run.judged for run in runs):
        yield f"overfit-monitor check {quoted} --explain"
        yield f"overfit-monitor watch {quoted}"
        if any(run.reader == "tensorboard" for run in runs):
            yield f"tensorboard --logdir {quoted}"
