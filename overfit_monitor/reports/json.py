"""The result for machines; ``overfit-monitor schema check`` prints its JSON schema."""

from __future__ import annotations

import json
import math
from typing import Any

from overfit_monitor.records import Record
from overfit_monitor.reports.base import CheckResult, View


def render(check: CheckResult, view: View | None = None) -> str:  # noqa: ARG001  # every report takes it
    """Return the result as JSON, two spaces to a level; what is not a finite number is ``null``."""
    return plain_json(check)


def plain_json(record: Record) -> str:
    """Return a record as JSON, two spaces to a level; what is not a finite number is ``null``."""
    return json.dumps(_plain(record.model_dump()), indent=2, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of what `render` returns."""
    from overfit_monitor.published import schema_of_written

    return schema_of_written(CheckResult, "check")


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int) else str(value)
