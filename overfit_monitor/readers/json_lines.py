"""One JSON object a line: JSONL, MMEngine, Detectron2, Ray Tune, DVC and those written by hand."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.json_shapes import flat_record
from overfit_monitor.readers.lines import Faults, lines_of
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.rows import Row, run_of_rows
from overfit_monitor.readers.table import looks_like_log

_SUFFIXES = frozenset({".jsonl", ".ndjson", ".jsonlines"})


@final
@dataclass(frozen=True, slots=True)
class JsonLines:
    """Reads a file of which each line is a record.

    Attributes:
        names: What the user says is compared with what, None to go by the keys.
    """

    names: Names | None = None
    name: str = "json-lines"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether lines of the head are objects with metrics; one alone only where the name says JSONL."""
        if not head.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(b"{"):
            return False
        lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip()]
        records = [record for line in lines if (record := _record(line)) is not None]
        many = len(records) > 1 or (len(records) == 1 and (len(lines) > 1 or path.suffix.lower() in _SUFFIXES))
        return many and looks_like_log({name for record in records for name in flat_record(record)}, self.names)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run; lines that are no object are left out with a note.

        Raises:
            UnreadableError: No line is an object with numbers.
        """
        for path in paths:
            faults = Faults()
            rows: list[Row] = []
            for line in lines_of(path):
                record = _record(line.text)
                if record is None:
                    faults.at(line.number, "is cut off or damaged")
                elif row := flat_record(record):
                    rows.append(row)
            if not rows:
                raise UnreadableError(f"{path}: {(*faults.notes(), 'no line is an object with numbers')[0]}")
            yield run_of_rows(rows, self.names, name=run_name(path, root), source=printable(path), notes=faults.notes())


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) else None
