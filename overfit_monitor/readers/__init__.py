"""The catalogue of readers: files in, runs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Any, final

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.readers.base import Problem, Reader, Run, printable
from overfit_monitor.readers.catalogue import CATALOGUE, LAST_RESORT, SPREAD, Entry, Offered
from overfit_monitor.readers.conventions import current
from overfit_monitor.readers.installed import NEEDS_TENSORBOARD, InstalledReaders
from overfit_monitor.readers.pairing import Names, mode_of
from overfit_monitor.readers.sources import Source, opened
from overfit_monitor.readers.walk import Found, find, why_unknown

__all__ = ["CATALOGUE", "LAST_RESORT", "SPREAD", "Entry", "Problem", "Reader", "Run", "read_runs"]


# Reads the files at these paths, which were found below a folder, as the reader does.
Read = Callable[[Reader, Sequence[Path], Path], Iterable[Run]]


def read_runs(
    paths: Iterable[str | PathLike[str]], *, names: Names | None = None, read: Read | None = None
) -> tuple[list[Run], list[Problem]]:
    """Read every run in files and folders.

    A file is one source. A folder is searched: a folder with our journal is a run, read from the
    journal and not from event files in or below it; every other file that a reader recognizes is
    read by it; the rest is passed over. The output of a console is read only where no other log
    lies in its folder or below. A file named directly and not readable is a problem.

    Args:
        paths: Files, folders, patterns (``runs/**/*.csv``), ``-`` for standard input, and URLs
            (``s3://bucket/runs``, read through fsspec); a file met twice is read once.
        names: What the user says is compared with what, None to go by the names in the files.
        read: What reads files with the reader that knows them, None for the reader itself; one that keeps what it
            read before gives the same.

    Returns:
        The runs, no two with the same name, and what could not be read.
    """
    core, spread, last = (
        tuple(Offered(entry, names) for entry in entries) for entries in (CATALOGUE, SPREAD, LAST_RESORT)
    )
    reading = _Reading(core, spread, last, InstalledReaders(names), read or _read)
    for path in paths:
        with opened(path) as source:
            if isinstance(source, Problem):
                reading.problems.append(source)
            else:
                reading.take(source)
    return _distinct(reading.runs), reading.problems


@final
@dataclass(slots=True)
class _Reading:
    core: Sequence[Offered]
    spread: Sequence[Offered]
    last: Sequence[Offered]
    installed: InstalledReaders
    read: Read
    runs: list[Run] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _recognized: int = 0

    def take(self, source: Source) -> None:
        """Read what is at a place."""
        runs, problems, recognized = len(self.runs), len(self.problems), self._recognized
        self._take_all(source)
        self.problems += source.problems
        if self._recognized + len(self.problems) == recognized + problems:
            where = "no run was found in this folder" if source.wanted is None else "no run was found that matches"
            self.problems.append(Problem(printable(source.path), where))
        self.runs[runs:] = map(source.renamed, self.runs[runs:])
        told = [Problem(source.told(p.source), source.told(p.message)) for p in self.problems[problems:]]
        self.problems[problems:] = told

    def _take_all(self, source: Source) -> None:
        left: list[Found] = []
        together: dict[str, tuple[Reader, list[Found]]] = {}
        logs: set[Path] = set()
        for found in find(source.path, source.wanted):
            if isinstance(found, Problem):
                self.problems.append(found)
                continue
            spread = _first(self.spread, found)
            reader = spread or _first(self.core, found)
            if reader is None:
                left.append(found)
                continue
            self._recognized += 1
            logs.update((found.path.parent, *found.path.parent.parents))
            if not self._first_time(found):
                continue
            if spread is not None:
                together.setdefault(reader.name, (reader, []))[1].append(found)
            else:
                self._read(reader, [found])
        for reader, files in together.values():
            self._read(reader, files)
        self._take_left(left, logs)

    def _take_left(self, left: Sequence[Found], logs: set[Path]) -> None:
        others: list[Found] = []
        for found in left:
            events = found.looks_like_events
            beside = not found.named and (found.path.parent in logs or found.journaled)
            reader = None if events or beside else _first(self.last, found)
            if reader is not None:
                self._recognized += 1
                if self._first_time(found):
                    self._read(reader, [found])
            elif found.named or (events and not found.journaled):
                others.append(found)
        self._take_installed(others)

    def _take_installed(self, left: Sequence[Found]) -> None:
        together: dict[str, tuple[Reader, list[Found]]] = {}
        unread: list[Found] = []
        self._recognized += len(left)
        for found in filter(self._first_time, left):
            reader = self.installed.reader_of(found)
            if reader is not None:
                together.setdefault(reader.name, (reader, []))[1].append(found)
            elif found.looks_like_events and not self.installed.readers:
                unread.append(found)
            else:
                self.problems.append(Problem(printable(found.path), why_unknown(found)))
        if unread:
            more = f" ({len(unread) - 1} more of them below {printable(unread[0].root)})" if len(unread) > 1 else ""
            self.problems.append(Problem(printable(unread[0].path), NEEDS_TENSORBOARD + more))
        for reader, files in together.values():
            self._read(reader, files)

    def _read(self, reader: Reader, files: Sequence[Found]) -> None:
        sources = [printable(path) for path in (*(found.path for found in files), files[0].root)]
        try:
            for run in self.read(reader, [found.path for found in files], files[0].root):
                named = run if run.reader else replace(run, reader=reader.name)
                self.runs.append(replace(named, settings=_told_settings(run) | run.settings))
        except OverfitMonitorError as error:
            self.problems.append(_problem(printable(str(error)), sources))
        except OSError as error:
            self.problems.append(Problem(printable(error.filename or sources[0]), error.strerror or str(error)))

    def _first_time(self, found: Found) -> bool:
        path = found.path.resolve()
        if path in self._seen:
            return False
        self._seen.add(path)
        return True


def _read(reader: Reader, paths: Sequence[Path], root: Path) -> Iterable[Run]:
    return reader.read(paths, root)


def _first(offered: Iterable[Offered], found: Found) -> Reader | None:
    return next((one.reader for one in offered if one.recognizes(found.path, found.head)), None)


def _told_settings(run: Run) -> dict[str, Any]:
    """Return metric and mode where only the project says which direction is better."""
    told = current().directions
    metrics = [where.metric for where in run.places.values() if where.split == "val"]
    if not told or "loss" in metrics:
        return {}
    metric = next((metric for metric in metrics if mode_of(metric)), None)
    return {"metric": metric, "mode": told[metric.lower()]} if metric and metric.lower() in told else {}


def _problem(message: str, sources: Sequence[str]) -> Problem:
    """Return the problem with the file it names, which is then not said twice."""
    source = next((source for source in sources if message.startswith(f"{source}: ")), None)
    return Problem(source or sources[0], message.removeprefix(f"{source}: ") if source else message)


def _distinct(runs: Sequence[Run]) -> list[Run]:
    """Return the runs with those of the same name called by their source, and numbered where that is the same too."""
    names = Counter(run.name for run in runs)
    given: Counter[str] = Counter()
    distinct: list[Run] = []
    for run in runs:
        name = run.name if names[run.name] == 1 else run.source
        given[name] += 1
        distinct.append(replace(run, name=name if given[name] == 1 else f"{name} #{given[name]}"))
    return distinct
