"""The table of runs, kept up to date: only what changed is read and judged again, apart from the request.

A row is kept for each run and nothing else of it, so that the memory does not grow with the runs' points. A request
lists what TensorBoard holds, queues what changed, waits a moment for it, and answers with what there is: a run that
is not judged yet has a row that says so, and comes with a later answer.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, NamedTuple, final

from overfit_monitor.records import Diagnosis, NotJudged
from overfit_monitor.view.curves import RunCurves
from overfit_monitor.view.rows import overview, row, waiting_row
from overfit_monitor.view.shown import ShownRun
from overfit_monitor_tensorboard.grouping import Curve, Group, choose_curves, group
from overfit_monitor_tensorboard.judging import judge, needed
from overfit_monitor_tensorboard.log import End, Log, Place, Tags

logger = logging.getLogger(__name__)

MOST_ROWS = 2000
MOST_REMOVED = 10_000
FIRST_BATCH = 8  # so that the first verdicts are there at once
BATCH = 32  # a question costs TensorBoard's default loader some 45 ms, whatever is asked for


class Listing(NamedTuple):
    """What TensorBoard holds: the runs by name, where their curves end, and where our records of a folder end."""

    groups: dict[str, Group]
    ends: Mapping[str, Tags]
    records: Mapping[str, End]

    def record_of(self, found: Group) -> tuple[End, ...]:
        """Return where our records of a run end; a change of it is a new record."""
        return tuple(self.records[folder] for folder in found.folders if folder in self.records)

    def ends_of(self, curves: Iterable[Curve]) -> tuple[End, ...]:
        """Return where curves end; a change of it is a new point."""
        return tuple(self.ends[curve.folder][curve.tag] for curve in curves)

    def all_of(self, found: Group) -> tuple[Any, ...]:
        """Return everything that tells one state of a run from another."""
        return found, self.record_of(found), self.ends_of(found.curves)

    def last_of(self, found: Group) -> End:
        """Return the last step and the last wall time of any curve of a run."""
        ends = self.ends_of(found.curves)
        return End(max((end.step for end in ends), default=0), max((end.time for end in ends), default=0.0))


@dataclass(slots=True)
class _Entry:
    """A run of the table: what it is made of, what its row was judged by, and the row.

    Attributes:
        group: The run.
        record: Where our records of it end.
        row: Its row.
        curves: What its verdict needs, None while that is not known.
        ends: Where the curves ended that the row was judged by, None where it was not judged.
        taken: What was there when the worker took it up, None while it is not at work on it.
    """

    group: Group
    record: tuple[End, ...]
    row: dict[str, Any]
    curves: Sequence[Curve] | None = None
    ends: tuple[End, ...] | None = None
    taken: tuple[Any, ...] | None = None


@final
class Table:
    """The rows of one experiment.

    Args:
        log: What TensorBoard holds.
        experiment: Which experiment.
    """

    def __init__(self, log: Log, experiment: str) -> None:
        self._log, self._experiment = log, experiment
        self._name = secrets.token_hex(4)
        self._changed = threading.Condition()
        self._entries: dict[str, _Entry] = {}
        self._removed: list[tuple[int, str]] = []
        self._forgotten = 0  # removals up to this version are no longer known
        self._version = 0
        self._queue: dict[str, float] = {}  # what is to be judged, with its last wall time
        self._listing: Listing | None = None
        self._worker: threading.Thread | None = None
        self._shape: tuple[Any, dict[str, Group]] = ((), {})

    def refresh(self, ctx: Any) -> Listing:
        """List what TensorBoard holds, and have what changed judged."""
        place = Place(ctx, self._experiment)
        ends, records = self._log.listed(place), self._log.recorded(place)
        with self._changed:
            listing = self._listing = Listing(self._groups(ends), ends, records)
            for name in self._entries.keys() - listing.groups.keys():
                self._remove(name)
            for name, found in listing.groups.items():
                self._look_at(name, found, listing)
            self._wake(ctx)
        return listing

    def answer(self, since: str | None, *, wait: float) -> dict[str, Any]:
        """Return the rows that changed after an earlier answer, or all rows.

        Args:
            since: The ``token`` of the earlier answer; None, or one that is not known, for all rows.
            wait: Most seconds to wait for runs that are being judged.
        """
        deadline = time.monotonic() + wait
        with self._changed:
            after = self._version_of(since)
            while self._busy() and (left := deadline - time.monotonic()) > 0.0:
                self._changed.wait(left)
            rows = sorted((e.row for e in self._entries.values()), key=lambda row: int(row["version"]))
            new = rows if after is None else [row for row in rows if row["version"] > after]
            given, more = new[:MOST_ROWS], len(new) > MOST_ROWS
            last = int(given[-1]["version"]) if more else self._version
            removed = [] if after is None else [name for at, name in self._removed if after < at]
            return overview(
                given,
                token=f"{self._name}.{last}",
                complete=after is None and not more,
                removed=[name for name in removed if name not in self._entries],
                total=len(self._entries),
                more=more,
            ) | {"pending": sum(1 for row in rows if row["pending"])}

    def _groups(self, ends: Mapping[str, Tags]) -> dict[str, Group]:
        shape = {folder: tuple(tags) for folder, tags in ends.items()}
        if shape != self._shape[0]:
            self._shape = shape, {found.name: found for found in group(ends)}
        return self._shape[1]

    def _look_at(self, name: str, found: Group, listing: Listing) -> None:
        entry, record = self._entries.get(name), listing.record_of(found)
        if entry is None:
            end = listing.last_of(found)
            waiting = waiting_row(name, version=self._next(), last_step=end.step, last_time=end.time)
            entry = self._entries[name] = _Entry(found, record, waiting)
        elif entry.group != found or entry.record != record:
            entry.group, entry.record, entry.curves = found, record, None
        if entry.taken is not None and entry.taken == listing.all_of(found):
            return
        if entry.curves is None or entry.ends != listing.ends_of(entry.curves):
            self._queue[name] = listing.last_of(found).time

    def _remove(self, name: str) -> None:
        del self._entries[name]
        self._queue.pop(name, None)
        self._removed.append((self._next(), name))
        if len(self._removed) > MOST_REMOVED:
            self._forgotten = self._removed.pop(0)[0]

    def _next(self) -> int:
        self._version += 1
        return self._version

    def _version_of(self, token: str | None) -> int | None:
        """Return the version in a token of ours, None where all rows have to be told."""
        name, _, number = (token or "").partition(".")
        if name != self._name or not number.isascii() or not number.isdigit():
            return None
        version = int(number)
        return version if self._forgotten <= version <= self._version else None

    def _busy(self) -> bool:
        return self._worker is not None

    def _wake(self, ctx: Any) -> None:
        if self._queue and self._worker is None:
            self._worker = threading.Thread(target=self._work, args=(ctx,), name="overfit-monitor", daemon=True)
            self._worker.start()

    def _work(self, ctx: Any) -> None:
        place, size = Place(ctx, self._experiment), FIRST_BATCH
        try:
            while batch := self._take(size):
                size = min(2 * size, BATCH)
                try:
                    self._judge(place, batch)
                except Exception as error:  # a provider that fails must not end the thread before the others are told
                    logger.debug("overfit-monitor could not read %d runs", len(batch), exc_info=True)
                    self._fail(batch, f"it could not be read: {type(error).__name__}: {error}")
        finally:
            self._end(threading.current_thread())

    def _end(self, worker: threading.Thread) -> None:
        with self._changed:
            if self._worker is worker:
                self._worker = None
                self._changed.notify_all()

    def _take(self, most: int) -> list[Group]:
        """Return the next runs to judge, those logged to last; with the last of them the worker ends."""
        with self._changed:
            names = nlargest(most, self._queue, key=self._queue.__getitem__)
            for name in names:
                del self._queue[name]
            if not names:
                self._worker = None
                self._changed.notify_all()
            entries = [self._entries[name] for name in names]
            for entry in entries:
                entry.taken = self._listing.all_of(entry.group) if self._listing else None
            return [entry.group for entry in entries]

    def _judge(self, place: Place, groups: Sequence[Group]) -> None:
        with self._changed:
            listing = self._listing
        if listing is None:
            return
        watched = [found for found in groups if listing.record_of(found)]
        states = self._log.states(place, watched)
        choices = {found.name: choose_curves(found.curves, states.get(found.name)) for found in groups}
        wanted = {found.name: needed(found, choices[found.name]) for found in groups}
        read = self._log.points(place, [curve for curves in wanted.values() for curve in curves])
        for found in groups:
            choice, curves = choices[found.name], wanted[found.name]
            points = {c.label: read[c.folder, c.tag] for c in curves if (c.folder, c.tag) in read}
            sampled = any(len(series.steps) >= self._log.samples for series in points.values())
            try:
                told = row(judge(found, points, choice, states.get(found.name), sampled=sampled))
            except Exception as error:  # one strange run must not take the others from the table
                logger.exception("overfit-monitor could not show run %r", found.name)
                told = _unjudged(found.name, f"it could not be shown: {type(error).__name__}: {error}")
            self._keep(found, told, curves, listing)

    def _fail(self, groups: Sequence[Group], reason: str) -> None:
        for found in groups:
            self._keep(found, _unjudged(found.name, reason), None, None)

    def _keep(
        self, found: Group, told: dict[str, Any], curves: Sequence[Curve] | None, listing: Listing | None
    ) -> None:
        with self._changed:
            entry = self._entries.get(found.name)
            if entry is None:
                return
            entry.taken = None
            if entry.group != found:
                return  # it is queued again
            entry.curves = curves
            entry.ends = None if listing is None or curves is None else listing.ends_of(curves)
            if entry.row | {"version": 0} != told | {"version": 0}:
                entry.row = told | {"version": self._next()}
            self._changed.notify_all()


def _unjudged(name: str, reason: str) -> dict[str, Any]:
    diagnosis = Diagnosis(verdict="inconclusive", not_judged=(NotJudged(id="overfitting", reason=reason),))
    return row(ShownRun(name, diagnosis, RunCurves()))


def judged_ahead(refresh: Callable[[], Listing]) -> None:
    """Judge what is there before anybody asks, as long as more keeps coming and no longer than a minute."""
    before: Any = None
    for _ in range(12):
        now = refresh().ends
        if now == before:
            return
        before = now
        time.sleep(5.0)
