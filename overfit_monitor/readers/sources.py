"""What a user may name: files, folders, patterns, standard input and remote places."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from os import PathLike, fspath
from pathlib import Path
from typing import Final, NamedTuple

from overfit_monitor.readers.base import Problem, Run, printable

STDIN: Final = "-"
LARGEST_INPUT: Final = 1 << 30
_MAGIC = re.compile(r"[*?\[]")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*(?:::[A-Za-z][A-Za-z0-9+.\-]*)*://")


class Source(NamedTuple):
    """A place on this machine to read from, and how the user knows it.

    Attributes:
        path: File or folder.
        shown: What the user named, where the path is a copy of it.
        wanted: What the place of a file below ``path`` must match, None for all.
        problems: What could not be brought here.
    """

    path: Path
    shown: str | None = None
    wanted: re.Pattern[str] | None = None
    problems: Sequence[Problem] = ()

    def told(self, text: str) -> str:
        """Return a text with what the user named in it instead of the place of the copy."""
        return text if self.shown is None else text.replace(printable(self.path), self.shown)

    def renamed(self, run: Run) -> Run:
        """Return a run that says where the user has it."""
        if self.shown is None:
            return run
        return replace(run, source=self.told(run.source), notes=tuple(map(self.told, run.notes)))


@contextmanager
def opened(given: str | PathLike[str]) -> Iterator[Source | Problem]:
    """Give the place to read from for what a user named; what had to be copied is removed at the end.

    Args:
        given: File, folder, pattern (``runs/**/*.csv``), ``-`` for standard input, or a URL for fsspec.
    """
    text = fspath(given)
    if text == STDIN:
        with _private_folder() as folder:
            yield _from_stdin(folder)
    elif isinstance(given, str) and text.startswith("file://"):
        yield Source(Path(text.removeprefix("file://")))
    elif isinstance(given, str) and _URL.match(text):
        from overfit_monitor.readers.remote import fetch

        with _private_folder() as folder:
            yield fetch(text, folder)
    else:
        yield _local(text)


def split_pattern(text: str) -> tuple[str, re.Pattern[str] | None]:
    """Return the folder in front of the first wildcard, and what is behind it as a pattern; None where there is none.

    Example:
        >>> base, wanted = split_pattern("runs/*/log*.csv")
        >>> base, bool(wanted.match("a/log1.csv")), bool(wanted.match("a/b/log1.csv"))
        ('runs', True, False)
    """
    found = _MAGIC.search(text)
    if found is None:
        return text, None
    base, slash, _ = text[: found.start()].rpartition("/")
    rest = text[len(base) + len(slash) :]
    return base or slash or ".", re.compile(_translated(rest) + r"(?:/.*)?\Z", re.DOTALL)


@contextmanager
def _private_folder() -> Iterator[Path]:
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(prefix="overfit-monitor-") as folder:
        yield Path(folder)


def _local(text: str) -> Source | Problem:
    path = Path(text)
    try:
        if path.exists() or not _MAGIC.search(text):
            return Source(path)
        base, wanted = split_pattern(path.as_posix())
    except (OSError, ValueError, re.error) as error:
        return Problem(printable(text), getattr(error, "strerror", None) or str(error))
    return Source(Path(base), wanted=wanted)


def _from_stdin(folder: Path) -> Source | Problem:
    stream = getattr(sys.stdin, "buffer", None)
    if stream is None:
        return Problem(STDIN, "there is no standard input")
    path = folder / "stdin"
    left = LARGEST_INPUT
    with path.open("wb") as file:
        while left > 0 and (block := stream.read(min(left, 1 << 20))):
            left -= file.write(block)
    if not left:
        return Problem(STDIN, f"more than {LARGEST_INPUT} bytes on standard input")
    return Source(path, STDIN)


def _translated(pattern: str) -> str:
    """Return a pattern as a regular expression: ``**`` is any number of folders, ``*`` and ``?`` stay in one."""
    parts = []
    for part in (parts_of := pattern.strip("/").split("/")):
        last = part is parts_of[-1]
        if part == "**":
            parts.append(".*" if last else "(?:.*/)?")
        else:
            parts.append(_one(part) + ("" if last else "/"))
    return "".join(parts)


def _one(part: str) -> str:
    told = re.sub(r"\[!", "[^", part)
    pieces = re.split(r"(\*|\?|\[[^\]]+\])", told)
    plain = {"*": "[^/]*", "?": "[^/]"}
    return "".join(plain.get(p) or (p if p.startswith("[") and p.endswith("]") else re.escape(p)) for p in pieces)
