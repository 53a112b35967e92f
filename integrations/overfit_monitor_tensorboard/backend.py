"""The data behind the tab: from TensorBoard's data provider to judged runs.

Only the provider is asked, since it is all there is under every loader, and what the
two loaders make of restarts is evened out by `overfit_monitor.readers.pairing.merge`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, final

from tensorboard import errors
from tensorboard.data.provider import RunTagFilter

from overfit_monitor.errors import UsageError
from overfit_monitor.readers.pairing import Names, is_rate
from overfit_monitor.view.payload import ShownRun, details, row, urgency
from overfit_monitor_tensorboard.alerts import AlertState, decode
from overfit_monitor_tensorboard.events import event_files, read_folder
from overfit_monitor_tensorboard.grouping import Choice, Curve, Group, choose_curves, group
from overfit_monitor_tensorboard.judging import judge
from overfit_monitor_tensorboard.names import ALERTS_TAG, PLUGIN_NAME, SCALARS

# TensorBoard's own default for scalars; 0 in its flag means all.
DEFAULT_SAMPLES = 1000
_ALL = 1 << 30

Series = dict[str, dict[str, list[Any]]]


class Wish(NamedTuple):
    """What a user wants compared: which curves, and in which direction; None leaves it to us."""

    names: Names | None = None
    mode: str | None = None


@final
class Backend:
    """Answers the tab's questions, and remembers verdicts while a run's points stay the same.

    Args:
        provider: TensorBoard's data provider.
        samples: Points of a scalar tag that TensorBoard was told to keep, 0 for all.
        logdir: The local folder that is shown, None where there is none; read for `exact` only.
    """

    def __init__(self, provider: Any, *, samples: int = DEFAULT_SAMPLES, logdir: Path | None = None) -> None:
        self._provider = provider
        self._logdir = logdir
        self._samples = samples or _ALL
        self._lock = threading.Lock()
        self._judged: dict[tuple[str, str], tuple[Any, ShownRun]] = {}

    def runs(self, ctx: Any, experiment: str) -> dict[str, Any]:
        """Return the table of all runs, the worst first."""
        groups = self._groups(ctx, experiment)
        with self._lock:
            judged = self._judge(ctx, experiment, groups, Wish())
            present = {(experiment, found.name) for found in groups}
            self._judged = {key: kept for key, kept in self._judged.items() if key in present}
        rows = [row(run) for run in sorted(judged, key=urgency)]
        return {"schema_version": 1, "runs": rows, "generated": time.time()}

    def run(self, ctx: Any, experiment: str, name: str, wish: Wish) -> dict[str, Any]:
        """Return one run with its curves.

        Args:
            ctx: Context of the request.
            experiment: Experiment of the request.
            name: Name of the run, as in the table.
            wish: What to compare instead of what was chosen.

        Raises:
            tensorboard.errors.NotFoundError: There is no such run.
            tensorboard.errors.InvalidArgumentError: A named curve is not in the run.
        """
        found = self._find(ctx, experiment, name)
        with self._lock:
            return details(self._judge(ctx, experiment, [found], wish)[0])

    def exact(self, ctx: Any, experiment: str, name: str, wish: Wish) -> dict[str, Any]:
        """Return one run as `run` does, from every point in its event files instead of TensorBoard's sample.

        Raises:
            tensorboard.errors.NotFoundError: There is no such run, or its files are not in a local folder.
            tensorboard.errors.InvalidArgumentError: A named curve is not in the run.
        """
        found = self._find(ctx, experiment, name)
        if self._logdir is None or not self._logdir.is_dir():
            raise errors.NotFoundError("the log is not in a local folder")
        files = {folder: event_files(self._logdir / folder) for folder in found.folders}
        folders = {folder: read_folder(paths) for folder, paths in files.items()}
        points = {c.label: folders[c.folder].curves.get(c.tag, []) for c in found.curves}
        state = next((folder.state for folder in folders.values() if folder.state is not None), None)
        judged = judge(found, points, _choose(found, state, wish), state, sampled=False)
        notes = judged.diagnosis.notes + tuple(note for folder in folders.values() for note in folder.notes)
        return details(replace(judged, diagnosis=judged.diagnosis.model_copy(update={"notes": notes})))

    def _find(self, ctx: Any, experiment: str, name: str) -> Group:
        found = next((item for item in self._groups(ctx, experiment) if item.name == name), None)
        if found is None:
            raise errors.NotFoundError(f"no run {name!r} with scalars")
        return found

    def _groups(self, ctx: Any, experiment: str) -> list[Group]:
        listed = self._provider.list_scalars(ctx, experiment_id=experiment, plugin_name=SCALARS)
        return group({run: tags.keys() for run, tags in listed.items() if tags})

    def _judge(self, ctx: Any, experiment: str, groups: Sequence[Group], wish: Wish) -> list[ShownRun]:
        states = self._states(ctx, experiment, groups)
        chosen = [(found, _choose(found, states.get(found.name), wish)) for found in groups]
        wanted = {found.name: _wanted(found, choice) for found, choice in chosen}
        series = self._read(ctx, experiment, [curve for curves in wanted.values() for curve in curves])
        judged = []
        for found, choice in chosen:
            data = {c.label: series.get(c.folder, {}).get(c.tag, []) for c in wanted[found.name]}
            judged.append(self._judged_once((experiment, found.name), found, choice, data, states.get(found.name)))
        return judged

    def _judged_once(
        self, key: tuple[str, str], found: Group, choice: Choice, data: Mapping[str, Any], state: AlertState | None
    ) -> ShownRun:
        ends = [(label, len(d), d[-1].step, d[-1].wall_time) for label, d in data.items() if d]
        seen = (found, choice, ends, state)
        known = self._judged.get(key)
        if known is not None and known[0] == seen:
            return known[1]
        points = {label: [(datum.step, float(datum.value)) for datum in d] for label, d in data.items()}
        sampled = any(len(d) >= self._samples for d in data.values())
        judged = judge(found, points, choice, state, sampled=sampled)
        self._judged[key] = seen, judged
        return judged

    def _read(self, ctx: Any, experiment: str, curves: Sequence[Curve]) -> Series:
        if not curves:
            return {}
        wanted = RunTagFilter(runs={curve.folder for curve in curves}, tags={curve.tag for curve in curves})
        read = self._provider.read_scalars(
            ctx, experiment_id=experiment, plugin_name=SCALARS, downsample=self._samples, run_tag_filter=wanted
        )
        return {run: dict(tags) for run, tags in read.items()}

    def _states(self, ctx: Any, experiment: str, groups: Sequence[Group]) -> dict[str, AlertState]:
        folders = {curve.folder: found.name for found in groups for curve in found.curves}
        read = self._provider.read_tensors(
            ctx,
            experiment_id=experiment,
            plugin_name=PLUGIN_NAME,
            downsample=1,  # the newest, which is what both providers keep
            run_tag_filter=RunTagFilter(runs=set(folders), tags={ALERTS_TAG}),
        )
        newest = {run: _newest(tags) for run, tags in (read or {}).items()}
        return {folders[run]: state for run, state in newest.items() if state is not None}


def _choose(found: Group, state: AlertState | None, wish: Wish) -> Choice:
    try:
        choice = choose_curves(found.curves, state, wish.names)
    except UsageError as error:
        raise errors.InvalidArgumentError(str(error)) from None
    return choice if wish.mode is None else choice._replace(settings=choice.settings | {"mode": wish.mode})


def _wanted(found: Group, choice: Choice) -> list[Curve]:
    return [curve for curve in found.curves if curve.label in choice.places or is_rate(curve.label)]


def _newest(tags: Mapping[str, Sequence[Any]]) -> AlertState | None:
    data = tags.get(ALERTS_TAG)
    if not data:
        return None
    content = max(data, key=lambda datum: datum.step).numpy.item()
    return decode(content if isinstance(content, bytes) else str(content).encode())
