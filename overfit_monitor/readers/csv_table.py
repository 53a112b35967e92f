"""Tables of text: Keras' CSVLogger, Lightning's CSVLogger, YOLO's results.csv, and those written by hand."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from io import SEEK_END, BytesIO
from pathlib import Path
from typing import BinaryIO, Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.lines import COMPARED, cut_number, number_of
from overfit_monitor.readers.numbers import numbers_in
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.table import Table, looks_like_log, names_metric

SUFFIXES = frozenset({".csv", ".tsv"})
DELIMITERS = (",", ";", "\t")
EMPTY = frozenset({"", "na", "n/a", "none", "null", "-"})
LFS_POINTER: Final = b"version https://git-lfs.github.com/spec/"
LONGEST_LINE: Final = 1 << 20
PLACES_NAMED: Final = 3
BLOCK: Final = 1 << 20
TAIL: Final = 1 << 13


@final
@dataclass(frozen=True, slots=True)
class CsvTable:
    """Reads a table with a header; the delimiter is the most frequent of comma, semicolon and tab.

    Attributes:
        names: What the user says is compared with what, None to go by the names of the columns.
    """

    names: Names | None = None
    name: str = "csv"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether the header names metrics, or the file is called a table and is empty or a git-lfs pointer."""
        called_table = path.suffix.lower() in SUFFIXES
        if b"\0" in head:
            return False
        lines = [line for line in head.decode("utf-8-sig", "replace").splitlines() if line.strip()]
        if not lines or head.startswith(LFS_POINTER):
            return called_table
        header = _split(lines[0])
        cells = [_number(cell) for cell in _split(lines[1])] if len(lines) > 1 else []
        is_table = len(header) == len(cells) > 1 and any(isinstance(cell, float) for cell in cells)
        return (called_table or is_table) and looks_like_log(header, self.names)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run.

        Raises:
            UnreadableError: The file has no header, no rows, or is no table.
        """
        for path in paths:
            with path.open("rb") as file:
                try:
                    yield self._read(path, root, file)
                except UnreadableError as error:
                    raise UnreadableError(f"{path}: {error}") from None

    def _read(self, path: Path, root: Path, file: BinaryIO) -> Run:
        lines = _Lines(file)
        header = next((line for line in lines if line.strip()), "")
        if header.startswith(LFS_POINTER.decode()):
            raise UnreadableError("line 1: a git-lfs pointer, not the file itself: run 'git lfs pull'")
        if not header.strip():
            raise UnreadableError("line 1: the file is empty")
        delimiter = _delimiter(header)
        names = _split(header)
        if all(isinstance(_number(name), float) for name in names):
            raise UnreadableError(f"line {lines.number}: numbers where the header should name the columns")
        rows = _Rows(names, delimiter, Table(list(dict.fromkeys(names)), self.names))
        rows.take(lines)
        if not rows.taken:
            raise UnreadableError(f"line {lines.number}: a header and no row that could be read{rows.first_fault()}")
        rows.doubt(lines)
        rows.table.close()
        return Run(
            run_name(path, root),
            printable(path),
            rows.table,
            notes=rows.notes() + rows.table.notes,
            places=rows.table.places,
            labels=tuple(names),
        )


@final
class _Lines:
    """Lines of a file as text, none longer than anything a log holds."""

    def __init__(self, file: BinaryIO) -> None:
        self.number = 0
        self.complete = True
        self._file = file
        self._again = BytesIO()

    def block(self) -> bytes:
        """Return the next lines, many at once, without a look at them; empty at the end."""
        found = self._file.read(BLOCK)
        return found if found.endswith(b"\n") else found + self._file.readline(LONGEST_LINE + 1)

    def cut(self) -> str:
        """Return the number at the end of the file that may lack digits, see `cut_number`."""
        self._file.seek(0, SEEK_END)
        self._file.seek(max(0, self._file.tell() - TAIL))
        *before, last = self._file.read().decode("utf-8", "replace").splitlines(keepends=True)[-COMPARED:]
        return "" if last.endswith(("\n", "\r")) else cut_number(last, before)

    def put_back(self, block: bytes) -> None:
        """Let lines come again, one by one."""
        self._again = BytesIO(block)

    @property
    def through(self) -> bool:
        """Whether all lines that were put back have come."""
        return self._again.tell() == len(self._again.getbuffer())

    def __iter__(self) -> Iterator[str]:
        while line := self._again.readline(LONGEST_LINE + 1) or self._file.readline(LONGEST_LINE + 1):
            self.number += 1
            if len(line) > LONGEST_LINE:
                raise UnreadableError(f"line {self.number}: longer than {LONGEST_LINE} bytes, no table of metrics")
            if b"\0" in line:
                raise UnreadableError(f"line {self.number}: binary data")
            self.complete = line.endswith((b"\n", b"\r"))
            yield line.decode("utf-8-sig" if self.number == 1 else "utf-8", "replace")


@final
@dataclass(slots=True)
class _Rows:
    """Puts rows into a table and keeps account of what is wrong with them."""

    names: list[str]
    delimiter: str
    table: Table
    taken: int = 0
    _short: int = 0
    _faults: list[str] = field(default_factory=list)
    _words: Counter[str] = field(default_factory=Counter)
    _first_word: dict[str, str] = field(default_factory=dict)

    def take(self, lines: _Lines) -> None:
        """Take in all lines that are left."""
        wanted = [self.names.index(name) for name in self.table.wanted]
        while block := lines.block():
            columns = None if _overlong(block) else numbers_in(block, self.delimiter, len(self.names), wanted)
            if columns is None:
                lines.put_back(block)
                self._take_singly(lines)
            else:
                rows = len(columns[0]) if columns else block.count(b"\n") + (not block.endswith(b"\n"))
                self.table.extend(columns, rows)
                lines.number += rows
                self.taken += rows

    def _take_singly(self, lines: _Lines) -> None:
        """Take in the lines that were put back, one by one, and as many more as the last row needs."""
        wanted = [(name, self.names.index(name)) for name in self.table.wanted]
        reader = csv.reader(iter(lines), delimiter=self.delimiter)
        while not lines.through:
            try:
                row = next(reader, None)
            except csv.Error as error:
                raise UnreadableError(f"line {lines.number}: {error}") from None
            if row is None:
                return
            if not "".join(row).strip() or [cell.strip() for cell in row] == self.names:
                continue
            if len(row) < len(self.names):
                self._short = lines.number
                cut = "cut off after" if not lines.complete else "has"
                self._faults.append(f"line {lines.number} {cut} {len(row)} of {len(self.names)} cells: left out.")
                continue
            self.table.append([self._cell(row[at], name, lines.number) for name, at in wanted])
            self.taken += 1

    def doubt(self, lines: _Lines) -> None:
        """Take the last cell of the file as empty where the file ends in it and digits may be missing."""
        name = self.names[-1]
        if self._short != lines.number and name in self.table.wanted and (cut := lines.cut()):
            self.table.forget(name)
            self._faults.insert(0, f"line {lines.number} ends in {cut!r}, which may lack digits: left out.")

    def notes(self) -> tuple[str, ...]:
        """Return what was wrong, with the places of the first few."""
        more = len(self._faults) - PLACES_NAMED
        rest = [f"{more} more line(s) with too few cells: left out."] if more > 0 else []
        words = [
            f"column {name!r}, {self._first_word[name]} is no number, {count} such cell(s) taken as empty."
            for name, count in list(self._words.items())[:PLACES_NAMED]
        ]
        return (*self._faults[:PLACES_NAMED], *rest, *words)

    def first_fault(self) -> str:
        """Return the first thing that was wrong as the end of a sentence."""
        return f" ({self._faults[0]})" if self._faults else ""

    def _cell(self, text: str, name: str, line: int) -> float | None:
        if self.delimiter == ";":
            text = text.replace(",", ".")  # the decimal comma is why the delimiter is a semicolon
        value = _number(text)
        if isinstance(value, str):
            self._words[name] += 1
            self._first_word.setdefault(name, f"line {line}: {value[:40]!r}")
            return None
        return value


def metrics_in(head: str) -> list[str]:
    """Return the columns that a metric is named by, of what begins as a table does."""
    lines = head.splitlines()[:2]
    header = _split(lines[0]) if lines else []
    whole = len(lines) > 1 and len(_split(lines[1])) == len(header) > 1
    return [name for name in header if names_metric(name)] if whole else []


def _overlong(block: bytes) -> bool:
    """Return whether a line of a block is too long; such a line would hold the byte in the middle."""
    if len(block) <= LONGEST_LINE:
        return False
    start, end = block.rfind(b"\n", 0, LONGEST_LINE) + 1, block.find(b"\n", LONGEST_LINE) + 1
    return (end or len(block)) - start > LONGEST_LINE


def _number(text: str) -> float | str | None:
    """Return the number, also of ``85.3%``, None for an empty cell, or the text where it is neither."""
    try:
        value = float(text)
    except ValueError:
        text = text.strip()
        if text.endswith("%") and (share := number_of(text[:-1])) is not None:
            return share
        return None if text.lower() in EMPTY else text
    return text if "_" in text else value  # Python reads 1_0 as ten, and no tool writes it


def _delimiter(line: str) -> str:
    return max(DELIMITERS, key=line.count)


def _split(line: str) -> list[str]:
    try:
        return [cell.strip() for cell in next(csv.reader([line], delimiter=_delimiter(line)), [])]
    except csv.Error:
        return []
