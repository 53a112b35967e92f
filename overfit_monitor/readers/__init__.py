"""The catalogue of readers: files in, runs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from os import PathLike
from os.path import realpath
from pathlib import Path
from typing import Any, NamedTuple, final

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.readers.base import Problem, Reader, Run, printable
from overfit_monitor.readers.catalogue import CATALOGUE, LAST_RESORT, SPREAD, Entry, Offered
from overfit_monitor.readers.conventions import current
from overfit_monitor.readers.installed import NEEDS_TENSORBOARD, InstalledReaders
from overfit_monitor.readers.pairing import Names, mode_of
from overfit_monitor.readers.sources import Source, opened
from overfit_monitor.readers.walk import Found, find, why_unknown

__all__ = [
    "CATALOGUE",
    "LAST_RESORT",
    "SPREAD",
    "Batch",
    "Entry",
    "Problem",
    "Reader",
    "Run",
    "distinct",
    "read_runs",
    "survey",
]


# Reads the files at these paths, which were found below a folder, as the reader does.
Read = Callable[[Reader, Sequence[Path], Path], Iterable[Run]]
# Tells readers and files that can be read apart, of the files found below a folder: a method that a reader may have.
Apart = Callable[[Sequence[Path], Path], Sequence[tuple[Reader, Sequence[Path]]]]


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
    runs: list[Run] = []
    problems: list[Problem] = []
    for found in survey(paths, names=names, read=read):
        for each in found.read(read) if isinstance(found, Batch) else (found,):
            if isinstance(each, Run):
                runs.append(each)
            else:
                problems.append(each)
    called = distinct([(run.name, run.source) for run in runs])
    named = [run if run.name == name else replace(run, name=name) for run, name in zip(runs, called, strict=True)]
    return named, problems


class Batch(NamedTuple):
    """Files that are read together; reading them can be left to another process.

    Attributes:
        reader: What reads them.
        files: The files.
        root: Folder that was named.
    """

    reader: Reader
    files: tuple[Path, ...]
    root: Path

    def parts(self) -> list[Batch]:
        """Return batches that give the same runs in the same order, to be read by different processes.

        Where none of them holds anything that can be judged, only the batch as a whole tells why.
        """
        apart: Apart | None = getattr(self.reader, "parts", None)
        found = [] if apart is None else apart(self.files, self.root)
        return [Batch(reader, tuple(files), self.root) for reader, files in found] if len(found) > 1 else [self]

    def read(self, read: Read | None = None) -> list[Run | Problem]:
        """Return the runs in the files, and at the end why no more could be read.

        Args:
            read: As for `read_runs`.
        """
        found: list[Run | Problem] = []
        sources = [printable(path) for path in (*self.files, self.root)]
        try:
            for run in (read or _read)(self.reader, self.files, self.root):
                named = run if run.reader else replace(run, reader=self.reader.name)
                found.append(replace(named, settings=_told_settings(run) | run.settings))
        except OverfitMonitorError as error:
            found.append(_problem(printable(str(error)), sources))
        except OSError as error:
            found.append(Problem(printable(error.filename or sources[0]), error.strerror or str(error)))
        return found


def survey(
    paths: Iterable[str | PathLike[str]], *, names: Names | None = None, read: Read | None = None
) -> list[Batch | Run | Problem]:
    """Return what there is to read in files and folders, in its order, most of it not read yet.

    Args:
        paths: As for `read_runs`.
        names: As for `read_runs`.
        read: As for `read_runs`, for what has to be read at once.
    """
    reading = _Reading(names, read)
    for path in paths:
        with opened(path) as source:
            if isinstance(source, Problem):
                reading.found.append(source)
            else:
                reading.take(source)
    return reading.found


def distinct(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name for each run, no two the same: its own, or else its source, numbered where that is the same too.

    Args:
        runs: Name and source of each.
    """
    names = Counter(name for name, _ in runs)
    given: Counter[str] = Counter()
    called: list[str] = []
    for own, source in runs:
        name = own if names[own] == 1 else source
        given[name] += 1
        called.append(name if given[name] == 1 else f"{name} #{given[name]}")
    return called


@final
class _Reading:
    def __init__(self, names: Names | None, read: Read | None) -> None:
        self.core = _offered(CATALOGUE, names)
        self.spread = _offered(SPREAD, names)
        self.last = _offered(LAST_RESORT, names)
        self.installed = InstalledReaders(names)
        self.read = read
        self.found: list[Batch | Run | Problem] = []
        self._seen: set[str] = set()
        self._recognized = 0

    def take(self, source: Source) -> None:
        """Read what is at a place."""
        before, recognized = len(self.found), self._recognized
        self._take_all(source)
        self.found += source.problems
        if self._recognized == recognized and len(self.found) == before:
            where = "no run was found in this folder" if source.wanted is None else "no run was found that matches"
            self.found.append(Problem(printable(source.path), where))
        if source.shown is not None:  # a copy, which is not there for long
            self.found[before:] = [_told(each, source) for found in self.found[before:] for each in self._now(found)]

    def _now(self, found: Batch | Run | Problem) -> Sequence[Run | Problem]:
        return found.read(self.read) if isinstance(found, Batch) else (found,)

    def _take_all(self, source: Source) -> None:
        left: list[Found] = []
        together: dict[str, tuple[Reader, list[Found]]] = {}
        logs: set[Path] = set()
        for found in find(source.path, source.wanted):
            if isinstance(found, Problem):
                self.found.append(found)
                continue
            spread = _first(self.spread, found)
            reader = spread or _first(self.core, found)
            if reader is None:
                left.append(found)
                continue
            self._recognized += 1
            folder = found.path.parent
            if folder not in logs:
                logs.update((folder, *folder.parents))
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
                self.found.append(Problem(printable(found.path), why_unknown(found)))
        if unread:
            more = f" ({len(unread) - 1} more of them below {printable(unread[0].root)})" if len(unread) > 1 else ""
            self.found.append(Problem(printable(unread[0].path), NEEDS_TENSORBOARD + more))
        for reader, files in together.values():
            self._read(reader, files)

    def _read(self, reader: Reader, files: Sequence[Found]) -> None:
        self.found.append(Batch(reader, tuple(found.path for found in files), files[0].root))

    def _first_time(self, found: Found) -> bool:
        path = realpath(found.path)
        if path in self._seen:
            return False
        self._seen.add(path)
        return True


def _read(reader: Reader, paths: Sequence[Path], root: Path) -> Iterable[Run]:
    return reader.read(paths, root)


def _offered(entries: Iterable[Entry], names: Names | None) -> tuple[Offered, ...]:
    return tuple(Offered(entry, names) for entry in entries)


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


def _told(found: Run | Problem, source: Source) -> Run | Problem:
    if isinstance(found, Run):
        return source.renamed(found)
    return Problem(source.told(found.source), source.told(found.message))
