"""The result for machines. ``python -m overfit_monitor.reports.json`` prints its JSON schema."""

from __future__ import annotations

import json
import math
from typing import Any

from overfit_monitor.records import Record
from overfit_monitor.reports.base import CheckResult, View

SCHEMA_ID = "overfit-monitor/check-v1.schema.json"


def render(check: CheckResult, view: View | None = None) -> str:  # noqa: ARG001  # every report takes it
    """Return the result as JSON, two spaces to a level; what is not a finite number is ``null``."""
    return plain_json(check)


def plain_json(record: Record) -> str:
    """Return a record as JSON, two spaces to a level; what is not a finite number is ``null``."""
    return json.dumps(_plain(record.model_dump()), indent=2, allow_nan=False) + "\n"


def schema() -> dict[str, Any]:
    """Return the JSON schema of what `render` returns.

    It is open to further fields, as these may be added within a version.
    """
    generated = CheckResult.model_json_schema(mode="serialization")
    described = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": SCHEMA_ID}
    opened = _opened(generated)
    return described | opened if isinstance(opened, dict) else described


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value if value is None or isinstance(value, str | bool | int) else str(value)


def _opened(value: Any) -> Any:
    if isinstance(value, list):
        return [_opened(item) for item in value]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (key, item) != ("additionalProperties", False)}
        return {key: _opened(item) for key, item in kept.items()}
    return value


if __name__ == "__main__":
    print(json.dumps(schema(), indent=2))
