"""Facts of a run whose log does not tell them: a small file that the user writes, in YAML, TOML or JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from overfit_monitor.errors import UsageError, from_validation, unknown_name
from overfit_monitor.facts import DataFacts, Facts, LossFacts, OptimizerFacts

_GROUPS: Mapping[str, type[BaseModel]] = {"data": DataFacts, "loss": LossFacts, "optimizer": OptimizerFacts}


def load_facts(path: Path) -> Facts:
    """Read the facts in a file: fields of `Facts`, with those of data, loss and optimizer below these names.

    Args:
        path: File in YAML (``.yaml``, ``.yml``; needs the extra ``facts``), TOML (``.toml``) or else JSON.

    Raises:
        UsageError: The file cannot be read, or a field is unknown or cannot be right; the message names both.
    """
    content = _content(path)
    if not isinstance(content, dict):
        raise UsageError(f"{path}: facts must be names with values but are {content!r}.")
    for group, kind in _GROUPS.items():
        for name in content.get(group) or {}:
            if name not in kind.model_fields:
                raise UsageError(f"{path}: {unknown_name(f'field of {group}', str(name), kind.model_fields)}")
    try:
        return Facts(**{str(name): value for name, value in content.items() if value is not None})
    except ValidationError as error:
        raise UsageError(f"{path}: {from_validation(error, Facts.model_fields)}") from None


def completed(known: Facts, given: Facts) -> Facts:
    """Return the facts that are known, with those given by the user in place of and beside them."""
    updates: dict[str, Any] = {}
    for name in given.model_fields_set:
        value, before = getattr(given, name), getattr(known, name)
        if isinstance(value, BaseModel) and isinstance(before, BaseModel):
            value = before.model_copy(update={field: getattr(value, field) for field in value.model_fields_set})
        updates[name] = value
    return known.model_copy(update=updates)


def _content(path: Path) -> Any:
    try:
        text = path.read_bytes().decode()
        if path.suffix == ".toml":
            import tomllib

            return tomllib.loads(text)
        return _yaml(text, path) if path.suffix in (".yaml", ".yml") else json.loads(text)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no valid {path.suffix.lstrip('.').upper() or 'JSON'}: {error}") from None


def _yaml(text: str, path: Path) -> Any:
    try:
        import yaml
    except ImportError:
        raise UsageError(f"{path}: YAML needs pyyaml: pip install 'overfit-monitor[facts]', or use TOML.") from None
    try:
        return yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: no valid YAML: {error}") from None
