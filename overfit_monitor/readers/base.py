"""The contract of a reader: one file format, files in, runs out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike, fspath
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from overfit_monitor.facts import Facts
from overfit_monitor.readers.pairing import Place
from overfit_monitor.records import Observation

if TYPE_CHECKING:
    from overfit_monitor.recorded import Recorded

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
        places: What the names in the file stand for, of those that were taken.
        reader: Name of the reader that read it.
        labels: All names in the file, those that were not taken too; empty where it has none of its own.
        recorded: What our own records say was said live, None where there are none.
    """

    name: str
    source: str
    observations: Sequence[Observation]
    settings: dict[str, Any] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    notes: tuple[str, ...] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    reader: str = ""
    labels: tuple[str, ...] = ()
    recorded: Recorded | None = None

    def compared(self, metric: str) -> str:
        """Return in the words of the file what is compared with what.

        Args:
            metric: Name of the metric, as in a diagnosis.

        Returns:
            For instance ``val_loss with train_loss``; only the validation name where train is not there,
            and the metric itself where the file holds no such names (a journal, a sum of parts).
        """
        named = {where.split: name for name, where in self.places.items() if where.metric == metric}
        val = printable(named.get("val", metric))
        return f"{val} with {printable(named['train'])}" if "train" in named and "val" in named else val


def printable(path: str | PathLike[str]) -> str:
    """Return a path as text that can be written as UTF-8, whatever bytes the name is made of."""
    return fspath(path).encode("utf-8", "backslashreplace").decode()


def run_name(path: Path, root: Path) -> str:
    """Return the name of a run in a file: its place below the root, without the suffix."""
    below = path.relative_to(root) if path.is_relative_to(root) else Path(path.name)
    return printable(below.with_suffix("").as_posix())


class Problem(NamedTuple):
    """Why a file or a run was not judged, in one line.

    Attributes:
        source: File or folder.
        message: What is wrong, with the place in the file where there is one.
    """

    source: str
    message: str


class Reader(Protocol):
    """Reads one file format. It has no state and knows nothing of verdicts.

    It is made without arguments, or with ``names=`` (a `overfit_monitor.readers.pairing.Names`)
    where the user says what is compared with what.
    """

    @property
    def name(self) -> str:
        """Name of the format."""

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether this is a file of the format, from its name and its first ``HEAD_BYTES`` bytes."""

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read files of this format that belong together because they were found below ``root``.

        Raises:
            UnreadableError: One clear line that names file and place. A file damaged half-way
                is no error: it gives a run of what can still be read, with a note.
        """
