"""MLflow's database, ``mlflow.db``: opened for reading only, and never changed."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
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
# A hostile file may ask for endless work; a query that reads a table never needs this many steps a row.
_STEPS_A_ROW: Final = 2_000
_QUERY: Final = """
    SELECT m.run_uuid, r.name, m.key, m.step, CASE WHEN m.is_nan THEN NULL ELSE m.value END
    FROM metrics AS m JOIN runs AS r ON r.run_uuid = m.run_uuid
    WHERE r.lifecycle_stage = 'active' ORDER BY r.start_time, m.run_uuid, m.key, m.timestamp, m.step
"""


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
                    run.series, self.names, name=run.name, source=printable(path), notes=tuple(found.notes)
                )


@dataclass(slots=True)
class _Run:
    name: str
    series: dict[str, Points] = field(default_factory=dict)


@dataclass(slots=True)
class _Found:
    runs: dict[str, _Run] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def take(self, row: Sequence[Any]) -> None:
        """Take in one point."""
        id, name, key, step, value = row
        at = step_of(step) if isinstance(step, int | float) else None
        number = math.nan if value is None else value
        if at is None or not isinstance(number, int | float):
            return
        run = self.runs.setdefault(printable(str(id)), _Run(printable(str(name or id))))
        run.series.setdefault(printable(str(key)), []).append((at, float(number)))


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
            _rows(database, found)
    except (sqlite3.Error, UnicodeError, OverflowError) as error:
        found.notes.append(f"the database is damaged or not MLflow's: {error}")


def _told_size(header: bytes) -> int:
    """Return the size that a database tells in its header (https://sqlite.org/fileformat.html, 1.3)."""
    page = int.from_bytes(header[16:18], "big")
    return (65536 if page == 1 else page) * int.from_bytes(header[28:32], "big")


def _rows(database: sqlite3.Connection, found: _Found) -> None:
    database.text_factory = lambda text: text.decode("utf-8", "replace")
    database.execute("PRAGMA trusted_schema = OFF")
    tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if not {"metrics", "runs"} <= tables:
        return
    rows = max(1000, database.execute("SELECT count(*) FROM metrics").fetchone()[0])
    budget = iter(range(rows * _STEPS_A_ROW // 1000))
    database.set_progress_handler(lambda: next(budget, None) is None, 1000)
    for number, row in enumerate(database.execute(_QUERY)):
        if number == _MOST_POINTS:
            found.notes.append(f"more than {_MOST_POINTS} points: the others were not read.")
            return
        found.take(row)
