"""What files look like from outside: enough to see that they changed, without reading them."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Iterator
from os import PathLike, fspath
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from overfit_monitor.readers.sources import split_pattern
from overfit_monitor.readers.walk import passed_over

_TAIL: Final = 4096
# A line ends with one of the first two; a JSON document, or a record in a line of its own, with one of the others.
_ENDS: Final = (b"\n", b"\r", b"}", b"]")


class Mark(NamedTuple):
    """What tells one state of a file from another.

    Attributes:
        inode: Which file it is; another one after a rotation.
        size: Bytes in it.
        modified: Time of the last write in nanoseconds since 1970.
    """

    inode: int
    size: int
    modified: int


def marks(named: Iterable[str | PathLike[str]]) -> dict[Path, Mark]:
    """Return the mark of every file that a user's files, folders and patterns stand for; of a URL there is none."""
    found: dict[Path, Mark] = {}
    for each in named:
        for file in () if is_remote(each) else _files(fspath(each)):
            if (now := mark(file)) is not None:
                found[file] = now
    return found


def mark(file: Path) -> Mark | None:
    """Return the mark of a file, None where it is not there."""
    try:
        stat = file.stat()
    except (OSError, ValueError):
        return None
    return Mark(stat.st_ino, stat.st_size, stat.st_mtime_ns)


def with_log(file: Path) -> tuple[Path, Path]:
    """Return a file and where SQLite writes what is not in it yet, if it is one of SQLite's."""
    return file, file.with_name(f"{file.name}-wal")


def is_remote(named: str | PathLike[str]) -> bool:
    """Return whether what the user named is on another machine, where nothing tells that it changed."""
    text = fspath(named)
    return "://" in text and not text.startswith("file://")


def torn(path: Path) -> bool:
    """Return whether a file of text ends within a line: its writer may be in the middle of a number."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            tail = file.read(_TAIL)
    except (OSError, ValueError):
        return False
    return bool(tail) and b"\0" not in tail and not tail.endswith(_ENDS)


def copy_of_whole_lines(path: Path, folder: Path) -> Path:
    """Copy a file into a folder, without the line at its end that is not ended.

    Raises:
        OSError: It went away, or there is no room.
    """
    copy = folder / path.name
    shutil.copyfile(path, copy)
    if torn(copy):
        with copy.open("r+b") as file:
            file.truncate(_end_of_lines(file))
    return copy


def _end_of_lines(file: BinaryIO) -> int:
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - _TAIL)
        file.seek(start)
        piece = file.read(end - start)
        found = max(piece.rfind(b"\n"), piece.rfind(b"\r"))
        if found >= 0:
            return start + found + 1
        end = start
    return 0


def _files(text: str) -> Iterator[Path]:
    try:
        path = Path(text.removeprefix("file://"))
        wanted = None
        if not path.exists():
            base, wanted = split_pattern(path.as_posix())
            path = Path(base)
        if not path.is_dir():
            yield from with_log(path)
            return
    except (OSError, ValueError, re.error):
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not passed_over(name))
        for name in sorted(files):
            file = Path(folder, name)
            if wanted is None or wanted.match(file.relative_to(path).as_posix()):
                yield file
