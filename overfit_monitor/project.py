"""Settings that lie beside the code: ``[tool.overfit-monitor]`` of a pyproject.toml, or a file of their own."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overfit_monitor.errors import UsageError

if TYPE_CHECKING:
    from overfit_monitor.project_config import CheckConfig
    from overfit_monitor.written import Written

FILE_NAME: Final = "pyproject.toml"
OWN_FILES: Final = ("overfit-monitor.toml", "overfit-monitor.yaml", "overfit-monitor.yml")
TABLE: Final = "overfit-monitor"


def load_project(file: Path | None, *, start: Path | None = None) -> CheckConfig:
    """Return the settings of a project.

    Args:
        file: TOML file with the table ``[tool.overfit-monitor]``, or TOML or YAML file with the settings at its top
            level. None takes the nearest pyproject.toml that has the table, or the nearest overfit-monitor.toml,
            overfit-monitor.yaml or overfit-monitor.yml.
        start: Folder from which to look upwards, None for the working directory.

    Returns:
        The settings; nothing is set where there are none.

    Raises:
        UsageError: The file cannot be read, or a setting is unknown or cannot be right; the message names file and
            line. Or there are two such files in one folder.
    """
    from overfit_monitor.project_config import CheckConfig

    return load_if_any(file, start=start) or CheckConfig()


def load_if_any(file: Path | None, *, start: Path | None = None) -> CheckConfig | None:
    """Return what `load_project` does, None where there is no file with settings, of which nothing is imported then.

    Args:
        file: As for `load_project`.
        start: As for `load_project`.

    Raises:
        UsageError: As `load_project`.
    """
    found = _given(file) if file is not None else _nearest((start or Path.cwd()).resolve())
    if found is None:
        return None
    from overfit_monitor.project_config import parsed

    path, written, above = found
    return parsed(_table(written, above, path), path, written, above)


def load_settings(file: Path | None, *, start: Path | None = None) -> dict[str, Any]:
    """Return what `load_project` finds for all runs, as plain values by name.

    Args:
        file: As for `load_project`.
        start: As for `load_project`.

    Raises:
        UsageError: As `load_project`.
    """
    config = load_project(file, start=start)
    told = config.given()
    return told | {name: value for name in ("train", "val") if (value := getattr(config, name)) is not None}


Found = tuple[Path, "Written", tuple[str, ...]]


def _given(file: Path) -> Found | None:
    written = _read(file)
    tool = written.content.get("tool") if isinstance(written.content, dict) else None
    if isinstance(tool, dict) and TABLE in tool:
        return file, written, ("tool", TABLE)
    return None if file.name == FILE_NAME else (file, written, ())


def _nearest(here: Path) -> Found | None:
    for folder in (here, *here.parents):
        own = [folder / name for name in OWN_FILES if (folder / name).is_file()]
        pyproject = folder / FILE_NAME
        found = [(path, _read(path), ()) for path in own]
        from_project = _given(pyproject) if pyproject.is_file() and _speaks_of_us(pyproject) else None
        both = [*found, *([from_project] if from_project else [])]
        if len(both) > 1:
            raise UsageError(f"{folder}: settings stand in {' and in '.join(f[0].name for f in both)}: keep one.")
        if both:
            return both[0]
    return None


def _read(file: Path) -> Written:
    from overfit_monitor.written import read_written

    return read_written(file)


def _speaks_of_us(pyproject: Path) -> bool:
    """Return whether a file may have our table, so that it is worth parsing."""
    try:
        return TABLE.encode() in pyproject.read_bytes()
    except OSError:
        return True  # what is wrong is said by whoever reads it


def _table(written: Written, above: tuple[str, ...], path: Path) -> dict[str, Any]:
    table: Any = written.content
    for name in above:
        table = table[name]
    if table is None:
        return {}
    if not isinstance(table, dict):
        from overfit_monitor.written import at

        named = ".".join(above) or "the content"
        raise UsageError(f"{at(path, written.line_of(above))}: {named} must be a table but is {table!r}.")
    return table
