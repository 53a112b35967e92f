"""Whole blocks of a table at once, where every cell is a plain number; any other block is read cell by cell."""

from __future__ import annotations

import csv
import warnings
from array import array
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from overfit_monitor.deferred import Deferred

if TYPE_CHECKING:
    import numpy as np
else:
    np = Deferred("numpy")

LARGE: Final = 1 << 16  # bytes from which on it pays to import numpy
# What `float` and `numpy.fromstring` read alike; without letters there is no NaN, no infinity, no word.
_PLAIN: Final = b"0123456789+-.eE,\n"


def numbers_in(block: bytes, delimiter: str, width: int, wanted: Sequence[int]) -> list[array[float]] | None:
    """Return columns of a block of whole lines, None where it holds anything but rows of plain numbers.

    Args:
        block: Lines of a table.
        delimiter: What is between its cells; a semicolon goes with a decimal comma.
        width: Number of its columns.
        wanted: Which of them to return.
    """
    if b'"' in block or b"\0" in block or b"_" in block:  # Python reads 1_0 as ten, and no tool writes it
        return None
    plain = block.replace(b"\r\n", b"\n")
    if delimiter == ";":
        plain = plain.replace(b",", b".").replace(b";", b",")
    elif delimiter != ",":
        if b"," in plain:
            return None
        plain = plain.replace(delimiter.encode(), b",")
    if not plain.endswith(b"\n"):
        plain += b"\n"
    return _large(plain, width, wanted) if len(plain) >= LARGE else _small(plain, width, wanted)


def _large(plain: bytes, width: int, wanted: Sequence[int]) -> list[array[float]] | None:
    if plain.translate(None, _PLAIN):
        return None
    content = np.frombuffer(plain, dtype=np.uint8)
    ends = content[(content == ord(",")) | (content == ord("\n"))]
    if len(ends) % width:
        return None
    last = ends.reshape(-1, width)
    if (last[:, -1] != ord("\n")).any() or (last[:, :-1] != ord(",")).any():
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # older numpy: it was not read to its end
            values = np.fromstring(plain.replace(b"\n", b","), dtype=np.float64, sep=",")
    except ValueError:
        return None
    if len(values) != len(ends):
        return None
    table = values.reshape(-1, width)
    return [array("d", np.ascontiguousarray(table[:, at]).tobytes()) for at in wanted]


def _small(plain: bytes, width: int, wanted: Sequence[int]) -> list[array[float]] | None:
    try:
        rows = list(csv.reader(plain.decode().split("\n")[:-1]))
        if set(map(len, rows)) != {width}:
            return None
        columns = list(zip(*rows, strict=True))
        return [array("d", map(float, columns[at])) for at in wanted]
    except (ValueError, csv.Error):
        return None
