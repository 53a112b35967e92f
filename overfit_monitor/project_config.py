"""What may stand in ``[tool.overfit-monitor]``, validated, with the line in what is said of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema, field_validator

from overfit_monitor.baseline import BaselineRules
from overfit_monitor.config import Settings
from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.gate import Limit, MaxGap
from overfit_monitor.policy import LIMITS, Layer, Policies
from overfit_monitor.readers.conventions import DEFAULT, Conventions, load
from overfit_monitor.readers.names_table import NamesTable
from overfit_monitor.written import Written, at

_NO_FILE: Final = "baseline must be a file that 'overfit-monitor baseline update' wrote"


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_WORDS = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Words = Annotated[list[str], BeforeValidator(_as_list), WithJsonSchema(_WORDS)]


class Policy(Settings):
    """What runs are judged by; what is not given is left to the layer below.

    Attributes:
        fail_on: Verdicts, or a severity from which on a finding makes a run fail.
        max_gap: Largest generalization gap allowed at the last step: a number in the metric's units, or a share of the
            best validation value such as ``"10%"``.
        stopping_baseline: With ``patience``: value that the metric must beat before an improvement counts, which Keras
            calls ``baseline``.
    """

    fail_on: Words = Field(default_factory=list)
    max_gap: float | str | None = None
    stopping_baseline: float | None = Field(default=None, allow_inf_nan=False)

    @field_validator("fail_on")
    @classmethod
    def _known_words(cls, words: list[str]) -> list[str]:
        Limit.parse(words)
        return words

    @field_validator("max_gap", mode="before")
    @classmethod
    def _a_gap(cls, given: Any) -> Any:
        if given is not None:
            MaxGap.parse(given)
        return given

    def given(self) -> dict[str, Any]:
        """Return the settings that were given, under the names that `overfit_monitor.Monitor` has for them."""
        names = Policy.model_fields.keys() & self.model_fields_set
        told = {name: getattr(self, name) for name in Policy.model_fields if name in names}
        if "stopping_baseline" in told:
            told["baseline"] = told.pop("stopping_baseline")
        return told


class RunPolicy(Policy):
    """A policy for some of the runs.

    Attributes:
        runs: Patterns for names of runs as the report shows them; ``*`` stands for anything, ``/`` included.
    """

    runs: Words = Field(min_length=1)


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
    names: NamesTable = NamesTable()

    @field_validator("baseline", mode="before")
    @classmethod
    def _a_file(cls, given: Any) -> Any:
        if isinstance(given, int | float):
            raise ValueError(f"{_NO_FILE} but got {given!r}; the value to beat, as in Keras, is stopping_baseline.")
        return {"file": given} if isinstance(given, str) else given

    @field_validator("names")
    @classmethod
    def _words_of_one_split(cls, given: NamesTable) -> NamesTable:
        load(given.model_dump())
        return given

    def conventions(self) -> Conventions:
        """Return the conventions by which names of columns and tags are understood."""
        return load(self.names.model_dump()) if self.names.model_fields_set else DEFAULT

    def policies(self, over: Mapping[str, Any] | None = None) -> Policies:
        """Return what every run is judged by.

        Args:
            over: What was given on the command line: fields of `MonitorConfig`, ``fail_on`` and ``max_gap``.

        Raises:
            UsageError: Settings cannot be right together.
        """
        layers = tuple(Layer(tuple(policy.runs), policy.given()) for policy in self.policy)
        return Policies(base=self.given(), layers=layers, over=over or {}).check()


def parsed(table: Mapping[str, Any], path: Path, written: Written, above: tuple[str, ...]) -> CheckConfig:
    """Return the settings of a table.

    Args:
        table: The table as it was read.
        path: Its file.
        written: The file's content with its lines.
        above: Names of the tables that it stands in.

    Raises:
        UsageError: A setting is unknown or cannot be right; the message names file and line.
    """
    try:
        config = CheckConfig(**_underscored(table))
    except ValidationError as error:
        raise _told(error, path, written, above) from None
    if config.baseline.file is None:
        return config
    beside = config.baseline.model_copy(update={"file": path.parent / config.baseline.file})
    return config.model_copy(update={"baseline": beside})


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
    models: dict[str, type[BaseModel]] = {"policy": RunPolicy, "baseline": BaselineConfig, "names": NamesTable}
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
