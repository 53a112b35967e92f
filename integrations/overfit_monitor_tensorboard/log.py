"""What TensorBoard holds of a log, asked of its data provider, which is all there is under every loader.

Listing is cheap under both loaders and tells the last step and time of each curve, which is how a change is seen;
reading is done for what changed only. What the two loaders make of restarts is evened out by
`overfit_monitor.readers.pairing.merge`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, final

from tensorboard.data.provider import RunTagFilter

from overfit_monitor import columns
from overfit_monitor_tensorboard.alerts import AlertState, decode
from overfit_monitor_tensorboard.grouping import Curve, Group
from overfit_monitor_tensorboard.names import ALERTS_TAG, PLUGIN_NAME, SCALARS

# TensorBoard's own default for scalars; 0 in its flag means all.
DEFAULT_SAMPLES = 1000
_ALL = 1 << 30

Tags = Mapping[str, "End"]


class End(NamedTuple):
    """Where a curve ends: its last step and wall time."""

    step: int
    time: float


class Place(NamedTuple):
    """Where a request looks: its context and its experiment."""

    ctx: Any
    experiment: str


class Points(NamedTuple):
    """A curve as TensorBoard gives it, in its order: steps, values and wall times."""

    steps: Sequence[int]
    values: Sequence[float]
    times: Sequence[float] = ()

    def merged(self) -> columns.Points:
        """Return the points as `overfit_monitor.readers.pairing.merge` takes them."""
        found = columns.Points()
        found.steps.extend(self.steps)
        found.values.extend(self.values)
        return found


@final
class Log:
    """Asks TensorBoard's data provider.

    Args:
        provider: TensorBoard's data provider.
        samples: Points of a scalar tag that TensorBoard was told to keep, 0 for all.
    """

    def __init__(self, provider: Any, samples: int = DEFAULT_SAMPLES) -> None:
        self._provider = provider
        self.samples = samples or _ALL

    def listed(self, place: Place) -> dict[str, Tags]:
        """Return where each scalar curve ends, by folder and tag."""
        return _ends(self._provider.list_scalars(place.ctx, experiment_id=place.experiment, plugin_name=SCALARS))

    def recorded(self, place: Place) -> dict[str, End]:
        """Return where our own records of a folder end, by folder."""
        read = self._provider.list_tensors(
            place.ctx,
            experiment_id=place.experiment,
            plugin_name=PLUGIN_NAME,
            run_tag_filter=RunTagFilter(runs=None, tags={ALERTS_TAG}),
        )
        return {folder: tags[ALERTS_TAG] for folder, tags in _ends(read or {}).items() if ALERTS_TAG in tags}

    def points(self, place: Place, curves: Iterable[Curve]) -> dict[tuple[str, str], Points]:
        """Return the points of curves by folder and tag."""
        wanted = {(curve.folder, curve.tag) for curve in curves}
        if not wanted:
            return {}
        read = self._provider.read_scalars(
            place.ctx,
            experiment_id=place.experiment,
            plugin_name=SCALARS,
            downsample=self.samples,
            run_tag_filter=RunTagFilter(runs={folder for folder, _ in wanted}, tags={tag for _, tag in wanted}),
        )
        return {
            (folder, tag): Points([d.step for d in data], [float(d.value) for d in data], [d.wall_time for d in data])
            for folder, tags in read.items()
            for tag, data in tags.items()
            if (folder, tag) in wanted
        }

    def states(self, place: Place, groups: Sequence[Group]) -> dict[str, AlertState]:
        """Return the newest of our records of each run, by the run's name."""
        folders = {folder: found.name for found in groups for folder in found.folders}
        if not folders:
            return {}
        read = self._provider.read_tensors(
            place.ctx,
            experiment_id=place.experiment,
            plugin_name=PLUGIN_NAME,
            downsample=1,  # the newest, which is what both providers keep
            run_tag_filter=RunTagFilter(runs=set(folders), tags={ALERTS_TAG}),
        )
        newest = {run: _newest(tags) for run, tags in (read or {}).items()}
        return {folders[run]: state for run, state in newest.items() if state is not None}


def _ends(listed: Mapping[str, Mapping[str, Any]]) -> dict[str, Tags]:
    return {
        folder: {tag: End(series.max_step, series.max_wall_time) for tag, series in tags.items()}
        for folder, tags in listed.items()
        if tags
    }


def _newest(tags: Mapping[str, Sequence[Any]]) -> AlertState | None:
    data = tags.get(ALERTS_TAG)
    if not data:
        return None
    content = max(data, key=lambda datum: datum.step).numpy.item()
    return decode(content if isinstance(content, bytes) else str(content).encode())
