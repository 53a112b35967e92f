"""MLflow's database, ``mlflow.db``: opened for reading only, and never changed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.series import Points, run_of_series, step_of

if TYPE_CHECKING:
    import sqlite3

MAGIC: Final = b"SQLite format 3\0"
_TABLE: Final = re.compile(rb"CREATE TABLE [\"'`\[]?metrics\b")
_SCHEMA_BYTES: Final = 1 << 22
_MOST_POINTS: Final = 20_000_000
# A hostile file may ask for endless work; reading a table never needs this many steps for each byte of it.
_STEPS_A_BYTE: Final = 100
_RUNS: Final = "SELECT rowid, run_uuid, name, start_time, lifecycle_stage FROM runs NOT INDEXED WHERE true"
_POINTS: Final = (
    "SELECT rowid, run_uuid, key, timestamp, step, CASE WHEN is_nan THEN NULL ELSE value END FROM metrics NOT INDEXED "
    "WHERE true"
)


@final
@dataclass(frozen=True, slots=True)
class MlflowSqlite:
    """Reads every active run of an MLflow database.

    Attributes:
        names: What the user says is compared with what, None to go by the names of the metrics.
    """

    names: Names | None = None
    name: str = "mlflow-sqlite"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it is an SQLite database with MLflow's table of metrics in the schema at its beginning."""
        if not head.startswith(MAGIC):
            return False
        with path.open("rb") as file:
            return _TABLE.search(file.read(_SCHEMA_BYTES)) is not None

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each active run.

        Raises:
            UnreadableError: The database is damaged in front of its first metric, or no run has one.
        """
        for path in paths:
            found = _Found()
            _query(path, found)
            if not found.runs:
                raise UnreadableError(f"{path}: {found.notes[0] if found.notes else 'no active run with a metric'}")
            for run in found.runs.values():
                yield run_of_series(
                    run.points(), self.names, name=run.name, source=printable(path), notes=tuple(found.notes)
                )


@dataclass(slots=True)
class _Run:
    name: str
    series: dict[str, list[tuple[float, int, float]]] = field(default_factory=dict)

    def points(self) -> dict[str, Points]:
        """Return the points of each metric in the order in which they were logged."""
        by_key = {key: sorted(points, key=itemgetter(0, 1)) for key, points in self.series.items()}
        return {key: [(step, value) for _, step, value in by_key[key]] for key in sorted(by_key)}


@final
class _Found:
    def __init__(self) -> None:
        self.runs: dict[str, _Run] = {}
        self.notes: list[str] = []
        self._others: set[str] = set()
        self._odd = self._orphans = 0

    def take_run(self, row: Sequence[Any]) -> None:
        """Take in one run; one that is not active is only known."""
        id, name, _, stage = row
        if stage == "active":
            self.runs.setdefault(str(id), _Run(printable(str(name or id))))
        else:
            self._others.add(str(id))

    def take(self, row: Sequence[Any]) -> None:
        """Take in one point."""
        id, key, stamp, step, value = row
        at = step_of(step) if isinstance(step, int | float) else None
        number = math.nan if value is None else value
        run = self.runs.get(str(id))
        if at is None or not isinstance(number, int | float) or not isinstance(stamp, int | float):
            self._odd += 1
        elif run is not None:
            run.series.setdefault(printable(str(key)), []).append((stamp, at, float(number)))
        elif str(id) not in self._others:
            self._orphans += 1

    def damaged(self, error: Exception) -> None:
        """Note that the database is damaged, once."""
        note = f"the database is damaged or not MLflow's: {error}"
        if note not in self.notes:
            self.notes.append(note)

    def close(self) -> None:
        """Forget runs without a metric, and note what was left out."""
        self.runs = {id: run for id, run in self.runs.items() if run.series}
        if self._odd:
            self.notes.append(f"{self._odd} row(s) of metrics hold no numbers: left out.")
        if self._orphans:
            self.notes.append(f"{self._orphans} row(s) of metrics belong to no run that is there: left out.")


def _query(path: Path, found: _Found) -> None:
    import sqlite3
    from urllib.parse import quote

    wal = path.with_name(path.name + "-wal")
    if wal.is_file() and wal.stat().st_size:
        found.notes.append(f"{printable(wal.name)} holds changes that are not in the database yet: not read.")
    with path.open("rb") as file:
        size = _told_size(file.read(100))
    if path.stat().st_size < size:
        found.notes.append(f"the file is cut off ({path.stat().st_size} of {size} bytes): values are missing.")
    # "immutable" keeps SQLite from looking at or writing any other file.
    address = f"file:{quote(str(path.absolute()))}?mode=ro&immutable=1"
    try:
        with closing(sqlite3.connect(address, uri=True)) as database:
            _rows(database, path.stat().st_size, found)
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        found.damaged(error)
    found.close()


def _told_size(header: bytes) -> int:
    """Return the size that a database tells in its header (https://sqlite.org/fileformat.html, 1.3)."""
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _rows(database: sqlite3.Connection, size: int, found: _Found) -> None:
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    database.execute("PRAGMA trusted_schema = OFF")
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"metrics", "runs"} <= tables:
        return
    budget = iter(range(max(1 << 20, size) * _STEPS_A_BYTE // 1000))
    database.set_progress_handler(lambda: next(budget, None) is None, 1000)
    for row in sorted(_scan(database, _RUNS, found), key=_by_start):
        found.take_run(row)
    for number, row in enumerate(_scan(database, _POINTS, found)):
        if number == _MOST_POINTS:
            found.notes.append(f"more than {_MOST_POINTS} points: the others were not read.")
            return
        found.take(row)


def _by_start(run: Sequence[Any]) -> tuple[float, str]:
    id, _, start, _ = run
    return (start if isinstance(start, int | float) else -math.inf), str(id)


def _scan(database: sqlite3.Connection, query: str, found: _Found) -> Iterator[Sequence[Any]]:
    """Yield the rows of a table; where a page is damaged, those before it, and those after it from the end on."""
    import sqlite3

    last = -(2**63)
    try:
        for at, *row in database.execute(f"{query} ORDER BY rowid"):
            last = at
            yield row
    except sqlite3.DatabaseError as error:
        found.damaged(error)
    else:
        return
    try:
        for _, *row in database.execute(f"{query} AND rowid > ? ORDER BY rowid DESC", (last,)):
            yield row
    except sqlite3.DatabaseError as error:
        found.damaged(error)
