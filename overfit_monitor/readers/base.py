"""The contract of a reader: one file format, files in, runs out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from overfit_monitor.advice.facts import Facts
from overfit_monitor.records import Observation

HEAD_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it was found in files.

    Attributes:
        name: Name of the run.
        source: File or folder it was read from.
        observations: What was logged, in the order in which it was logged.
        settings: Settings of the monitor that the file itself holds (our journal does).
        facts: What the file tells of model and data.
        notes: What was wrong with the file, each with the place.
    """

    name: str
    source: str
    observations: Sequence[Observation]
    settings: dict[str, Any] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    notes: tuple[str, ...] = ()


class Reader(Protocol):
    """Reads one file format. It has no state and knows nothing of verdicts."""

    name: str

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether this is a file of the format, from its name and its first ``HEAD_BYTES`` bytes."""

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read files of this format that belong together because they were found below ``root``.

        Raises:
            UnreadableError: One clear line that names file and place. A file damaged half-way
                is no error: it gives a run of what can still be read, with a note.
        """
