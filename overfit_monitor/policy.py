"""What each run is judged by: settings and a limit, in layers.

The layers, later ones before earlier ones: the project's settings, every policy of the project whose
pattern fits the run's name in the order in which they stand, and the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Annotated, Any, NamedTuple, Self

from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator

from overfit_monitor.config import MonitorConfig, Settings
from overfit_monitor.gate import Limit, MaxGap

LIMITS = ("fail_on", "max_gap")


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

    def fits(self, run: str) -> bool:
        """Return whether it is for the run of this name."""
        return any(fnmatchcase(run, pattern) for pattern in self.runs)


class RunRules(NamedTuple):
    """What one run is judged by.

    Attributes:
        settings: Fields of `MonitorConfig`.
        limit: What makes it fail.
    """

    settings: dict[str, Any]
    limit: Limit


@dataclass(frozen=True, slots=True)
class Policies:
    """What every run is judged by.

    Attributes:
        base: The layer of all runs, as `Policy.given` tells it.
        policies: The layers of some.
        over: The layer that goes before all others.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    policies: tuple[RunPolicy, ...] = ()
    over: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> Self:
        """Check that every layer is right together with those below it.

        Raises:
            UsageError: A setting is unknown or cannot be right.
        """
        for policy in (None, *self.policies):
            rules = self._rules([self.base, {} if policy is None else policy.given(), self.over])
            MonitorConfig.build(rules.settings)
        return self

    def of(self, run: str) -> RunRules:
        """Return what the run of this name is judged by."""
        return self._rules([self.base, *(policy.given() for policy in self.policies if policy.fits(run)), self.over])

    def unused(self, runs: Iterable[str]) -> list[RunPolicy]:
        """Return the policies that fit none of the runs of these names."""
        names = list(runs)
        return [policy for policy in self.policies if not any(map(policy.fits, names))]

    @staticmethod
    def _rules(layers: Sequence[Mapping[str, Any]]) -> RunRules:
        together = layered(*layers)
        fail_on, max_gap = (together.pop(name, None) for name in LIMITS)
        return RunRules(together, Limit.parse(fail_on or (), max_gap))


def layered(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings in which the later layer wins; a mode does not outlive the metric it was given for."""
    together: dict[str, Any] = {}
    for layer in layers:
        if "metric" in layer and layer["metric"] != together.get("metric"):
            together.pop("mode", None)
        together |= layer
    return together
