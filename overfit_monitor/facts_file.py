"""Facts of a run whose log does not tell them: a small file that the user writes, in YAML, TOML or JSON."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from overfit_monitor.errors import UsageError, from_validation, unknown_name
from overfit_monitor.facts import DataFacts, Facts, LossFacts, OptimizerFacts
from overfit_monitor.written import at, read_written

_GROUPS: Mapping[str, type[BaseModel]] = {"data": DataFacts, "loss": LossFacts, "optimizer": OptimizerFacts}


def load_facts(path: Path) -> Facts:
    """Read the facts in a file: fields of `Facts`, with those of data, loss and optimizer below these names.

    Args:
        path: File in YAML (``.yaml``, ``.yml``; needs the extra ``yaml``), TOML (``.toml``) or else JSON.

    Raises:
        UsageError: The file cannot be read, or a field is unknown or cannot be right; the message names both.
    """
    content, line_of = read_written(path)
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise UsageError(f"{path}: facts must be names with values but are {content!r}.")
    for group, kind in _GROUPS.items():
        for name in content.get(group) or {}:
            if name not in kind.model_fields:
                where = at(path, line_of((group, str(name))))
                raise UsageError(f"{where}: {unknown_name(f'field of {group}', str(name), kind.model_fields)}")
    try:
        return Facts(**{str(name): value for name, value in content.items() if value is not None})
    except ValidationError as error:
        where = at(path, line_of(error.errors()[0]["loc"]))
        raise UsageError(f"{where}: {from_validation(error, Facts.model_fields)}") from None


def completed(known: Facts, given: Facts) -> Facts:
    """Return the facts that are known, with those given by the user in place of and beside them."""
    updates: dict[str, Any] = {}
    for name in given.model_fields_set:
        value, before = getattr(given, name), getattr(known, name)
        if isinstance(value, BaseModel) and isinstance(before, BaseModel):
            value = before.model_copy(update={field: getattr(value, field) for field in value.model_fields_set})
        updates[name] = value
    return known.model_copy(update=updates)
