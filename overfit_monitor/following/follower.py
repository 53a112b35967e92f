"""Files that grow: read again when they changed, and judged as `overfit_monitor.check.check` judges them.

Nothing is asked of the operating system but the size and the time of the files, which works on every disk. A look
reads what changed as a whole, with the reader that `check` uses, so that a verdict is that of `check` on the same
content by construction; only the analysis goes on where it was. What a look costs is bounded in time by whoever
asks for it: see `Follower.cost`.

What a writer has not finished is not judged. The line at the end of a text file that is not ended yet waits for its
end, since ``0.12`` may be on its way to ``0.1234e-3``; and a file that could be read before and cannot now, because it
is being written anew, is given `SETTLED` seconds. At the end (`Follower.finish`) everything counts as it stands.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Literal, final

from overfit_monitor.check import remarks
from overfit_monitor.columns import Points
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.examination import examine
from overfit_monitor.facts import Facts
from overfit_monitor.following.files import Mark, copy_of_whole_lines, is_remote, marks, torn
from overfit_monitor.following.growing import GrowingRun
from overfit_monitor.following.kept import Kept
from overfit_monitor.gate import conclude
from overfit_monitor.policy import Policies
from overfit_monitor.readers import Problem, Run, read_runs
from overfit_monitor.readers.pairing import Names
from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged
from overfit_monitor.reports.sketch import Sketch, sketch

if TYPE_CHECKING:
    from overfit_monitor.baseline import Baseline
    from overfit_monitor.comparison import Measured

SETTLED: Final = 5.0
DOCUMENTS: Final = frozenset({"json-records", "keras-history", "notebook"})  # written anew, and not line by line
State = Literal["there", "being written", "gone"]
Key = tuple[str, int]  # the source, and which run in it: names change when another file has the same


@dataclass(frozen=True, slots=True)
class FollowedRun:
    """One run as it stood at a look.

    Attributes:
        key: What tells it from others: where it was read, and the how-manieth run there.
        checked: What `check` says of it, beside the baseline where there is one.
        train: Points of the compared train metric.
        val: Points of the compared validation metric.
        grown: When it was last seen to grow, by the follower's clock; None if it never was.
        restarts: How often it began anew.
        state: Whether its file is there, is being written anew (then it is as it was before), or is gone (it is as it
            was last).
        measured: What it tells about how good it is, None without a baseline.
    """

    key: Key
    checked: CheckedRun
    train: Points
    val: Points
    grown: float | None = None
    restarts: int = 0
    state: State = "there"
    measured: Measured | None = None

    @property
    def curve(self) -> Sketch:
        """The validation curve as a few columns."""
        return sketch(self.val.steps, self.val.values, mode=self.checked.metrics.mode)

    @property
    def name(self) -> str:
        """Name of the run, or else where it was read."""
        return self.checked.run or self.checked.source or ""


@dataclass(frozen=True, slots=True)
class Look:
    """Everything as it stood at one time.

    Attributes:
        result: The result, the same as that of `check` on what was judged.
        runs: Every run in it, in the same order.
    """

    result: CheckResult
    runs: Sequence[FollowedRun]


@final
class Follower:
    """Looks at files and folders that grow.

    Args:
        paths: Files, folders, patterns and URLs; they need not be there yet.
        policies: What the runs are judged by, as for `check`.
        names: What is compared with what, None to go by the names in the files.
        facts: What the user says of model, optimizer and data.
        baseline: With it, only what got worse fails; whether the best value did is told by `finish` alone, since a
            run that is under way has not had it yet.
        clock: Seconds that never go back.

    Raises:
        UsageError: A setting is unknown or cannot be right.
    """

    def __init__(
        self,
        paths: Iterable[str | PathLike[str]],
        *,
        policies: Policies | None = None,
        names: Names | None = None,
        facts: Facts | None = None,
        baseline: Baseline | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.cost = 0.0
        self._policies = (policies or Policies()).check()
        self._paths = list(paths)
        self._names, self._facts, self._baseline = names, facts, baseline
        self._clock = clock
        self._marks: dict[Path, Mark] | None = None
        self._changed: dict[Path, float] = {}
        self._waiting = False
        self._remote = any(map(is_remote, self._paths))
        self._kept = Kept()
        self._result: CheckResult | None = None
        self._growing: dict[Key, GrowingRun] = {}
        self._runs: dict[Key, FollowedRun] = {}

    def look(self) -> Look | None:
        """Look again, and return what there is; None where nothing changed since the look before.

        Afterwards ``cost`` is the seconds that this look took; 0 after the first, which analyzes what was there.
        """
        begun = self._clock()
        before = marks(self._paths)
        look = None
        if before != self._marks or self._waiting or self._remote:
            self._note(before, begun)
            look = self._look(before, last=False)
            if before == self._marks and look.result == self._result:
                look = None  # read again, and nothing came of it
            else:
                self._result = look.result
        self.cost = 0.0 if self._marks is None else self._clock() - begun
        self._marks = before
        return look

    def finish(self) -> Look:
        """Look a last time, with everything as it stands, half-written lines too, as `check` would find it."""
        return self._look(marks(self._paths), last=True)

    def _note(self, now: Mapping[Path, Mark], at: float) -> None:
        for path, mark in now.items():
            if self._marks is None or self._marks.get(path) != mark:
                self._changed[path] = at
        self._changed = {path: at for path, at in self._changed.items() if path in now}

    def _look(self, before: Mapping[Path, Mark], *, last: bool) -> Look:
        self._waiting = False
        runs, problems = read_runs(self._paths, names=self._names, read=self._kept.read)
        self._kept.turn()
        if not last:
            runs, more = self._whole_lines(runs, before)
            problems = [*problems, *more]
        errors: list[Unjudged] = []
        found: dict[Key, FollowedRun] = {}
        for key, run in _keyed(runs):
            try:
                found[key] = self._judge(key, run)
            except OverfitMonitorError as error:
                errors.append(Unjudged(source=run.source, run=run.name, message=str(error)))
        errors += self._unread(problems, found, last=last)
        errors = self._keep_gone(found, errors)
        self._runs = found
        self._growing = {key: growing for key, growing in self._growing.items() if key in found}
        return self._concluded(tuple(found.values()), errors, last=last)

    def _concluded(self, runs: Sequence[FollowedRun], errors: Sequence[Unjudged], *, last: bool) -> Look:
        checked = [run.checked for run in runs]
        told = remarks(self._policies, checked)
        if self._baseline is None:
            return Look(conclude(checked, errors, told), runs)
        judged = [(run.checked, run.measured) for run in runs]
        result = self._baseline.held_against(judged, errors, told, running=not last)
        return Look(result, [replace(run, checked=held) for run, held in zip(runs, result.runs, strict=True)])

    def _whole_lines(self, runs: Sequence[Run], before: Mapping[Path, Mark]) -> tuple[list[Run], list[Problem]]:
        """Return the runs as they are without half-written lines, and what cannot be read without them."""
        after = marks(self._paths)
        sources = {run.source: Path(run.source) for run in runs}
        unfinished = {
            source
            for source, path in sources.items()
            if path in after and (torn(path) or before.get(path) != after[path])
        }
        whole: list[Run] = [run for run in runs if run.source not in unfinished]
        problems: list[Problem] = []
        for source in unfinished:
            named = [run for run in runs if run.source == source]
            if named[0].reader in DOCUMENTS:
                fresh = self._fresh(source)
                whole += [] if fresh else named
                problems += [Problem(source, "it is being written")] if fresh else []
                continue
            with TemporaryDirectory() as folder:
                read, why = self._read_copy(sources[source], Path(folder))
            whole += [replace(run, name=now.name, source=source) for run, now in zip(read, named, strict=False)]
            problems += [Problem(source, message) for message in why]
        order = {(run.source, run.name): place for place, run in enumerate(runs)}
        return sorted(whole, key=lambda run: order[run.source, run.name]), problems

    def _read_copy(self, path: Path, folder: Path) -> tuple[list[Run], list[str]]:
        try:
            copy = copy_of_whole_lines(path, folder)
        except OSError as error:
            return [], [error.strerror or str(error)]
        runs, problems = read_runs([copy], names=self._names)
        return runs, [problem.message for problem in problems]

    def _judge(self, key: Key, run: Run) -> FollowedRun:
        before = self._runs.get(key)
        growing = self._growing.setdefault(key, GrowingRun())
        if before is not None and before.checked.run == run.name and growing.has_taken(run):
            return replace(before, state="there")
        beside = self._baseline is not None
        examined = examine(run, self._policies, self._facts, measured=beside, diagnose=growing.take)
        checked = examined.checked
        grown = None if before is None else before.grown
        if self._marks is not None and (before is None or before.checked.step != checked.step):
            grown = self._clock()
        curves = growing.train, growing.val
        return FollowedRun(key, checked, *curves, grown, growing.restarts, measured=examined.measured)

    def _unread(self, problems: Sequence[Problem], found: dict[Key, FollowedRun], *, last: bool) -> list[Unjudged]:
        """Return what could not be read, without what was read before and is being written anew."""
        errors = []
        for problem in problems:
            if not last and self._fresh(problem.source):
                was = {key: run for key, run in self._runs.items() if key[0] == problem.source}
                found |= {key: replace(run, state="being written") for key, run in was.items()}
                self._waiting = True
            else:
                errors.append(Unjudged(source=problem.source, message=problem.message))
        return errors

    def _fresh(self, source: str) -> bool:
        """Return whether a file that was read before changed so lately that it may be written anew just now."""
        known = any(key[0] == source and run.state != "gone" for key, run in self._runs.items())
        changed = self._changed.get(Path(source))
        return known and changed is not None and self._clock() - changed < SETTLED

    def _keep_gone(self, found: dict[Key, FollowedRun], errors: list[Unjudged]) -> list[Unjudged]:
        """Keep the runs whose file is gone: what they said still holds of the training. Return the other errors."""
        gone = {key: run for key, run in self._runs.items() if key not in found and not Path(key[0]).exists()}
        found |= {key: replace(run, state="gone") for key, run in gone.items()}
        places = {place for source, _ in gone for place in (source, *map(str, Path(source).parents))}
        return [error for error in errors if error.source.rstrip("/") not in places]


def _keyed(runs: Iterable[Run]) -> Iterator[tuple[Key, Run]]:
    seen: Counter[str] = Counter()
    for run in runs:
        yield (run.source, seen[run.source]), run
        seen[run.source] += 1
