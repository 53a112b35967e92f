"""Weights & Biases' own file of a run, ``run-ID.wandb``, as written offline and online.

The file is a log in LevelDB's framing: blocks of 32 KiB, in them chunks of a CRC-32, a length, a type
(whole, first, middle, last) and a piece of a record. Each record is a protocol buffer of which two
messages matter: the run (its name) and its history (a step with values in JSON).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable
from overfit_monitor.readers.json_file import clean_name, number
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.rows import run_of_rows
from overfit_monitor.readers.wire import DamagedError, fields

MAGIC: Final = b":W&B\xe1\xbe"
_HEADER: Final = 7
_BLOCK: Final = 1 << 15
_CHUNK_HEADER: Final = 7
_WHOLE, _FIRST, _MIDDLE, _LAST = 1, 2, 3, 4
_LARGEST_RECORD: Final = 1 << 26
_MOST_SEARCHED: Final = 1000  # damaged places after which the next piece is looked for; more are made on purpose
# Numbers of the fields in W&B's wandb_internal.proto.
_HISTORY, _RUN = 2, 17
_ITEM, _STEP, _STEP_NUM = 1, 2, 1
_KEY, _NESTED_KEY, _VALUE_JSON = 1, 2, 16
_RUN_ID, _DISPLAY_NAME = 1, 8


@final
@dataclass(frozen=True, slots=True)
class WandbOffline:
    """Reads the history of a run out of a ``.wandb`` file.

    Attributes:
        names: What the user says is compared with what, None to go by the keys.
    """

    names: Names | None = None
    name: str = "wandb"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it begins as such a file does, or is called one and is empty."""
        return head.startswith(MAGIC) or (not head and path.suffix == ".wandb")

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run, named as W&B names it or by its id.

        Raises:
            UnreadableError: The file is empty or holds no history.
        """
        for path in paths:
            content = _Content()
            with path.open("rb") as file:
                for record in _records(file, content):
                    content.take(record)
            if not content.rows:
                why = content.notes[0] if content.notes else "no history in it: nothing was logged"
                raise UnreadableError(f"{path}: {why}")
            yield run_of_rows(
                content.rows,
                self.names,
                name=content.name or printable(path.stem),
                source=printable(path),
                notes=tuple(content.notes),
            )


@final
class _Content:
    def __init__(self) -> None:
        self.name = ""
        self.rows: list[dict[str, float]] = []
        self.notes: list[str] = []

    def take(self, record: bytes) -> None:
        """Take in one record; whatever is no history and no run is passed over."""
        try:
            for number_, value in fields(record):
                if number_ == _HISTORY and isinstance(value, bytes):
                    row = _row(value)
                    if row:
                        self.rows.append(row)
                elif number_ == _RUN and isinstance(value, bytes):
                    self.name = _name(value) or self.name
        except DamagedError:
            self.damaged("a record is no protocol buffer: left out.")

    def damaged(self, note: str) -> None:
        """Note what is wrong, each thing once."""
        if note not in self.notes:
            self.notes.append(note)


def _records(file: BinaryIO, content: _Content) -> Iterator[bytes]:
    """Yield whole records whose checksums are right; after damage go on with the next piece that is whole."""
    pieces: list[bytes] = []
    offset, searched = 0, 0
    for block in iter(lambda: file.read(_BLOCK), b""):
        at = _HEADER if offset == 0 else 0
        while at + _CHUNK_HEADER <= len(block):
            chunk = _chunk(block, at)
            if chunk is None and not block[at:].strip(b"\0"):
                break  # the block is filled up with zeros
            if chunk is None:
                cut = len(block) < _BLOCK and at + _CHUNK_HEADER + _length(block, at) > len(block)
                content.damaged(
                    f"byte {offset + at}: {'the file is cut off' if cut else 'a record is damaged: left out'}."
                )
                pieces = []
                searched += 1
                at = _next_chunk(block, at + 1) if searched <= _MOST_SEARCHED else len(block)
                continue
            kind, data = chunk
            if kind in (_WHOLE, _FIRST) and pieces:
                content.damaged(f"byte {offset + at}: the record before has no end: left out.")
            if kind == _WHOLE:
                pieces = []
                yield data
            elif kind == _FIRST or (pieces and sum(map(len, pieces)) <= _LARGEST_RECORD):
                pieces = [data] if kind == _FIRST else [*pieces, data]
                if kind == _LAST:
                    yield b"".join(pieces)
                    pieces = []
            at += _CHUNK_HEADER + len(data)
        offset += len(block)
    if pieces:
        content.damaged("the file is cut off in its last record.")


def _length(block: bytes, at: int) -> int:
    return int.from_bytes(block[at + 4 : at + 6], "little")


def _chunk(block: bytes, at: int) -> tuple[int, bytes] | None:
    """Return type and content of the piece at a place, None where it is damaged."""
    import zlib

    kind, end = block[at + 6], at + _CHUNK_HEADER + _length(block, at)
    if not _WHOLE <= kind <= _LAST or end > len(block):
        return None
    crc = int.from_bytes(block[at : at + 4], "little")
    return (
        (kind, block[at + _CHUNK_HEADER : end])
        if zlib.crc32(block[at + 6 : at + 7] + block[at + _CHUNK_HEADER : end]) == crc
        else None
    )


def _next_chunk(block: bytes, start: int) -> int:
    """Return where the next piece begins that is whole, or the size of the block."""
    places = range(start, len(block) - _CHUNK_HEADER + 1)
    return next((at for at in places if _chunk(block, at) is not None), len(block))


def _row(history: bytes) -> dict[str, float]:
    row: dict[str, float] = {}
    for field, value in fields(history):
        if field == _ITEM and isinstance(value, bytes):
            _take_item(value, row)
        elif field == _STEP and isinstance(value, bytes):
            step = next((v for f, v in fields(value) if f == _STEP_NUM and isinstance(v, int)), 0)
            row.setdefault("_step", float(step))
    return row if row.keys() - {"_step", "_runtime", "_timestamp"} else {}


def _take_item(item: bytes, row: dict[str, float]) -> None:
    parts = list(fields(item))
    key = "/".join(v.decode("utf-8", "replace") for f, v in parts if f in (_KEY, _NESTED_KEY) and isinstance(v, bytes))
    text = next((v for f, v in parts if f == _VALUE_JSON and isinstance(v, bytes)), b"")
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return
    row.update(_numbers(clean_name(key), value))


def _numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Yield the numbers of a value; W&B writes NaN and infinity as words, and keeps dictionaries nested."""
    if isinstance(value, Mapping) and "_type" not in value:
        for name, inner in value.items():
            told = number(inner)
            if told is not None:
                yield f"{key}/{clean_name(name)}", told
    elif value in ("NaN", "Infinity", "-Infinity"):
        yield key, float(value)
    elif (told := number(value)) is not None:
        yield key, told


def _name(run: bytes) -> str:
    told = {field: value.decode("utf-8", "replace") for field, value in fields(run) if isinstance(value, bytes)}
    return printable(told.get(_DISPLAY_NAME) or told.get(_RUN_ID) or "")
