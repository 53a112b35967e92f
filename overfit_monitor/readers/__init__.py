"""The catalogue of readers: files in, runs out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from os import PathLike
from pathlib import Path
from typing import Protocol, final

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.readers.base import Problem, Reader, Run, printable
from overfit_monitor.readers.console import ConsoleLog
from overfit_monitor.readers.csv_table import CsvTable
from overfit_monitor.readers.dvclive import DvcLive
from overfit_monitor.readers.installed import NEEDS_TENSORBOARD, InstalledReaders
from overfit_monitor.readers.journal import JournalReader
from overfit_monitor.readers.json_lines import JsonLines
from overfit_monitor.readers.json_records import JsonRecords
from overfit_monitor.readers.keras_history import KerasHistory
from overfit_monitor.readers.long_table import LongTable
from overfit_monitor.readers.mlflow_files import MlflowFiles
from overfit_monitor.readers.mlflow_sqlite import MlflowSqlite
from overfit_monitor.readers.notebook import Notebook
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.refused import Refused
from overfit_monitor.readers.sources import Source, opened
from overfit_monitor.readers.walk import Found, find, why_unknown
from overfit_monitor.readers.wandb_offline import WandbOffline
from overfit_monitor.readers.wandb_table import WandbTable

__all__ = ["CATALOGUE", "LAST_RESORT", "SPREAD", "Batch", "Problem", "Reader", "Run", "distinct", "read_runs", "survey"]


class _MakesReader(Protocol):
    def __call__(self, *, names: Names | None) -> Reader: ...


# The first that recognizes a file reads it; the readers of installed integrations come after these.
CATALOGUE: tuple[_MakesReader, ...] = (
    JournalReader,
    WandbOffline,
    MlflowSqlite,
    Refused,
    Notebook,
    KerasHistory,
    JsonRecords,
    JsonLines,
    WandbTable,
    LongTable,
    CsvTable,
)
# Asked before those: one run is spread over many files, which are read together.
SPREAD: tuple[_MakesReader, ...] = (MlflowFiles, DvcLive)
# What a person saw on the screen, read below a folder only where nothing better lies there.
LAST_RESORT: tuple[_MakesReader, ...] = (ConsoleLog,)


def read_runs(paths: Iterable[str | PathLike[str]], *, names: Names | None = None) -> tuple[list[Run], list[Problem]]:
    """Read every run in files and folders.

    A file is one source. A folder is searched: a folder with our journal is a run, read from the
    journal and not from event files in or below it; every other file that a reader recognizes is
    read by it; the rest is passed over. The output of a console is read only where no other log
    lies in its folder or below. A file named directly and not readable is a problem.

    Args:
        paths: Files, folders, patterns (``runs/**/*.csv``), ``-`` for standard input, and URLs
            (``s3://bucket/runs``, read through fsspec); a file met twice is read once.
        names: What the user says is compared with what, None to go by the names in the files.

    Returns:
        The runs, no two with the same name, and what could not be read.
    """
    runs: list[Run] = []
    problems: list[Problem] = []
    for found in survey(paths, names=names):
        for each in _read(found):
            (runs if isinstance(each, Run) else problems).append(each)  # type: ignore[arg-type]  # by the line itself
    called = distinct([(run.name, run.source) for run in runs])
    return [
        run if run.name == name else replace(run, name=name) for run, name in zip(runs, called, strict=True)
    ], problems


@dataclass(frozen=True, slots=True)
class Batch:
    """Files that are read together; reading them can be left to another process.

    Attributes:
        reader: What reads them.
        files: The files.
        root: Folder that was named.
    """

    reader: Reader
    files: tuple[Path, ...]
    root: Path

    def read(self) -> list[Run | Problem]:
        """Return the runs in the files, and at the end why no more could be read."""
        found: list[Run | Problem] = []
        sources = [printable(path) for path in (*self.files, self.root)]
        try:
            for run in self.reader.read(self.files, self.root):
                found.append(run if run.reader else replace(run, reader=self.reader.name))  # noqa: PERF401 - it may raise
        except OverfitMonitorError as error:
            found.append(_problem(printable(str(error)), sources))
        except OSError as error:
            found.append(Problem(printable(error.filename or sources[0]), error.strerror or str(error)))
        return found


def survey(paths: Iterable[str | PathLike[str]], *, names: Names | None = None) -> list[Batch | Run | Problem]:
    """Return what there is to read in files and folders, most of it not read yet, in its order.

    Args:
        paths: As for `read_runs`.
        names: As for `read_runs`.
    """
    core, spread, last = (tuple(make(names=names) for make in readers) for readers in (CATALOGUE, SPREAD, LAST_RESORT))
    reading = _Reading(core, spread, last, InstalledReaders(names))
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
@dataclass(slots=True)
class _Reading:
    core: Sequence[Reader]
    spread: Sequence[Reader]
    last: Sequence[Reader]
    installed: InstalledReaders
    found: list[Batch | Run | Problem] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _recognized: int = 0

    def take(self, source: Source) -> None:
        """Read what is at a place."""
        before, recognized = len(self.found), self._recognized
        self._take_all(source)
        self.found += source.problems
        if self._recognized == recognized and len(self.found) == before:
            where = "no run was found in this folder" if source.wanted is None else "no run was found that matches"
            self.found.append(Problem(printable(source.path), where))
        if source.shown is not None:  # a copy, which is not there for long
            self.found[before:] = [_told(each, source) for found in self.found[before:] for each in _read(found)]

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
                self.found.append(Problem(printable(found.path), why_unknown(found)))
        if unread:
            more = f" ({len(unread) - 1} more of them below {printable(unread[0].root)})" if len(unread) > 1 else ""
            self.found.append(Problem(printable(unread[0].path), NEEDS_TENSORBOARD + more))
        for reader, files in together.values():
            self._read(reader, files)

    def _read(self, reader: Reader, files: Sequence[Found]) -> None:
        self.found.append(Batch(reader, tuple(found.path for found in files), files[0].root))

    def _first_time(self, found: Found) -> bool:
        path = found.path.resolve()
        if path in self._seen:
            return False
        self._seen.add(path)
        return True


def _first(readers: Iterable[Reader], found: Found) -> Reader | None:
    return next((reader for reader in readers if reader.recognizes(found.path, found.head)), None)


def _problem(message: str, sources: Sequence[str]) -> Problem:
    """Return the problem with the file it names, which is then not said twice."""
    source = next((source for source in sources if message.startswith(f"{source}: ")), None)
    return Problem(source or sources[0], message.removeprefix(f"{source}: ") if source else message)


def _read(found: Batch | Run | Problem) -> Sequence[Run | Problem]:
    return found.read() if isinstance(found, Batch) else (found,)


def _told(found: Run | Problem, source: Source) -> Run | Problem:
    if isinstance(found, Run):
        return source.renamed(found)
    return Problem(source.told(found.source), source.told(found.message))
