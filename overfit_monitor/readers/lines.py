"""Lines of text out of any file, with care."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, final

LONGEST_LINE: Final = 1 << 20
_PLACES_NAMED: Final = 3


class Line(NamedTuple):
    """One line: its number from 1, its text without the end, and whether the end is there."""

    number: int
    text: str
    whole: bool


def lines_of(path: Path, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Yield the lines of a file that are not empty; what is beyond ``longest`` bytes of a line is passed over."""
    number = 0
    with path.open("rb") as file:
        while line := file.readline(longest):
            number += 1
            whole = line.endswith(b"\n")
            while len(line) >= longest and not whole and (rest := file.readline(longest)):
                whole = rest.endswith(b"\n")
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")
            if text.strip():
                yield Line(number, text, whole)


def number_of(text: str) -> float | None:
    """Return the number a text is, None where it is none."""
    try:
        value = float(text)
    except ValueError:
        return None
    return None if "_" in text else value  # Python reads 1_0 as ten, and no tool writes it


@final
class Faults:
    """Counts what was wrong, and names the first few places.

    Args:
        prefix: What stands before each place, such as the name of a file.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._said: list[str] = []
        self._more = 0

    def at(self, line: int, what: str) -> None:
        """Note that a line was left out because of this."""
        if len(self._said) < _PLACES_NAMED:
            self._said.append(f"{self._prefix}line {line} {what}: left out.")
        else:
            self._more += 1

    def notes(self) -> tuple[str, ...]:
        """Return one sentence for each of the first, and one for the rest."""
        return (*self._said, *([f"{self._prefix}{self._more} more line(s) left out."] if self._more else []))
