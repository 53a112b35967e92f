"""Settings that lie beside the code: ``[tool.overfit-monitor]`` of a pyproject.toml, or a file of their own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, Field, ValidationError, field_validator

from overfit_monitor.baseline import BaselineRules
from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.policy import LIMITS, Policies, Policy, RunPolicy, Words
from overfit_monitor.written import Written, at, read_written

FILE_NAME: Final = "pyproject.toml"
OWN_FILES: Final = ("overfit-monitor.toml", "overfit-monitor.yaml", "overfit-monitor.yml")
TABLE: Final = "overfit-monitor"
_NO_FILE: Final = "baseline must be a file that 'overfit-monitor baseline update' wrote"


class BaselineConfig(BaselineRules):
    """What the runs are compared with.

    Attributes:
        file: The file that ``overfit-monitor baseline update`` wrote; relative to the file of the settings.
    """

    file: Path | None = None


def _or_a_file(told: dict[str, Any]) -> None:
    told.pop("default", None)
    told["anyOf"] = [{"type": "string"}, {"$ref": told.pop("$ref")}]


class CheckConfig(Policy):
    """What may stand in ``[tool.overfit-monitor]``: what holds for all runs, and more.

    Attributes:
        val: Column or tag of the validation metric, as in the file.
        train: Column or tag of the train metric; with ``val``.
        policy: What holds for some runs; the last one that fits a run goes before the others.
        seeds: Patterns for names of runs that are seeds of one configuration: the last ``*`` stands for the seed, and
            what other ``*`` stand for tells the configurations apart.
        baseline: What the runs are compared with: a file, or a table.
        names: Conventions for names of columns and tags, beside the built-in ones.
    """

    val: str | None = None
    train: str | None = None
    policy: list[RunPolicy] = Field(default_factory=list)
    seeds: Words = Field(default_factory=list)
    baseline: BaselineConfig = Field(default=BaselineConfig(), json_schema_extra=_or_a_file)
    names: dict[str, Any] = Field(default_factory=dict)

    @field_validator("baseline", mode="before")
    @classmethod
    def _a_file(cls, given: Any) -> Any:
        if isinstance(given, int | float):
            raise ValueError(f"{_NO_FILE} but got {given!r}; the value to beat, as in Keras, is stopping_baseline.")
        return {"file": given} if isinstance(given, str) else given

    def policies(self, over: Mapping[str, Any] | None = None) -> Policies:
        """Return what every run is judged by.

        Args:
            over: What was given on the command line: fields of `MonitorConfig`, ``fail_on`` and ``max_gap``.

        Raises:
            UsageError: Settings cannot be right together.
        """
        return Policies(base=self.given(), policies=tuple(self.policy), over=over or {}).check()


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
    found = _given(file) if file is not None else _nearest((start or Path.cwd()).resolve())
    if found is None:
        return CheckConfig()
    path, written, above = found
    table = _table(written, above, path)
    try:
        config = CheckConfig(**_underscored(table))
    except ValidationError as error:
        raise _told(error, path, written, above) from None
    if config.baseline.file is not None:
        beside = config.baseline.model_copy(update={"file": path.parent / config.baseline.file})
        config = config.model_copy(update={"baseline": beside})
    return config


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


Found = tuple[Path, Written, tuple[str, ...]]


def _given(file: Path) -> Found | None:
    written = read_written(file)
    tool = written.content.get("tool") if isinstance(written.content, dict) else None
    if isinstance(tool, dict) and TABLE in tool:
        return file, written, ("tool", TABLE)
    return None if file.name == FILE_NAME else (file, written, ())


def _nearest(here: Path) -> Found | None:
    for folder in (here, *here.parents):
        own = [folder / name for name in OWN_FILES if (folder / name).is_file()]
        pyproject = folder / FILE_NAME
        found = [(path, read_written(path), ()) for path in own]
        from_project = _given(pyproject) if pyproject.is_file() else None
        both = [*found, *([from_project] if from_project else [])]
        if len(both) > 1:
            raise UsageError(f"{folder}: settings stand in {' and in '.join(f[0].name for f in both)}: keep one.")
        if both:
            return both[0]
    return None


def _table(written: Written, above: tuple[str, ...], path: Path) -> dict[str, Any]:
    table: Any = written.content
    for name in above:
        table = table[name]
    if table is None:
        return {}
    if not isinstance(table, dict):
        named = ".".join(above) or "the content"
        raise UsageError(f"{at(path, written.line_of(above))}: {named} must be a table but is {table!r}.")
    return table


def _underscored(table: Mapping[Any, Any]) -> dict[str, Any]:
    """Return the settings with dashes in their names as underscores, also those in policies and of the baseline."""
    settings = {str(name).replace("-", "_"): value for name, value in table.items()}
    for name in ("policy", "baseline"):
        value = settings.get(name)
        if isinstance(value, dict):
            settings[name] = _underscored(value)
        elif isinstance(value, list):
            settings[name] = [_underscored(item) if isinstance(item, dict) else item for item in value]
    return settings


def _told(error: ValidationError, path: Path, written: Written, above: tuple[str, ...]) -> UsageError:
    first = error.errors()[0]
    place = tuple(first["loc"])
    where = at(path, written.line_of((*above, *place)))
    models: dict[str, type[BaseModel]] = {"policy": RunPolicy, "baseline": BaselineConfig}
    model = models.get(str(place[0]), CheckConfig)
    inside = f"policy {place[1] + 1}: " if model is RunPolicy and len(place) > 1 and isinstance(place[1], int) else ""
    names = [
        part for part in place if isinstance(part, str) and part in {*model.model_fields, *CheckConfig.model_fields}
    ]
    if first["type"] == "extra_forbidden":
        return UsageError(f"{where}: {inside}{unknown_name('setting', str(place[-1]), model.model_fields)}")
    if first["type"] == "missing":
        return UsageError(f"{where}: {inside}{place[-1]} must be given.")
    if first["type"] == "value_error":
        told = first["msg"].removeprefix("Value error, ")
        for name in LIMITS:
            told = told.replace(f"--{name.replace('_', '-')}", name)
        return UsageError(f"{where}: {inside}{told}")
    wanted = first["msg"].removeprefix("Input should be ")
    return UsageError(f"{where}: {inside}{'.'.join(names[-1:])} must be {wanted} but got {first['input']!r}.")
