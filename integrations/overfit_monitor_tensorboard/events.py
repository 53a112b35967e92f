"""Event files in, runs out; TensorFlow is never imported."""

from __future__ import annotations

import math
import struct
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import tensorboard  # noqa: F401  # costs nothing; without it this reader is not offered

from overfit_monitor.columns import Points
from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable
from overfit_monitor.readers.pairing import Names, merge
from overfit_monitor_tensorboard.alerts import AlertState, decode
from overfit_monitor_tensorboard.framing import Damage, Record, looks_like_records, read_records
from overfit_monitor_tensorboard.grouping import ROOT, Curve, Group, apart, choose_curves, group
from overfit_monitor_tensorboard.names import ALERTS_TAG, SCALARS
from overfit_monitor_tensorboard.scalars import KnownScalars

_DT_FLOAT, _DT_DOUBLE, _DT_STRING = 1, 2, 7
# A payload beyond this that holds no scalar (an image, a graph) is passed over without checking its CRC.
_CHECKED_BYTES = 1 << 16


@dataclass(slots=True)
class Folder:
    """What the event files of one folder hold.

    Attributes:
        curves: Points (step, value) by tag, in the order in which they were logged.
        times: Wall time of each of them by tag, in seconds since 1970; empty where nobody asked for them.
        state: The newest alert state of ours that could be read, None where there is none.
        sequence: The highest sequence number of such a state, -1 where there is none.
        notes: What was wrong with the files.
    """

    curves: dict[str, Points] = field(default_factory=dict)
    times: dict[str, array[float]] = field(default_factory=dict)
    state: AlertState | None = None
    sequence: int = -1
    notes: list[str] = field(default_factory=list)


