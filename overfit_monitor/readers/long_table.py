"""Tables whose rows tell in a cell what they are about: a ``stage`` column, or a name and a value."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.lines import Faults, lines_of
from overfit_monitor.readers.long_form import LongForm
from overfit_monitor.readers.pairing import Names, place
from overfit_monitor.readers.rows import Row, run_of_rows
from overfit_monitor.readers.table import names_metric

_DELIMITERS: Final = (",", ";", "\t")
_SUFFIXES: Final = frozenset({".csv", ".tsv"})
MOST_CELLS: Final = 10_000
Record = dict[str, str]


@final
@dataclass(frozen=True, slots=True)
class LongTable:
    """Reads ``epoch,stage,loss`` and ``step,metric,value``; a run for each that a column of runs names.

    Attributes:
        names: What the user says is compared with what (``train/loss``), None to go by the names.
    """

    names: Names | None = None
    name: str = "long-table"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether a first row of the head says what it is about, and a metric is named."""
        if b"\0" in head or head.lstrip()[:1] in (b"{", b"["):
            return False
        lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip()]
        header = split_cells(lines[0]) if lines else []
        if not 1 < len(header) <= MOST_CELLS:
            return False
        form = LongForm(header)
        if form.split is None and not form.by_metric:
            return False
        records = [dict(zip(header, split_cells(line, lines[0]), strict=False)) for line in lines[1:20]]
        told = {name for record in records if form.tells(record) for name in form.row(record)}
        return any(names_metric(name) or place(name) for name in told)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run, or as one for each run that it names.

        Raises:
            UnreadableError: No row could be read.
        """
        for path in paths:
            faults = Faults()
            by_run: dict[str, list[Row]] = {}
            form: LongForm | None = None
            for record in records_of(path, faults):
                form = form or LongForm(record)
                if row := form.row(record):
                    by_run.setdefault(record.get(form.run, "") if form.run else "", []).append(row)
            if not by_run:
                raise UnreadableError(f"{path}: {(*faults.notes(), 'no row with a number')[0]}")
            for run, rows in by_run.items():
                name = run_name(path, root) + (f"/{printable(run)}" if len(by_run) > 1 else "")
                yield run_of_rows(rows, self.names, name=name, source=printable(path), notes=faults.notes())


def records_of(path: Path, faults: Faults) -> Iterator[Record]:
    """Yield the rows of a table by the names of its header; rows that are no such rows are noted.

    Raises:
        UnreadableError: The header has more columns than any log.
    """
    header: list[str] = []
    first = ""
    for line in lines_of(path):
        if not header:
            header, first = split_cells(line.text), line.text
            if len(header) > MOST_CELLS:
                raise UnreadableError(f"{path}: line 1: {len(header)} columns, more than any log has")
            continue
        cells = split_cells(line.text, first)
        if len(cells) < len(header):
            faults.at(line.number, f"has {len(cells)} of {len(header)} cells")
        elif cells != header:
            if line.cut:
                faults.at(line.number, f"ends in {line.cut!r}, which may lack digits")
            yield dict(zip(header, cells, strict=False))


def split_cells(line: str, header: str | None = None) -> list[str]:
    """Return the cells of a line; the delimiter is the most frequent in the header, or else in the line."""
    delimiter = max(_DELIMITERS, key=(line if header is None else header).count)
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter), [])]
    except csv.Error:
        return []
