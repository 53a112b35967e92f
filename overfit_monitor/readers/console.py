"""What a person saw on the screen: Keras, Lightning, tqdm, Hugging Face, fastai, and lines of their own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import HEAD_BYTES, Run, printable, run_name
from overfit_monitor.readers.console_line import ANSI, Said, header_split, said
from overfit_monitor.readers.lines import COMPARED, cut_number, number_of
from overfit_monitor.readers.pairing import Names, place
from overfit_monitor.readers.rows import Row, run_of_rows
from overfit_monitor.readers.table import looks_like_log

_SUFFIXES: Final = re.compile(r"\.(?:txt|log|out|err|stdout|stderr|o\d+|\d{1,3})", re.IGNORECASE)
_LINE_ENDS = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]+")
_LOOKED_AT: Final = 1 << 19
_LEAST_LINES: Final = 2
LARGEST_FILE: Final = 1 << 28
_MOST_CELLS: Final = 64
_SUMMARY: Final = re.compile(r"\*{3,} \w+ metrics \*{3,}\s*$")
_SUMMARY_LINE: Final = re.compile(r"\s+\w+\s+=\s+\S+\s*$")
_TAIL: Final = 1 << 14


@final
@dataclass(frozen=True, slots=True)
class ConsoleLog:
    """Reads the values that lines of text say, each under the epoch or step that was said last.

    Attributes:
        names: What the user says is compared with what, None to go by the names in the lines.
    """

    names: Names | None = None
    name: str = "console"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it is text in whose first 512 KiB at least two lines tell a metric."""
        if b"\0" in head or not (path.suffix == "" or _SUFFIXES.fullmatch(path.suffix)):
            return False
        if len(head) == HEAD_BYTES:
            with path.open("rb") as file:
                head = file.read(_LOOKED_AT)
        told = (row for row in rows_of(head.decode("utf-8", "replace")) if any(map(_validates, row)) or len(row) > 1)
        return sum(1 for _, row in zip(range(_LEAST_LINES), told, strict=False)) == _LEAST_LINES

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run.

        Raises:
            UnreadableError: The file is larger than 256 MiB, or no line tells a metric.
        """
        for path in paths:
            size = path.stat().st_size
            if size > LARGEST_FILE:
                raise UnreadableError(f"{path}: {size} bytes of text, more than the {LARGEST_FILE} that are read")
            text, notes = _without_cut_number(path.read_bytes().decode("utf-8-sig", "replace"))
            rows = list(rows_of(text))
            if not rows:
                raise UnreadableError(f"{path}: no line tells a metric")
            yield run_of_rows(grouped(rows), self.names, name=run_name(path, root), source=printable(path), notes=notes)


def _without_cut_number(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text without a number at its end that may lack digits, and a remark where there was one."""
    *before, last = _LINE_ENDS.split(text[-_TAIL:])
    cut = cut_number(last, before[-COMPARED:])
    return (
        (text.removesuffix(cut), (f"the file ends in {cut!r}, which may lack digits: left out.",))
        if cut
        else (text, ())
    )


def rows_of(text: str) -> Iterator[Row]:
    """Yield the values that each line of a console's output says, with its epoch and step.

    States of a progress bar count only when the bar is full, and only the last one of each.
    """
    state = _State()
    for line in _LINE_ENDS.split(ANSI.sub("", text).replace("\b", "")):
        if line and not line.isspace():
            yield from state.take(line)
    yield from state.end()


def grouped(rows: Sequence[Row]) -> Sequence[Row]:
    """Return rows that name neither epoch nor step put together until a name comes a second time."""
    if any("epoch" in row or "step" in row for row in rows):
        return rows
    groups: list[dict[str, float | None]] = []
    for row in rows:
        if not groups or groups[-1].keys() & row.keys():
            groups.append({})
        groups[-1].update(row)
    return groups


def _validates(name: str) -> bool:
    where = place(name)
    return where is not None and where.split == "val"


@final
class _State:
    """What was said before the line at hand: where training is, an unfinished bar, the header of a table."""

    def __init__(self) -> None:
        self._epoch: int | None = None
        self._step: int | None = None
        self._section: str | None = None
        self._bar: Said | None = None
        self._bar_key: object = None
        self._header: list[str] = []
        self._summary = False

    def take(self, line: str) -> Iterator[Row]:
        """Take in a line, and yield what is complete now."""
        if (row := self._table_row(line)) is not None:
            yield row
            return
        if self._in_summary(line):
            return
        if not any(map(str.isdigit, line)) and "nan" not in line.lower():
            self._section = header_split(line) or self._section
            return
        told = said(line)
        if told.bar:
            yield from self._take_bar(told)
            return
        heading = header_split(line) if not told.values else None
        self._section = heading or self._section
        if told.epoch is not None or told.tells:
            yield from self.end()
        self._move(told)
        if told.tells:
            yield self._row(told)

    def end(self) -> Iterator[Row]:
        """Yield the last bar, if it was full."""
        bar, self._bar = self._bar, None
        if bar is not None and bar.whole and bar.tells:
            self._move(bar)
            yield self._row(bar)

    def _take_bar(self, told: Said) -> Iterator[Row]:
        key = (told.epoch, told.split)
        if key != self._bar_key or (self._bar and self._bar.whole and not told.whole):
            yield from self.end()
        self._bar_key = key
        if told.tells:
            self._bar = told

    def _in_summary(self, line: str) -> bool:
        """Return whether it belongs to what Hugging Face's scripts print at the end: means over the whole run."""
        self._summary = _SUMMARY.match(line) is not None or (self._summary and _SUMMARY_LINE.match(line) is not None)
        return self._summary

    def _move(self, told: Said) -> None:
        if told.total and not told.values:
            return
        if told.epoch is not None:
            if told.epoch != self._epoch:
                self._step = self._section = None
            self._epoch = told.epoch
        self._step = told.step if told.step is not None else self._step

    def _row(self, told: Said) -> Row:
        where = {"epoch": self._epoch, "step": self._step}
        row: dict[str, float | None] = {name: float(value) for name, value in where.items() if value is not None}
        for name, value in told.values.items():
            bare = self._section and told.split is None and place(name) is None
            row[f"{self._section}/{name}" if bare else name] = value
        return row

    def _table_row(self, line: str) -> Row | None:
        """Return the row of a table in text, as fastai prints it; a line of names is its header."""
        if ":" in line and "=" in line:
            return None
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if "|" in line else line.split()
        if not 1 < len(cells) <= _MOST_CELLS:
            return None
        if number_of(cells[0]) is None:
            named = all(cell and not cell[0].isdigit() for cell in cells)
            if named and not any(c in line for c in ":=,") and looks_like_log(cells):
                self._header = cells
            return None
        if len(cells) != len(self._header):
            return None
        numbers = {name: number_of(cell) for name, cell in zip(self._header, cells, strict=True)}
        return {name: value for name, value in numbers.items() if value is not None}
