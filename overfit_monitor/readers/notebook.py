"""Notebooks: what a training printed below a cell, as text or as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.console import grouped, rows_of
from overfit_monitor.readers.json_file import holds_none, load
from overfit_monitor.readers.lines import number_of
from overfit_monitor.readers.pairing import Names, pair
from overfit_monitor.readers.rows import Row, run_of_rows
from overfit_monitor.readers.table import looks_like_log

_LEAST_ROWS: Final = 2
_MOST_CELLS: Final = 1024


@final
@dataclass(frozen=True, slots=True)
class Notebook:
    """Reads the output of each cell in which metrics are told as one run; no code is run.

    Attributes:
        names: What the user says is compared with what, None to go by the names in the output.
    """

    names: Names | None = None
    name: str = "notebook"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it begins as JSON, and is called a notebook or has a cell of one in its head."""
        return head.lstrip()[:1] == b"{" and (path.suffix == ".ipynb" or b'"cell_type"' in head)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each cell with the output of a training; they are counted from 1 as they stand in the notebook.

        Raises:
            UnreadableError: Nothing of the file could be read, or no output tells a metric.
        """
        for path in paths:
            content, notes = load(path, parts=True)
            cells = content.get("cells") if isinstance(content, dict) else None
            told = list(_told(cells if isinstance(cells, list) else []))
            if not told:
                raise UnreadableError(f"{path}: {holds_none('no output of a cell tells a metric twice', notes)}")
            for number, rows in told:
                name = run_name(path, root) + (f"/cell {number}" if len(told) > 1 else "")
                yield run_of_rows(rows, self.names, name=name, source=printable(path), notes=notes)


def _told(cells: Sequence[Any]) -> Iterator[tuple[int, Sequence[Row]]]:
    for number, cell in enumerate(cells, start=1):
        outputs = cell.get("outputs") if isinstance(cell, dict) else None
        rows = _rows([output for output in outputs if isinstance(output, dict)] if isinstance(outputs, list) else [])
        if len(rows) >= _LEAST_ROWS and (looks_like_log(names := {n for row in rows for n in row}) or pair(names)):
            yield number, rows


def _rows(outputs: Sequence[Mapping[str, Any]]) -> Sequence[Row]:
    """Return the rows of the table that tells most, or else of the text."""
    tables = [rows for output in outputs if (html := _text(output, "text/html")) for rows in _tables(html)]
    if tables:
        return max(tables, key=len)
    text = "".join(_text(output, "text/plain") for output in outputs)
    return grouped(list(rows_of(text)))


def _text(output: Mapping[str, Any], kind: str) -> str:
    data = output.get("data")
    plain = output.get("text") if kind == "text/plain" and data is None else None
    text = data.get(kind) if isinstance(data, dict) else plain
    if isinstance(text, list):
        return "".join(line for line in text if isinstance(line, str))
    return text if isinstance(text, str) else ""


def _tables(html: str) -> Iterator[Sequence[Row]]:
    parser = _Tables()
    parser.feed(html)
    for header, *lines in (table for table in parser.tables if len(table) > _LEAST_ROWS):
        if looks_like_log(header):
            cells = (dict(zip(header, map(number_of, line), strict=False)) for line in lines)
            rows = [{name: value for name, value in row.items() if value is not None} for row in cells]
            yield [row for row in rows if row]


@final
class _Tables(HTMLParser):
    """Collects the cells of every table."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: object) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1] and len(self.tables[-1][-1]) < _MOST_CELLS:
            self.tables[-1][-1].append("")
            self._open = True

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        self._open = self._open and tag not in ("td", "th", "tr", "table")

    def handle_data(self, data: str) -> None:
        """Take in text of a cell; what a tag parts is not one number."""
        if self._open:
            cells = self.tables[-1][-1]
            cells[-1] = f"{cells[-1]} {data.strip()}".strip()
