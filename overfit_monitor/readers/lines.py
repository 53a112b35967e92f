"""Lines of text out of any file, with care."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median_high
from typing import Final, NamedTuple, final

LONGEST_LINE: Final = 1 << 20
COMPARED: Final = 64  # lines whose numbers a number at the end of a file is compared with
_PLACES_NAMED: Final = 3
_LONGEST_COMPARED: Final = 4096
_DIGITS: Final = r"[-+\d.eE%]+"


class Line(NamedTuple):
    """One line: its number from 1, its text without the end, and whether the end is there.

    Where it is not, a number that may lack digits (`cut_number`) is in ``cut`` and not in ``text``.
    """

    number: int
    text: str
    whole: bool
    cut: str = ""


def lines_of(path: Path, longest: int = LONGEST_LINE) -> Iterator[Line]:
    """Yield the lines of a file that are not empty; what is beyond ``longest`` bytes of a line is passed over."""
    number = 0
    before: deque[str] = deque(maxlen=COMPARED)
    with path.open("rb") as file:
        while line := file.readline(longest):
            number += 1
            whole = line.endswith(b"\n")
            while len(line) >= longest and not whole and (rest := file.readline(longest)):
                whole = rest.endswith(b"\n")
            text = line.decode("utf-8-sig" if number == 1 else "utf-8", "replace").rstrip("\r\n")
            cut = "" if whole else cut_number(text, before)
            if text.strip():
                yield Line(number, text.removesuffix(cut), whole, cut)
            before.append(text)


def cut_number(last: str, before: Iterable[str]) -> str:
    """Return the number at the end of a line without an end that may lack digits, empty where none may.

    A writer that was killed, or a file that was copied while it grew, leaves a line at any of its bytes: ``0.84``
    becomes ``0.8``. It may lack digits if it is shorter than most numbers at this place of the lines before.

    Args:
        last: The line that has no end.
        before: Some lines before it.

    Example:
        >>> cut_number("3,0.8", ["epoch,val_loss", "1,0.92", "2,0.88"]), cut_number("3,0.84", ["1,0.92", "2,0.88"])
        ('0.8', '')
    """
    number = re.search(rf"{_DIGITS}$", last)
    if number is None or len(last) > _LONGEST_COMPARED:
        return ""
    words = map(re.escape, re.split(_DIGITS, last[: number.start()]))
    same_place = re.compile(_DIGITS.join(words) + f"({_DIGITS})")
    lengths = [len(found[1]) for line in before if (found := same_place.match(line))]
    return number[0] if lengths and len(number[0]) < median_high(lengths) else ""


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
