"""Our own journal, which reproduces what was said live."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, final

from pydantic import ValidationError

from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UnreadableError
from overfit_monitor.example_tables import ExampleTables
from overfit_monitor.facts import Facts
from overfit_monitor.journal import FILE_NAME, Entry, read_journal
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.pairing import Names
from overfit_monitor.recorded import Alert, Recorded
from overfit_monitor.records import AppliedChange, Observation, StopDecision

PLACES_NAMED: Final = 3
LARGEST_STEP: Final = 2**53


@final
@dataclass(frozen=True, slots=True)
class JournalReader:
    """Reads the journal of a run: the observations, the latest settings and facts, and what was said live.

    Attributes:
        names: Not taken: in a journal train and validation carry the same name already.
    """

    names: Names | None = None
    name: str = "journal"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it has the journal's name, or begins as one does."""
        return path.name == FILE_NAME or head.startswith(b'{"kind": "start"')

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each journal as one run, named by its folder.

        Raises:
            UnreadableError: No line of the file could be read.
        """
        for path in paths:
            if self.names is not None:
                raise UnreadableError(f"{path}: a journal pairs its metrics itself: use --metric instead of --val")
            content = _Content()
            for entry in read_journal(path):
                content.take(entry)
            if not content.records:
                torn = content.notes()
                raise UnreadableError(f"{path}: {torn[0] if torn else 'line 1: the file is empty'}")
            yield Run(
                _name(path, root),
                printable(path),
                content.observations,
                content.settings,
                content.facts,
                content.notes(),
                recorded=content.recorded,
            )


@dataclass(slots=True)
class _Content:
    observations: list[Observation] = field(default_factory=list)
    settings: dict[str, Any] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    records: int = 0
    _said: Recorded = field(default_factory=Recorded)
    _times: dict[int, float] = field(default_factory=dict)
    _torn: list[str] = field(default_factory=list)

    @property
    def recorded(self) -> Recorded:
        """What was said live, as far as the run was not taken up again before it."""
        return replace(self._said, times=self._times)

    def take(self, entry: Entry) -> None:
        """Take in one line."""
        try:
            if entry.kind == "observation":
                self._take_observation(Observation(**entry.record), entry.time)
            elif entry.kind == "facts":
                self.facts = Facts(**entry.record)
            elif entry.kind == "resume":
                self._resume(_count(entry.record))
            elif entry.kind == "start":
                self.settings = _settings(entry.record)
            elif entry.kind in _SAID:
                self._said = _SAID[entry.kind](self._said, entry.record, self._step)
            elif not entry.kind:
                self._torn.append(f"line {entry.line} is cut off or damaged: left out.")
                return
        except (ValidationError, TypeError) as error:
            self._torn.append(
                f"line {entry.line} holds no {entry.kind} that this version knows ({type(error).__name__}): left out."
            )
            return
        self.records += 1

    @property
    def _step(self) -> int:
        return self.observations[-1].step if self.observations else 0

    def _take_observation(self, observation: Observation, time: float | None) -> None:
        step = observation.step
        if abs(step) > LARGEST_STEP:
            raise TypeError
        if observation.val and self.observations and step <= self._step:
            self._said = self._said.rewind(step)
        self.observations.append(observation)
        self._times.pop(step, None)
        if time is not None:
            self._times[step] = time

    def _resume(self, count: int) -> None:
        if count < len(self.observations):
            del self.observations[count:]
            self._said = self._said.rewind(self._step + 1 if self.observations else -LARGEST_STEP)

    def notes(self) -> tuple[str, ...]:
        """Return what was wrong, with the places of the first few."""
        more = len(self._torn) - PLACES_NAMED
        return (*self._torn[:PLACES_NAMED], *([f"{more} more line(s) left out."] if more > 0 else []))


def _alert(said: Recorded, record: dict[str, Any], step: int) -> Recorded:
    return replace(said, alerts=(*said.alerts, Alert(**{**record, "step": step})))


def _stop(said: Recorded, record: dict[str, Any], _: int) -> Recorded:
    return replace(said, stop=StopDecision(**record))


def _applied(said: Recorded, record: dict[str, Any], _: int) -> Recorded:
    return said.change(AppliedChange(**record))


def _examples(said: Recorded, record: dict[str, Any], _: int) -> Recorded:
    return replace(said, examples=ExampleTables(**record))


# How a line of each kind adds to what was said, after the observation of a step.
_SAID: Final[dict[str, Callable[[Recorded, dict[str, Any], int], Recorded]]] = {
    "alert": _alert,
    "stop": _stop,
    "applied": _applied,
    "examples": _examples,
}


def _name(path: Path, root: Path) -> str:
    if path.name != FILE_NAME:
        return run_name(path, root)
    return run_name(path.parent, root) if path.parent != root else printable(path.resolve().parent.name)


def _count(record: dict[str, Any]) -> int:
    count = record.get("observations")
    if not isinstance(count, int) or count < 0:
        raise TypeError
    return count


def _settings(record: dict[str, Any]) -> dict[str, Any]:
    """Return the settings as far as this version knows them; a later version may have more.

    Raises:
        TypeError: They are no settings at all.
    """
    config = record.get("config")
    if not isinstance(config, dict):
        raise TypeError
    known = {name: value for name, value in config.items() if name in MonitorConfig.model_fields}
    MonitorConfig(**known)
    return known
