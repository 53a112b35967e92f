"""Where a report goes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from overfit_monitor.extensions import registered
from overfit_monitor.guard import Guard
from overfit_monitor.records import Report

_STILL: Final = "the journal is written"


class Sink(Protocol):
    """Receives every report and returns nothing; what it raises switches it off, no more."""

    def write(self, report: Report) -> None:
        """Take in one report."""

    def close(self) -> None:
        """Write out what is left; called once."""


SinkFactory: TypeAlias = Callable[[Path], Sink]


def installed_sinks(guard: Guard) -> dict[str, SinkFactory]:
    """Return what makes a sink, from every integration that is installed and can be imported, by name.

    Where the environment variable ``OVERFIT_MONITOR_WEBHOOK`` is an address, a webhook is among them.
    """
    factories: dict[str, SinkFactory] = {}
    if url := os.environ.get("OVERFIT_MONITOR_WEBHOOK"):
        from overfit_monitor.webhook import webhook

        factories["webhook"] = lambda run_dir: webhook(url, run=run_dir.name)
    for point in registered("sinks"):
        with guard.protect(point.name, still=_STILL), suppress(ImportError):  # its own framework is not installed
            factories[point.name] = point.load()
    return factories


def make_sinks(factories: Mapping[str, SinkFactory], run_dir: Path, guard: Guard) -> dict[str, Sink]:
    """Return the sinks of a run that could be made, by name."""
    sinks: dict[str, Sink] = {}
    for name, factory in factories.items():
        with guard.protect(name, still=_STILL):
            sinks[name] = factory(run_dir)
    return sinks
