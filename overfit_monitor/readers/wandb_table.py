"""The CSV that W&B's charts export: a column ``RUN - METRIC`` for each run, with ``__MIN`` and ``__MAX`` beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.conventions import current
from overfit_monitor.readers.lines import Faults, lines_of, number_of
from overfit_monitor.readers.long_table import MOST_CELLS, records_of, split_cells
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.rows import Row, run_of_rows
from overfit_monitor.readers.table import names_metric, plain_name

_COLUMN = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<band>__MIN|__MAX)?")


@final
@dataclass(frozen=True, slots=True)
class WandbTable:
    """Reads each run of such an export; bands are passed over.

    Attributes:
        names: What the user says is compared with what, None to go by the names of the metrics.
    """

    names: Names | None = None
    name: str = "wandb-table"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether all columns of the header but the first are a run, a dash and a metric."""
        first = head.split(b"\n", 1)[0]
        if b" - " not in first or b"\0" in head:
            return False
        header = split_cells(first.decode("utf-8-sig", "replace"))
        matches = [_COLUMN.fullmatch(name) for name in header[1:MOST_CELLS]]
        return bool(matches) and all(m and names_metric(m["metric"]) for m in matches if m is None or not m["band"])

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each run of each file.

        Raises:
            UnreadableError: There is no row with a number.
        """
        for path in paths:
            faults = Faults()
            by_run: dict[str, list[Row]] = {}
            header = split_cells(next((line.text for line in lines_of(path)), ""))
            columns = {name: m for name in header[1:] if (m := _COLUMN.fullmatch(name)) and not m["band"]}
            steps = header[:1] if header and plain_name(header[0]) in current().steps else []
            for record in records_of(path, faults):
                told = {name: value for name in [*steps, *columns] if (value := number_of(record[name])) is not None}
                for name in (name for name in columns if name in told):
                    row = {step: told[step] for step in steps if step in told}
                    by_run.setdefault(columns[name]["run"], []).append({**row, columns[name]["metric"]: told[name]})
            if not by_run:
                raise UnreadableError(f"{path}: {(*faults.notes(), 'no row with a number')[0]}")
            for run, rows in by_run.items():
                name = f"{run_name(path, root)}/{printable(run)}"
                yield run_of_rows(rows, self.names, name=name, source=printable(path), notes=faults.notes())