@final
class EventReader:
    """Reads TensorBoard event files, one run for each group of folders that belong together.

    A damaged record is skipped and noted with file and offset; what follows it is read.

    Args:
        names: Labels of the curves to compare, None to go by their names.
        whole: Whether the files are all there are, so that it is an error if none of them holds a scalar.
    """

    name = "tensorboard"

    def __init__(self, names: Names | None = None, *, whole: bool = True) -> None:
        self.names = names
        self.whole = whole

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether the name says so, or the file begins with a record whose CRC is right."""
        return ".tfevents." in path.name or looks_like_records(head)

    def read(self, paths: Sequence[Path], root: Path) -> Iterator[Run]:
        """Read event files; see `overfit_monitor.readers.base.Reader.read`.

        Raises:
            UnreadableError: There is not one scalar in any of the files.
        """
        folders = {name: read_folder(files) for name, files in _by_folder(paths, root).items()}
        if self.whole and not any(folder.curves for folder in folders.values()):
            raise UnreadableError(_nothing_in(folders, root))
        for found in group({name: folder.curves for name, folder in folders.items()}):
            # A folder with nothing but pictures or settings is no run; one that could not be read is.
            if found.curves or any(folders[name].notes for name in found.folders):
                yield _run(found, folders, root, self.names)

    def parts(self, paths: Sequence[Path], root: Path) -> list[tuple[EventReader, list[Path]]]:
        """Return readers and files that give, one after another, the same runs as all the files together.

        Where the user has named the curves there is one only, since a run without them ends the reading.
        """
        if self.names is not None:
            return [(self, list(paths))]
        files = _by_folder(paths, root)
        return [
            (EventReader(whole=False), [path for folder in folders for path in files[folder]])
            for folders in apart(files)
        ]


def event_files(folder: Path) -> list[Path]:
    """Return the event files in a folder in the order in which TensorBoard reads them."""
    return sorted(path for path in folder.glob("*tfevents*") if path.is_file())


def read_folder(paths: Sequence[Path], *, timed: bool = False) -> Folder:
    """Read the event files of one folder.

    Args:
        paths: The files, in the order of their names.
        timed: Whether wall times are wanted, 8 more bytes a point.
    """
    collector = _Collector(timed=timed)
    for path in paths:
        collector.read(path)
    return collector.folder


@final
class _Collector:
    """Takes scalars and alert states out of records, and passes over everything else."""

    def __init__(self, *, timed: bool) -> None:
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
        from tensorboard.compat.proto.event_pb2 import Event

        self.folder = Folder()
        self._timed = timed
        self._parse = Event.FromString
        self._unparsable = DecodeError
        self._plugins: dict[str, str] = {}
        self._known = KnownScalars()

    def read(self, path: Path) -> None:
        """Take in one file; whatever is wrong with it becomes a note."""
        damage = Damage(path)
        notes = self.folder.notes
        try:
            read, self._known.skipped = False, False
            for record in read_records(path, damage, self._known.skip):
                read = True
                if not self._take(record):
                    damage.at(record.offset)
            if not read and not self._known.skipped:
                notes.append(f"{printable(path)}: byte 0: no record could be read ({path.stat().st_size} bytes).")
        except OSError as error:
            notes.append(f"{printable(path)}: {error.strerror or error}.")
        notes.extend(damage.notes())

    def _take(self, record: Record) -> bool:
        try:
            event = self._parse(record.payload)
        except self._unparsable:
            return False
        found, states = [], []
        for value in event.summary.value:
            number = self._scalar(value)
            if number is not None:
                found.append((value.tag, number))
            elif value.tag == ALERTS_TAG:
                states.append(value)
        if (found or states or len(record.payload) <= _CHECKED_BYTES) and not record.intact():
            return False
        for tag, number in found:
            points = self.folder.curves.setdefault(tag, Points())
            points.append(event.step, number)
            times = self.folder.times.setdefault(tag, array("d")) if self._timed else None
            if times is not None:
                times.append(event.wall_time)
            if len(event.summary.value) == 1:
                self._known.learn(record.payload, number, points, times)
        for value in states:
            self._keep_newest(event.step, value)
        return True

    def _keep_newest(self, sequence: int, value: Any) -> None:
        folder = self.folder
        if sequence >= folder.sequence and value.tensor.string_val:
            folder.sequence = sequence
            folder.state = decode(value.tensor.string_val[0]) or folder.state

    def _scalar(self, value: Any) -> float | None:
        kind = value.WhichOneof("value")
        if kind == "simple_value":
            return float(value.simple_value)
        if kind != "tensor" or value.tensor.dtype == _DT_STRING:
            return None
        # Writers may give the metadata of a tag with its first record only.
        plugin = self._plugins.setdefault(value.tag, value.metadata.plugin_data.plugin_name)
        return _number(value.tensor) if plugin == SCALARS else None


def _number(tensor: Any) -> float | None:
    content = tensor.tensor_content
    if tensor.dtype == _DT_FLOAT and len(content) == 4:
        return float(struct.unpack("<f", content)[0])
    if tensor.dtype == _DT_DOUBLE and len(content) == 8:
        return float(struct.unpack("<d", content)[0])
    if math.prod(dim.size for dim in tensor.tensor_shape.dim) != 1:  # and in a damaged record that may be a great many
        return None
    from tensorboard.util.tensor_util import make_ndarray

    try:
        array = make_ndarray(tensor)
        return float(array.item()) if array.size == 1 else None
    except (TypeError, ValueError, OverflowError):
        return None


def _run(found: Group, folders: Mapping[str, Folder], root: Path, names: Names | None) -> Run:
    parts = [folders[name] for name in found.folders]
    state = next((part.state for part in parts if part.state is not None), None)
    choice = choose_curves(found.curves, state, names)
    place = root if found.name == ROOT else root / found.name
    return Run(
        name=printable(root.resolve().name if found.name == ROOT else found.name),
        source=printable(place),
        observations=merge(_points(found.curves, folders), places=choice.places),
        settings=choice.settings,
        notes=choice.notes + tuple(note for part in parts for note in part.notes),
        places=choice.places,
        labels=tuple(curve.label for curve in found.curves),
        recorded=None if state is None else state.recorded(),
    )


def _points(curves: Sequence[Curve], folders: Mapping[str, Folder]) -> dict[str, Points]:
    return {curve.label: folders[curve.folder].curves[curve.tag] for curve in curves}


def _by_folder(paths: Iterable[Path], root: Path) -> dict[str, list[Path]]:
    found: dict[str, list[Path]] = {}
    for path in sorted(paths):
        found.setdefault(_relative(path.parent, root), []).append(path)
    return found


def _relative(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder.is_relative_to(root) else folder.as_posix()


def _nothing_in(folders: Mapping[str, Folder], root: Path) -> str:
    notes = [note for folder in folders.values() for note in folder.notes]
    return notes[0] if notes else f"{printable(root)}: the event files hold no scalar."
