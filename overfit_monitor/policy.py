"""What each run is judged by: settings and a limit, in layers.

The layers, later ones before earlier ones: the project's settings, every policy of the project whose
pattern fits the run's name in the order in which they stand, and the command line.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, NamedTuple, Self

from overfit_monitor.config import MonitorConfig
from overfit_monitor.gate import Limit

LIMITS: Final = ("fail_on", "max_gap")


class Layer(NamedTuple):
    """What some of the runs are judged by.

    Attributes:
        runs: Patterns for their names as the report shows them; ``*`` stands for anything, ``/`` included.
        given: Fields of `MonitorConfig`, ``fail_on`` and ``max_gap``.
    """

    runs: tuple[str, ...]
    given: Mapping[str, Any]

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
        base: The layer of all runs: fields of `MonitorConfig`, ``fail_on`` and ``max_gap``.
        layers: The layers of some.
        over: The layer that goes before all others.
    """

    base: Mapping[str, Any] = field(default_factory=dict)
    layers: tuple[Layer, ...] = ()
    over: Mapping[str, Any] = field(default_factory=dict)

    def check(self) -> Self:
        """Check that every layer is right together with those below it.

        Raises:
            UsageError: A setting is unknown or cannot be right.
        """
        for given in ({}, *(layer.given for layer in self.layers)):
            MonitorConfig.build(self._rules([self.base, given, self.over]).settings)
        return self

    def of(self, run: str) -> RunRules:
        """Return what the run of this name is judged by."""
        return self._rules([self.base, *(layer.given for layer in self.layers if layer.fits(run)), self.over])

    def unused(self, runs: Iterable[str]) -> list[Layer]:
        """Return the layers that fit none of the runs of these names."""
        names = list(runs)
        return [layer for layer in self.layers if not any(map(layer.fits, names))]

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
