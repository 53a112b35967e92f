"""From curves by name to a run: what the readers of trackers share, which keep a series a metric."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overfit_monitor.readers.base import Run
from overfit_monitor.readers.pairing import Names, heads, heads_note, merge, pair, train_only
from overfit_monitor.readers.rows import lonely

Points = list[tuple[int, float]]
LARGEST_STEP = 2**53


def run_of_series(
    series: Mapping[str, Points], names: Names | None, *, name: str, source: str, notes: Sequence[str] = ()
) -> Run:
    """Return the run that curves by name make.

    Args:
        series: Points (step, value) by name, in the order in which they were logged. Where no curve
            has a second step because none was given, its points are counted instead, with a note.
        names: What the user says is compared with what, None to go by the names.
        name: Name of the run.
        source: File or folder it was read from.
        notes: What was wrong with the files.

    Raises:
        UsageError: A chosen name is none of the curves.
    """
    places = names.places(series) if names else pair(series) or train_only(series)
    known, counted = _counted(series)
    parts = heads(places)
    remarks: tuple[str, ...] = (heads_note(parts),) if parts else ()
    if counted:
        remarks += ("all points were logged at one step: they are counted from 0 instead.",)
    remarks = (*remarks, *lonely(places), *notes)
    return Run(name, source, merge(known, places=places), notes=remarks, places=places, labels=tuple(series))


def step_of(text: str | float) -> int | None:
    """Return a step, None for what cannot be one."""
    try:
        value = int(text)
    except (ValueError, OverflowError):
        return None
    return value if abs(value) < LARGEST_STEP else None


def _counted(series: Mapping[str, Points]) -> tuple[Mapping[str, Points], bool]:
    if (
        len({step for points in series.values() for step, _ in points}) > 1
        or max(map(len, series.values()), default=0) <= 1
    ):
        return series, False
    return {name: [(i, value) for i, (_, value) in enumerate(points)] for name, points in series.items()}, True
