"""Settings that lie beside the code: ``[tool.overfit-monitor]`` of a pyproject.toml."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UsageError, unknown_name

FILE_NAME = "pyproject.toml"
TABLE = "overfit-monitor"
KEYS = (*MonitorConfig.model_fields, "fail_on", "train", "val")


def load_settings(file: Path | None, *, start: Path | None = None) -> dict[str, Any]:
    """Return the settings of a project.

    Args:
        file: TOML file with the table ``[tool.overfit-monitor]``, or with the settings at its top
            level if it is not a pyproject.toml. None takes the nearest pyproject.toml that has
            the table.
        start: Folder from which to look upwards, None for the working directory.

    Returns:
        The settings by name, dashes turned into underscores; empty where there are none.

    Raises:
        UsageError: The file cannot be read or is no TOML, or a setting is unknown.
    """
    if file is not None:
        return _checked(_table(file, alone=file.name != FILE_NAME) or {}, file)
    here = (start or Path.cwd()).resolve()
    candidates = (folder / FILE_NAME for folder in (here, *here.parents))
    return next((_checked(table, path) for path in candidates if (table := _found(path)) is not None), {})


def _found(path: Path) -> dict[str, Any] | None:
    return _table(path, alone=False) if path.is_file() else None


def _table(path: Path, *, alone: bool) -> dict[str, Any] | None:
    import tomllib

    try:
        content = tomllib.loads(path.read_bytes().decode())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no valid TOML: {error}") from None
    tool = content.get("tool")
    table = tool.get(TABLE) if isinstance(tool, dict) else None
    if table is None and alone:
        table = content
    if table is not None and not isinstance(table, dict):
        raise UsageError(f"{path}: tool.{TABLE} must be a table but is {table!r}.")
    return table


def _checked(table: dict[str, Any], path: Path) -> dict[str, Any]:
    settings = {name.replace("-", "_"): value for name, value in table.items()}
    for name in settings:
        if name not in KEYS:
            raise UsageError(f"{path}: {unknown_name('setting', name, KEYS)}")
    for name in ("train", "val"):
        if not isinstance(settings.get(name, ""), str):
            raise UsageError(f"{path}: {name} must be a string but got {settings[name]!r}.")
    if "fail_on" in settings:
        settings["fail_on"] = _words(settings["fail_on"], path)
    return settings


def _words(value: Any, path: Path) -> Iterable[str]:
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise UsageError(f"{path}: fail_on must be a string or a list of strings but got {value!r}.")
    return words
