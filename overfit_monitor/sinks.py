"""Where a report goes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from overfit_monitor.extensions import registered
from overfit_monitor.guard import Guard
from overfit_monitor.records import Report


class Sink(Protocol):
    """Receives every report and returns nothing; what it raises switches it off, no more."""

    def write(self, report: Report) -> None:
        """Take in one report."""

    def close(self) -> None:
        """Write out what is left; called once."""


def installed_sinks(run_dir: Path, guard: Guard) -> dict[str, Sink]:
    """Return a sink for this run from every integration that is installed and works, by name.

    Where the environment variable ``OVERFIT_MONITOR_WEBHOOK`` is an address, a webhook is among them.
    """
    sinks: dict[str, Sink] = {}
    if url := os.environ.get("OVERFIT_MONITOR_WEBHOOK"):
        with guard.protect("webhook", still="the journal is written"):
            from overfit_monitor.webhook import webhook

            sinks["webhook"] = webhook(url, run=run_dir.name)
    for point in registered("sinks"):
        with guard.protect(point.name, still="the journal is written"):
            try:
                factory = point.load()
            except ImportError:
                continue  # the integration's own framework is not installed
            sinks[point.name] = factory(run_dir)
    return sinks
