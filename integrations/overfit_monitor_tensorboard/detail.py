"""Single runs in full, with every point where that is asked for."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, final

from tensorboard import errors

from overfit_monitor.errors import UsageError
from overfit_monitor.readers.pairing import Names
from overfit_monitor.view.shown import ShownRun
from overfit_monitor_tensorboard.alerts import AlertState
from overfit_monitor_tensorboard.events import Folder, event_files, read_folder
from overfit_monitor_tensorboard.grouping import Choice, Group, choose_curves
from overfit_monitor_tensorboard.judging import drawn, judge, needed, with_restarts
from overfit_monitor_tensorboard.log import Log, Place, Points
from overfit_monitor_tensorboard.pauses import pauses
from overfit_monitor_tensorboard.table import Listing

MOST_RUNS = 64  # more than one comparison needs
MOST_LOOKED_THROUGH = 1 << 24  # bytes: a tenth of a second
QUIET = 60.0  # seconds, well above the time between two reloads
MOST_POINTS = 3_000_000  # of all runs kept: some 100 MB


class Wish(NamedTuple):
    """What a user wants compared: which curves, in which direction, from all points; None leaves it to us."""

    names: Names | None = None
    mode: str | None = None
    exact: bool = False


@final
class Details:
    """Judges single runs, and remembers the few that were looked at last, so that zooming does not judge again.

    Args:
        log: What TensorBoard holds.
        logdir: The local folder that is shown, None where there is none; read for exact answers only.
    """

    def __init__(self, log: Log, logdir: Path | None) -> None:
        self._log, self._logdir = log, logdir
        self._lock = threading.Lock()
        self._reading = threading.Lock()  # whole files are read one after the other
        self._kept: OrderedDict[Any, tuple[Any, ShownRun]] = OrderedDict()

    def runs(self, place: Place, wanted: Sequence[Group], listing: Listing, wish: Wish) -> list[ShownRun]:
        """Return runs as they are now.

        Raises:
            tensorboard.errors.NotFoundError: Every point is wanted, and the files are not in a local folder.
            tensorboard.errors.InvalidArgumentError: A named curve is not in a run.
        """
        if wish.exact:
            return [self._exact(place, found, wish) for found in wanted]
        seen = {found.name: listing.all_of(found) for found in wanted}
        shown = {name: known for name, state in seen.items() if (known := self._kept_as(place, name, wish, state))}
        for run in self._sampled(place, [found for found in wanted if found.name not in shown], listing, wish):
            self._keep((place.experiment, run.name, wish), seen[run.name], run)
            shown[run.name] = run
        return [shown[found.name] for found in wanted]

    def _kept_as(self, place: Place, name: str, wish: Wish, seen: Any) -> ShownRun | None:
        """Return a run that was looked at before, None where it is not kept or has changed."""
        key = (place.experiment, name, wish)
        with self._lock:
            known = self._kept.get(key)
            if known is None or known[0] != seen:
                return None
            self._kept.move_to_end(key)
            return known[1]

    def _keep(self, key: Any, seen: Any, shown: ShownRun) -> None:
        with self._lock:
            self._kept[key] = seen, shown
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and (len(self._kept) > MOST_RUNS or self._points() > MOST_POINTS):
                self._kept.popitem(last=False)

    def _points(self) -> int:
        return sum(2 * len(shown.curves.val) + len(shown.curves.train) for _, shown in self._kept.values())

    def _sampled(self, place: Place, wanted: Sequence[Group], listing: Listing, wish: Wish) -> Iterator[ShownRun]:
        states = self._log.states(place, [found for found in wanted if listing.record_of(found)])
        choices = [_choose(found, states.get(found.name), wish) for found in wanted]
        curves = [[*needed(f, choice), *drawn(f)] for f, choice in zip(wanted, choices, strict=True)]
        read = self._log.points(place, [curve for of_one in curves for curve in of_one])
        for found, choice, of_one in zip(wanted, choices, curves, strict=True):
            points = {c.label: read[c.folder, c.tag] for c in of_one if (c.folder, c.tag) in read}
            sampled = any(len(series.steps) >= self._log.samples for series in points.values())
            files = self._files(found)
            shown = judge(found, points, choice, states.get(found.name), sampled=sampled, exact_possible=bool(files))
            yield _compared_with(files, shown, found, listing)

    def _exact(self, place: Place, found: Group, wish: Wish) -> ShownRun:
        files = self._files(found)
        if not files:
            raise errors.NotFoundError("exact: the event files of this run are not in a local folder")
        with self._reading:
            seen = found, _stamps(files)
            shown = self._kept_as(place, found.name, wish, seen)
            if shown is None:
                shown = _of_files(found, wish, files)
                self._keep((place.experiment, found.name, wish), seen, shown)
        return shown

    def _files(self, found: Group) -> dict[str, list[Path]]:
        """Return the event files of a run by folder; the folders' names are TensorBoard's, and below the log folder."""
        if self._logdir is None or not self._logdir.is_dir():
            return {}
        inside = [
            name for name in found.folders if not PurePosixPath(name).is_absolute() and ".." not in name.split("/")
        ]
        files = {name: event_files(self._logdir / name) for name in inside if (self._logdir / name).is_dir()}
        return {name: paths for name, paths in files.items() if paths}


def _of_files(found: Group, wish: Wish, files: Mapping[str, list[Path]]) -> ShownRun:
    """Return a run with every point of its files."""
    folders = {folder: read_folder(paths, timed=True) for folder, paths in files.items()}
    state = next((folder.state for folder in folders.values() if folder.state is not None), None)
    choice = _choose(found, state, wish)
    points = {}
    for curve in [*needed(found, choice), *drawn(found)]:
        folder = folders.get(curve.folder)
        logged = None if folder is None else folder.curves.get(curve.tag)
        if folder is None or logged is None:
            points[curve.label] = Points((), ())
        else:
            points[curve.label] = Points(logged.steps, logged.values, folder.times[curve.tag])
    shown = judge(found, points, choice, state, sampled=False, exact=True, exact_possible=True)
    return _noted(shown, [note for folder in folders.values() for note in folder.notes])


def _choose(found: Group, state: AlertState | None, wish: Wish) -> Choice:
    try:
        choice = choose_curves(found.curves, state, wish.names)
    except UsageError as error:
        raise errors.InvalidArgumentError(str(error)) from None
    return choice if wish.mode is None else choice._replace(settings=choice.settings | {"mode": wish.mode})


def _noted(shown: ShownRun, notes: Sequence[str]) -> ShownRun:
    more = {"notes": (*shown.diagnosis.notes, *notes)}
    return replace(shown, diagnosis=shown.diagnosis.model_copy(update=more)) if notes else shown


def _compared_with(files: Mapping[str, list[Path]], shown: ShownRun, found: Group, listing: Listing) -> ShownRun:
    """Return the run with what its files tell and TensorBoard does not: restarts, and what is behind a damage.

    Large files are not looked through for that; then a pause in the wall times is all there is to go by.
    """
    stats = [path.stat() for paths in files.values() for path in paths]
    if not files or sum(stat.st_size for stat in stats) > MOST_LOOKED_THROUGH:
        return shown if shown.curves.restarts else _noted(shown, pauses(shown.curves.val))
    folders = {folder: read_folder(paths) for folder, paths in files.items()}
    val = next((curve for curve in found.curves if curve.label == shown.tags["val"]), None)
    logged = folders[val.folder].curves.get(val.tag) if val is not None and val.folder in folders else None
    shown = shown if logged is None else with_restarts(shown, logged.steps)
    # Of what was written just now it is not known whether TensorBoard is still behind.
    at_rest = time.time() - max(stat.st_mtime for stat in stats) >= QUIET
    return _noted(shown, _lost(folders, found, listing)) if at_rest else shown


def _lost(folders: Mapping[str, Folder], found: Group, listing: Listing) -> list[str]:
    """Return what TensorBoard does not show of a run since its loaders end at a damaged record without a word."""
    damage = [note for folder in folders.values() for note in folder.notes]
    logged = {curve: folders[curve.folder].curves.get(curve.tag) for curve in found.curves if curve.folder in folders}
    behind = [c.label for c, p in logged.items() if p and p.steps[-1] > listing.ends[c.folder][c.tag].step]
    if not damage or not behind:
        return []
    return [
        f"TensorBoard stops at the damage, so the end of {', '.join(behind)} is not shown: exact reads it.",
        *damage,
    ]


def _stamps(files: Mapping[str, list[Path]]) -> tuple[Any, ...]:
    """Return what changes when a file does."""
    stats = [(str(path), path.stat()) for paths in files.values() for path in paths]
    return tuple((path, found.st_size, found.st_mtime_ns) for path, found in stats)
