"""Two curves in the cells of a terminal, each of which has two by four dots in a Braille character."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple

from overfit_monitor.view.series import Curve, thin

Ink = Literal["train", "val", "axis", "mark", ""]
Points = Sequence[tuple[int, float]]

LABEL: Final = 9
LOGARITHMIC_FROM: Final = 30.0  # highest over lowest value, from which on a linear axis shows the beginning only
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # by row and column, as Unicode numbers them
_BLANK: Final = 0x2800


class Cell(NamedTuple):
    """One character and what it is drawn with."""

    char: str
    ink: Ink


Row = list[Cell]


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    logarithmic: bool

    def share(self, value: float) -> float:
        """Return where a value lies between the lowest (0) and the highest (1)."""
        low, high, value = (math.log(each) if self.logarithmic else each for each in (self.low, self.high, value))
        return 0.5 if high == low else (value / 2 - low / 2) / (high / 2 - low / 2)  # halved: -1e308 to 1e308

    def value(self, share: float) -> float:
        """Return the value at a place between the lowest (0) and the highest (1)."""
        if self.logarithmic:
            return math.exp(math.log(self.low) + share * (math.log(self.high) - math.log(self.low)))
        return self.low + share * (self.high - self.low)


def plot(train: Points, val: Points, *, width: int, height: int, marks: Mapping[str, int | None]) -> list[Row]:
    """Draw both curves, with the steps that matter marked below them.

    Args:
        train: Points of the train metric, steps upwards.
        val: Points of the validation metric, which is drawn over the other.
        width: Columns, labels included; at least 20.
        height: Rows, the axis and the row with the marks included; at least 5.
        marks: Steps by the character that marks them, None for one that there is not.

    Returns:
        The rows from top to bottom; none where there is nothing to draw.
    """
    columns, rows = width - LABEL - 1, height - 2
    curves: dict[Ink, list[tuple[int, float]]] = {}
    inks: tuple[tuple[Ink, Points], ...] = (("train", train), ("val", val))
    for ink, points in inks:
        curve = Curve.of(points)
        kept = curve.at(thin(curve.values, 4 * columns))
        pairs = zip(kept.steps.tolist(), kept.values.tolist(), strict=True)
        curves[ink] = [(step, value) for step, value in pairs if math.isfinite(value)]
    values = [value for points in curves.values() for _, value in points]
    steps = [step for points in curves.values() for step, _ in points]
    if not values or columns < 2 or rows < 2:
        return []
    scale = _scale(min(values), max(values))
    first, last = min(steps), max(steps)
    canvas = _Canvas(columns, rows)
    for ink, points in curves.items():
        canvas.draw([(_share(step, first, last), scale.share(value)) for step, value in points], ink)
    at = {char: _column(step, first, last, columns) for char, step in marks.items() if step is not None}
    return [*_framed(canvas.rows(set(at.values())), scale), *_below(at, columns, first, last)]


class _Canvas:
    def __init__(self, columns: int, rows: int) -> None:
        self._columns, self._rows = columns, rows
        self._dots = [[0] * columns for _ in range(rows)]
        self._inks: list[list[Ink]] = [[""] * columns for _ in range(rows)]

    def draw(self, points: Sequence[tuple[float, float]], ink: Ink) -> None:
        """Draw a line through points given as shares of width and height."""
        dots = [(round(x * (2 * self._columns - 1)), round((1 - y) * (4 * self._rows - 1))) for x, y in points]
        for (x, y), (to_x, to_y) in zip(dots[:1] + dots, dots, strict=False):
            length = max(abs(to_x - x), abs(to_y - y), 1)
            for i in range(length + 1):
                self._set(x + round(i * (to_x - x) / length), y + round(i * (to_y - y) / length), ink)

    def rows(self, marked: set[int]) -> list[Row]:
        """Return the rows, with a thin line in the columns that are marked."""
        empty = {column: Cell("┊", "axis") for column in marked}
        return [
            [
                Cell(chr(_BLANK + dots), ink) if dots else empty.get(column, Cell(" ", ""))
                for column, (dots, ink) in enumerate(zip(row, inks, strict=True))
            ]
            for row, inks in zip(self._dots, self._inks, strict=True)
        ]

    def _set(self, x: int, y: int, ink: Ink) -> None:
        row, column = y // 4, x // 2
        if self._inks[row][column] != ink:
            self._dots[row][column] = 0  # a cell has one colour, and the later curve lies above
        self._dots[row][column] |= _DOTS[y % 4][x % 2]
        self._inks[row][column] = ink


def _scale(low: float, high: float) -> _Scale:
    return _Scale(low, high, logarithmic=low > 0 and high / low >= LOGARITHMIC_FROM)


def _framed(rows: list[Row], scale: _Scale) -> list[Row]:
    labelled = {0: 1.0, len(rows) - 1: 0.0}
    if len(rows) >= 7:
        labelled[len(rows) // 2] = 1 - (len(rows) // 2) / (len(rows) - 1)
    framed = []
    for number, row in enumerate(rows):
        label = f"{scale.value(labelled[number]):.4g}" if number in labelled else ""
        edge = "┤" if number in labelled else "│"
        framed.append([*_text(label.rjust(LABEL)[:LABEL], "axis"), Cell(edge, "axis"), *row])
    return framed


def _below(at: Mapping[str, int], columns: int, first: int, last: int) -> list[Row]:
    line = ["─"] * columns
    marked: dict[int, str] = {}
    for char, column in at.items():
        while column in marked and column + 1 < columns:  # two at one place stand beside each other
            column += 1  # noqa: PLW2901
        marked[column] = char
    left, right = str(first), str(last)
    steps = left + right.rjust(max(1 + len(right), columns - len(left)))
    axis = [Cell(marked[i], "mark") if i in marked else Cell(line[i], "axis") for i in range(columns)]
    margin = _text(" " * LABEL, "")
    return [[*margin, Cell("└", "axis"), *axis], [*margin, Cell(" ", ""), *_text(steps[:columns], "axis")]]


def _text(text: str, ink: Ink) -> Row:
    return [Cell(char, ink) for char in text]


def _share(step: int, first: int, last: int) -> float:
    return 0.5 if first == last else (step - first) / (last - first)


def _column(step: int, first: int, last: int, columns: int) -> int:
    return min(max(round(_share(step, first, last) * (2 * columns - 1)) // 2, 0), columns - 1)
