"""A JSON file of numbers, read with care: what every reader of JSON shares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from overfit_monitor.errors import UnreadableError

LARGEST_FILE: Final = 1 << 28


def load(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        UnreadableError: The file is larger than 256 MiB, cut off, or no JSON; names file and place.
    """
    size = path.stat().st_size
    if size > LARGEST_FILE:
        raise UnreadableError(f"{path}: {size} bytes of JSON, more than the {LARGEST_FILE} that are read")
    text = path.read_bytes().decode("utf-8-sig", "replace")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.msg.startswith("Unterminated") or not text[error.pos :].strip()
        what = "the file is cut off" if cut else "no valid JSON"
        raise UnreadableError(f"{path}: line {error.lineno}, column {error.colno}: {what} ({error.msg})") from None
    except RecursionError:
        raise UnreadableError(f"{path}: line 1: nested deeper than any log") from None
    except ValueError as error:  # an integer of thousands of digits
        raise UnreadableError(f"{path}: {error}") from None


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
