"""The durable record beside a run: append-only JSON lines.

One record a line, handed to the operating system before `Journal.write`
returns, so that a killed process loses nothing that was logged. A line cut off
by a crash is closed by the next writer and skipped by the reader, which says
where. Kinds: ``start`` (version and settings), ``facts``, ``observation``,
``alert``, ``stop``, ``applied`` (a recommendation that was applied to the live
training), ``examples`` (tables at an alarm, a stop and the end), and ``resume``:
a checkpoint was loaded, and of the observations before this line only the first
``observations`` count. An observation that is logged has the wall time beside it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel

from overfit_monitor.records import Observation

FILE_NAME = "overfit-monitor.jsonl"
LATEST = 253_402_300_800  # the year 10000, from which on no calendar shows a time
LONGEST_LINE = 1 << 20  # a longer one is none of ours and is read in pieces that cannot be parsed


class Entry(NamedTuple):
    """One line of a journal.

    Attributes:
        line: Number of the line, from 1.
        kind: What the record is; empty where the line could not be read.
        record: Its content; empty where the line could not be read.
        time: When it was written, in seconds since 1970; None where the line does not tell.
    """

    line: int
    kind: str
    record: dict[str, Any]
    time: float | None = None


class Journal:
    """Appends records to the journal in a run's folder.

    Args:
        run_dir: Folder of the run; made if it is not there.
        name: Name of the file.
    """

    def __init__(self, run_dir: Path, *, name: str = FILE_NAME) -> None:
        run_dir.mkdir(parents=True, exist_ok=True)
        self.path = run_dir / name
        self._file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o644)
        self._close_torn_line()

    def write(self, kind: str, record: BaseModel | dict[str, Any], *, time: float | None = None) -> None:
        """Append one record; it is out of this process when the call returns.

        Args:
            kind: What it is.
            record: Its content.
            time: When it happened, in seconds since 1970; None where that does not matter.

        Raises:
            OSError: The record could not be written whole.
        """
        content = record.model_dump_json() if isinstance(record, BaseModel) else json.dumps(record)
        when = "" if time is None else f', "time": {time:.3f}'
        line = f'{{"kind": {json.dumps(kind)}, "record": {content}{when}}}\n'.encode()
        if os.write(self._file, line) != len(line):
            raise OSError(f"{self.path}: the disk took only a part of a record")

    def close(self) -> None:
        """Close the file; closing twice is fine."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _close_torn_line(self) -> None:
        end = os.lseek(self._file, 0, os.SEEK_END)
        if end and os.pread(self._file, 1, end - 1) != b"\n":
            os.write(self._file, b"\n")


def read_journal(path: Path) -> Iterator[Entry]:
    """Yield every line of a journal; a line that cannot be read has an empty kind.

    Raises:
        OSError: The file cannot be opened.
    """
    with path.open("rb") as file:
        for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), start=1):
            yield _parse(number, line)


def _parse(number: int, line: bytes) -> Entry:
    try:
        entry = json.loads(line)
        return Entry(number, str(entry["kind"]), dict(entry["record"]), _time(entry.get("time")))
    except (ValueError, TypeError, KeyError):
        return Entry(number, "", {})


def _time(told: object) -> float | None:
    return float(told) if isinstance(told, int | float) and 0 <= told < LATEST else None


def observations(entries: Iterable[Entry]) -> list[Observation]:
    """Return the observations that count, in order.

    Raises:
        ValidationError: A record is no observation.
    """
    found: list[Observation] = []
    for entry in entries:
        if entry.kind == "observation":
            found.append(Observation(**entry.record))
        elif entry.kind == "resume":
            del found[int(entry.record["observations"]) :]
    return found
