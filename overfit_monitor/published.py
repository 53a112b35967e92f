"""The JSON schemas that are published: of what is written, and of what may be set."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from pydantic import BaseModel

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_ATTRIBUTE: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)


def schema_of_written(model: type[BaseModel], name: str) -> dict[str, Any]:
    """Return the JSON schema of what is written; further fields are allowed, as they may be added within a version.

    Args:
        model: The record that is written.
        name: Our name for it.
    """
    told: dict[str, Any] = _without_closing(_described(model.model_json_schema(mode="serialization"), model))
    return _about(name) | told


def schema_of_settings(model: type[BaseModel], name: str) -> dict[str, Any]:
    """Return the JSON schema of what may be set; an unknown name is wrong, and dashes may stand for underscores.

    Args:
        model: The settings.
        name: Our name for them.
    """
    told = _described(model.model_json_schema(mode="validation"), model)
    for part in (told, *told.get("$defs", {}).values()):
        properties = part.get("properties", {})
        dashed = {key.replace("_", "-"): value for key, value in properties.items() if "_" in key}
        properties.update(dashed)
    return _about(name) | told


def attributes(model: type[BaseModel]) -> dict[str, str]:
    """Return what the docstrings of a model and of those it derives from say of each field, in one line each."""
    told: dict[str, str] = {}
    for kind in reversed(model.__mro__):
        section = (kind.__doc__ or "").partition("Attributes:\n")[2]
        told |= {name: " ".join(text.split()) for name, text in _ATTRIBUTE.findall(_dedented(section))}
    return {name: told[name] for name in model.model_fields if name in told}


def models_in(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    """Yield a model and those of its fields, at any depth."""
    yield model
    for field in model.model_fields.values():
        for kind in _models(field.annotation):
            yield from models_in(kind)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _about(name: str) -> dict[str, Any]:
    return {"$schema": DIALECT, "$id": f"overfit-monitor/{name}-v1.schema.json"}


def _described(told: dict[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    models = {kind.__name__: kind for kind in models_in(model)}
    for part in (told, *told.get("$defs", {}).values()):
        if "description" in part:
            part["description"] = " ".join(part["description"].partition("Attributes:")[0].split())
        kind = models.get(part.get("title", ""))
        for name, text in attributes(kind).items() if kind else ():
            part["properties"][name]["description"] = text
    return told


def _without_closing(value: Any) -> Any:
    if isinstance(value, list):
        return [_without_closing(item) for item in value]
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if (key, item) != ("additionalProperties", False)}
        return {key: _without_closing(item) for key, item in kept.items()}
    return value


def _dedented(section: str) -> str:
    import textwrap

    return textwrap.indent(textwrap.dedent(section), "    ")
