"""Where a run is written to: the journal and the sinks, each of which may fail or hang without harm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar, final

from overfit_monitor.guard import Guard
from overfit_monitor.journal import FILE_NAME, Journal, observations, read_journal
from overfit_monitor.records import Observation, Report
from overfit_monitor.sinks import Sink, installed_sinks, make_sinks
from overfit_monitor.worker import Worker

logger = logging.getLogger("overfit_monitor")

T = TypeVar("T")

_JOURNAL = "journal"
_STILL = "everything is judged as before"


@final
class Outlets:
    """Writes what a monitor sees and says; a part that fails, or hangs, is switched off with one warning.

    Args:
        run_dir: Folder of the run; None writes no journal.
        sinks: Sinks by name; None takes those of the installed integrations if there is a ``run_dir``.
        guard: What switches off and warns.
    """

    def __init__(self, run_dir: Path | None, sinks: Mapping[str, Sink] | None, guard: Guard) -> None:
        self._guard = guard
        self._workers: dict[str, Worker] = {}
        self._journal: Journal | None = None
        self._sinks: dict[str, Sink] = dict(sinks or {})
        self._run_dir = run_dir
        self._installed = sinks is None

    def earlier(self) -> list[Observation]:
        """Return what the journal of this folder holds already, a run that is continued."""
        folder = self._run_dir
        if folder is None or not self._guard.on(_JOURNAL):
            return []
        return self._apart(_JOURNAL, lambda: _observations(folder / FILE_NAME)) or []

    def open(self, first: Mapping[str, Any]) -> None:
        """Open journal and sinks, and write the first records, by kind."""
        folder = self._run_dir
        if folder is None or not self._guard.on(_JOURNAL):
            return  # a folder whose journal cannot be read takes nothing else
        self._journal = self._apart(_JOURNAL, lambda: Journal(folder))
        for kind, record in first.items():
            self.write(kind, record)
        if self._installed and self._guard.on(_JOURNAL):
            with self._guard.protect("sinks", still=_STILL):
                factories = installed_sinks(self._guard)  # here: an import may take longer than a disk that hangs
                self._sinks = self._apart("sinks", lambda: make_sinks(factories, folder, self._guard)) or {}

    def write(self, kind: str, record: Any, *, time: float | None = None) -> None:
        """Append a record to the journal, with when it happened in seconds since 1970."""
        journal = self._journal
        if journal is not None:
            self._apart(_JOURNAL, lambda: journal.write(kind, record, time=time))

    def send(self, report: Report) -> None:
        """Tell what was raised by this report, and hand it to every sink."""
        for alert in report.alerts:
            self._log("step %s: %s: %s", report.observation.step, alert.id, alert.message)
            self.write("alert", alert)
        if report.stop is not None:
            self._log("step %s: stop: %s", report.stop.step, report.stop.message)
            self.write("stop", report.stop)
        for name, sink in self._sinks.items():
            self._apart(name, lambda sink=sink: sink.write(report))  # type: ignore[misc]

    def close(self) -> None:
        """Close journal and sinks; closing twice is fine, and in a forked process they are left to their owner."""
        sinks, self._sinks = self._sinks, {}
        journal, self._journal = self._journal, None
        for name, sink in sinks.items():
            if not self._worker(name).forked:
                self._apart(name, sink.close)
        if journal is not None and not self._worker(_JOURNAL).forked:
            self._apart(_JOURNAL, journal.close)
        for worker in self._workers.values():
            worker.close()

    def _apart(self, part: str, call: Callable[[], T]) -> T | None:
        if self._guard.on(part):
            with self._guard.protect(part, still=_STILL):
                return self._worker(part).run(call)
        return None

    def _worker(self, part: str) -> Worker:
        return self._workers.setdefault(part, Worker())

    def _log(self, message: str, *values: object) -> None:
        if self._guard.on("log messages"):
            with self._guard.protect("log messages", still=_STILL):  # a handler of the user's may raise
                logger.warning("%s", self._guard.told(message % values))


def _observations(path: Path) -> list[Observation]:
    if not path.exists():
        return []
    return observations(read_journal(path))
