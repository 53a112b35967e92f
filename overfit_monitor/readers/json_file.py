"""A JSON file of numbers, read with care: what every reader of JSON shares."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import HEAD_BYTES

LARGEST_FILE: Final = 1 << 28
LARGEST_SALVAGED: Final = 1 << 26
DEEPEST: Final = 64
_LOOKED_AT: Final = 1 << 18
_TOKEN = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+)')
_BEFORE: Final = ": only what stands before it was read."
_OUR_REPORT: Final = re.compile(rb'\s*\{\s*"schema_version"')
_CLOSERS: Final = {"{": "}", "[": "]"}


def load(path: Path, *, parts: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Return the content of a JSON file, and what is wrong with it.

    Of a file that is cut off or damaged, everything in front of the damage is returned.

    Args:
        path: The file.
        parts: Whether to keep the part of an object in a list that stands in front of the damage; a
            record of which only some values are known is misleading, and left out otherwise.

    Raises:
        UnreadableError: The file is larger than 256 MiB, nested deeper than any log, or nothing
            of it can be read; names file and place.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnreadableError(f"{path}: {size} bytes of JSON, more than the {LARGEST_FILE} that are read")
    text = path.read_bytes().decode("utf-8-sig", "replace")
    try:
        return loads(text, parts=parts)
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from None


def loads(text: str, *, parts: bool = False) -> tuple[Any, tuple[str, ...]]:
    """Return the content of JSON text, and what is wrong with it; see `load`.

    Raises:
        UnreadableError: It is empty or nested deeper than any log, or nothing of it can be read.
    """
    if not text.strip():
        raise UnreadableError("line 1: the file is empty")
    try:
        return _parsed(text), ()
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or not text[error.pos :].strip()
        what = "the file is cut off" if cut else "no valid JSON"
        place = f"line {error.lineno}, column {error.colno}: {what}"
        kept = _salvaged(text, error.pos, parts=parts) if len(text) <= LARGEST_SALVAGED else None
        if kept is None:
            raise UnreadableError(f"{place} ({error.msg})") from None
        return kept, (place + _BEFORE,)
    except RecursionError:
        raise UnreadableError("line 1: nested deeper than any log") from None


def holds_none(what: str, notes: tuple[str, ...]) -> str:
    """Return why a file is refused in which no numbers were found, with what is wrong with it where that is known."""
    return f"{notes[0].removesuffix(_BEFORE)}, and before it {what}" if notes else what


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # an integer of thousands of digits
        return json.loads(text, parse_int=float)


def _salvaged(text: str, end: int, *, parts: bool) -> Any:
    """Return what stands before ``end`` with its brackets closed, None where that is nothing.

    A value counts only if something follows it: the digits of the last number may not all be there.
    """
    closers: list[str] = []
    kept: tuple[int, str] | None = None
    at = 0
    while (token := _TOKEN.match(text, at)) and token.end() <= end:
        last = token[0][-1]
        at = token.end()
        if last in _CLOSERS:
            closers.append(_CLOSERS[last])
            if len(closers) > DEEPEST:
                return None
        elif last in "}]" and closers:
            closers.pop()
        elif last != ",":
            continue
        open_ = "".join(closers)
        if parts or "}" not in open_.partition("]")[2]:
            kept = (at - (last == ","), open_[::-1])
    if kept is None or not text[: kept[0]].strip("[{ \t\r\n"):
        return None
    try:
        return _parsed(text[: kept[0]] + kept[1])
    except (ValueError, RecursionError):
        return None


def beginning(path: Path, head: bytes) -> str:
    """Return the beginning of what may be JSON as text, more of it than the head where the head is full.

    Empty for what is no JSON by its first character, and for a report of this package, which is no log.
    """
    if _OUR_REPORT.match(head):
        return ""
    start = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
    if start not in (b"{", b"["):
        return ""
    if len(head) == HEAD_BYTES and path.suffix.lower() in {".json", ".txt", ""}:
        try:
            with path.open("rb") as file:
                head = file.read(_LOOKED_AT)
        except OSError:
            pass
    return head.decode("utf-8-sig", "replace").lstrip()


def number(value: Any) -> float | None:
    """Return a JSON value as a number, None for ``null`` and for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf") if value > 0 else float("-inf")


def clean_name(name: str) -> str:
    """Return a key with what cannot be written as UTF-8 replaced: JSON allows half a surrogate pair."""
    return name.encode("utf-8", "replace").decode()
