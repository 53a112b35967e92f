"""What users hand in, as what it is meant to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from overfit_monitor.errors import UsageError


def as_name(name: object) -> str | None:
    """Return the name of a run, which is that of a folder as well.

    Raises:
        UsageError: It could not be one.
    """
    if name is None or (isinstance(name, str) and name not in ("", ".", "..") and name == Path(name).name):
        return name
    raise UsageError(f"name must be the name of a folder, without separators, but got {name!r}.")


def as_numbers(
    split: str, metrics: Mapping[str, Any] | None, judged: str | None, complain: Callable[[str, str], None]
) -> dict[str, float]:
    """Return metrics as numbers, without those that are none.

    Args:
        split: ``train`` or ``val``, for messages.
        metrics: Metrics by name; anything that ``float`` takes.
        judged: The metric that was asked for. Where it is no number there are none at all, since the others would be
            taken to be all that there is.
        complain: Called with what it is about and a message, for each that is left out.
    """
    values = {}
    for name, value in (metrics or {}).items():
        try:
            values[str(name)] = float(value)
        except (TypeError, ValueError, RuntimeError):  # a tensor that is no number raises the last
            message = f"{split} metric {name!r} must be a number but got {_short(value)}."
            complain(f"{split} {name}", f"{message} It is left out where it is none.")
    return {} if judged in (metrics or {}) and judged not in values else values


def _short(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
