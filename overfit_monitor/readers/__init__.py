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
from overfit_monitor.readers.csv_table import CsvTable
from overfit_monitor.readers.installed import NEEDS_TENSORBOARD, InstalledReaders
from overfit_monitor.readers.journal import JournalReader
from overfit_monitor.readers.json_records import JsonRecords
from overfit_monitor.readers.keras_history import KerasHistory
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.walk import Found, find, why_unknown

__all__ = ["CATALOGUE", "Problem", "Reader", "Run", "read_runs"]


class _MakesReader(Protocol):
    def __call__(self, *, names: Names | None) -> Reader: ...


# The first that recognizes a file reads it; the readers of installed integrations come after these.
CATALOGUE: tuple[_MakesReader, ...] = (JournalReader, KerasHistory, JsonRecords, CsvTable)


def read_runs(paths: Iterable[str | PathLike[str]], *, names: Names | None = None) -> tuple[list[Run], list[Problem]]:
    """Read every run in files and folders.

    A file is one source. A folder is searched: a folder with our journal is a run, read from the
    journal and not from event files in or below it; every other file that a reader recognizes is
    read by it; the rest is passed over. A file named directly and not readable is a problem.

    Args:
        paths: Files and folders; a file met twice is read once.
        names: What the user says is compared with what, None to go by the names in the files.

    Returns:
        The runs, no two with the same name, and what could not be read.
    """
    reading = _Reading(tuple(make(names=names) for make in CATALOGUE), InstalledReaders(names))
    for path in paths:
        reading.take(Path(path))
    return _distinct(reading.runs), reading.problems


@final
@dataclass(slots=True)
class _Reading:
    core: Sequence[Reader]
    installed: InstalledReaders
    runs: list[Run] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    _seen: set[Path] = field(default_factory=set)
    _recognized: int = 0

    def take(self, path: Path) -> None:
        """Read what is at a path."""
        before = self._recognized + len(self.problems)
        left: list[Found] = []
        for found in find(path):
            if isinstance(found, Problem):
                self.problems.append(found)
            elif not self._take_file(found):
                left.append(found)
        self._take_left(left)
        if self._recognized + len(self.problems) == before:
            self.problems.append(Problem(printable(path), "no run was found in this folder"))

    def _take_file(self, found: Found) -> bool:
        """Read a file, and return whether that is settled; otherwise an integration may know it."""
        reader = next((reader for reader in self.core if reader.recognizes(found.path, found.head)), None)
        if reader is None:
            return not found.named and (found.journaled or not found.looks_like_events)
        self._recognized += 1
        if self._first_time(found):
            self._read(reader, [found])
        return True

    def _take_left(self, left: Sequence[Found]) -> None:
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
            for run in reader.read([found.path for found in files], files[0].root):
                self.runs.append(run)
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
