"""What can go wrong, said in one clear line.

OverfitMonitorError
├── UsageError      a parameter, a name or a value that cannot be right (also a ValueError)
└── UnreadableError a file that could not be read or holds nothing to judge
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import ValidationError


class OverfitMonitorError(Exception):
    """Base of every error this package raises on purpose."""


class UsageError(OverfitMonitorError, ValueError):
    """A parameter, name or value that cannot be right."""


class UnreadableError(OverfitMonitorError):
    """A file that could not be read, or that holds nothing to judge."""


class MonitorWarning(UserWarning):
    """Something in the monitor is off; training goes on."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Return the message for a name nobody knows, with close matches and all known names."""
    import difflib

    names = sorted(known)
    by_lower = {other.lower(): other for other in names}
    close = [by_lower[found] for found in difflib.get_close_matches(name.lower(), by_lower, n=3, cutoff=0.5)]
    hint = f" Did you mean {' or '.join(map(repr, close))}?" if close else ""
    seen = ", ".join(map(repr, names)) if names else "none"
    return f"unknown {kind} {name!r}.{hint} Known: {seen}."


def from_validation(error: ValidationError, known: Iterable[str]) -> UsageError:
    """Turn pydantic's report into one line that names the parameter and the value."""
    first = error.errors()[0]
    name = ".".join(map(str, first["loc"])) or "value"
    if first["type"] == "extra_forbidden":
        return UsageError(unknown_name("parameter", name, known))
    wanted = first["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    if not first["loc"]:  # a rule about several parameters together names them itself
        return UsageError(wanted)
    return UsageError(f"{name} must be {wanted} but got {first['input']!r}.")
