"""One run's curves through the engine.

The engine is `overfit_monitor.Monitor`, the same as live and in the command line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers.pairing import Place, is_rate, merge
from overfit_monitor.records import Diagnosis, MetricChoice, NotJudged
from overfit_monitor.view.series import Clock
from overfit_monitor.view.series import Curve as Drawn
from overfit_monitor.view.shown import FALSE_ALARM_RATE, ShownRun, show
from overfit_monitor_tensorboard.alerts import AlertState
from overfit_monitor_tensorboard.grouping import Choice, Curve, Group
from overfit_monitor_tensorboard.log import Points
from overfit_monitor_tensorboard.names import PROBE_TAG, REAL_GAP_TAG

logger = logging.getLogger(__name__)

_NAMED_TAGS = 8
# Curves of our own that are drawn beside the compared ones, by the name of the attribute that takes them.
_OURS = {PROBE_TAG: "probe", REAL_GAP_TAG: "like_for_like_gap"}


def needed(group: Group, choice: Choice) -> list[Curve]:
    """Return the curves that a verdict needs: what is compared, and the learning rate."""
    return [curve for curve in group.curves if curve.label in choice.places or is_rate(curve.label)]


def drawn(group: Group) -> list[Curve]:
    """Return the curves of our own that are drawn beside those that a verdict needs."""
    return [curve for curve in group.curves if curve.tag in _OURS]


def judge(
    group: Group, points: Mapping[str, Points], choice: Choice, state: AlertState | None, **told: Any
) -> ShownRun:
    """Return the run with its verdict; a run that cannot be judged says why.

    Args:
        group: The run.
        points: Its curves by label, in the order in which they were logged.
        choice: What is compared with what.
        state: Its recorded alert state, None where there is none.
        **told: Other attributes of `ShownRun`.
    """
    observations = merge({label: found.merged() for label, found in points.items()}, places=choice.places)
    try:
        diagnosis = Monitor(**choice.settings).replay(observations)
    except OverfitMonitorError as error:
        diagnosis = _not_judged(str(error), choice)
    except Exception as error:  # one strange run must not take the others from the table
        logger.exception("run %r could not be judged", group.name)
        diagnosis = _not_judged(f"{type(error).__name__}: {error}", choice)
    if not any(where.split == "val" for where in choice.places.values()):
        diagnosis = _not_judged(_without_validation(group), choice)
    if state is not None and state.recommendations and state.verdict == diagnosis.verdict:
        # Advised live, with the model in view.
        diagnosis = diagnosis.model_copy(update={"recommendations": state.recommendations})
    diagnosis = diagnosis.model_copy(update={"run": group.name, "notes": choice.notes + diagnosis.notes})
    shown = show(
        group.name,
        diagnosis,
        observations,
        times=_times(points, choice),
        more=_more(group, points),
        tags={split: _label(diagnosis.metrics, choice.places, split) for split in ("train", "val")},
        labels=[curve.label for curve in group.curves],
        false_alarm_rate=choice.settings.get("false_alarm_rate") or FALSE_ALARM_RATE,
        **_recorded(state),
        **told,
    )
    seen = points.get(shown.tags["val"] or "")
    return shown if seen is None else with_restarts(shown, seen.steps)


def with_restarts(shown: ShownRun, logged: Sequence[int]) -> ShownRun:
    """Return the run with the restarts that the steps of its validation curve tell, in the order of the log."""
    steps = np.array(logged, dtype=np.int64)
    back = np.flatnonzero(steps[1:] < steps[:-1])
    restarts = tuple(zip(steps[back + 1].tolist(), steps[back].tolist(), strict=True))
    return replace(shown, curves=replace(shown.curves, restarts=restarts))


def _recorded(state: AlertState | None) -> dict[str, Any]:
    if state is None:
        return {"alerts": None}
    return {"alerts": state.alerts, "stop": state.stop, "applied": state.applied, "examples": state.examples}


def _label(metrics: MetricChoice, places: Mapping[str, Place], split: str) -> str | None:
    """Return the name of the curve that was compared."""
    name = metrics.train if split == "train" else metrics.val
    return next((label for label, p in places.items() if (p.split, p.metric) == (split, name)), None)


def _times(points: Mapping[str, Points], choice: Choice) -> Clock | None:
    """Return when each step was logged, by the validation curve where it has the step."""
    ordered = sorted(choice.places.items(), key=lambda item: item[1].split)  # train before val
    known = [points[label] for label, _ in ordered if label in points and len(points[label].times)]
    if not known:
        return None
    known = [found for found in known[:-1] if found.steps != known[-1].steps] + known[-1:]
    return Clock.of(np.concatenate([p.steps for p in known]), np.concatenate([p.times for p in known]))


def _more(group: Group, points: Mapping[str, Points]) -> dict[str, Drawn]:
    names = {curve.label: _OURS[curve.tag] for curve in drawn(group)}
    rate = next((label for label in points if is_rate(label)), None)
    names |= {} if rate is None else {rate: "learning_rate"}
    return {name: _curve(points[label]) for label, name in names.items() if label in points}


def _curve(points: Points) -> Drawn:
    """Return a curve whose steps rise: what was logged before a restart at or after its step is left out."""
    steps = np.array(points.steps, dtype=np.int64)
    kept = np.append(steps[:-1] < np.minimum.accumulate(steps[:0:-1])[::-1], True) if len(steps) else steps == 0
    times = np.array(points.times, dtype=np.float64)[kept] if len(points.times) else None
    return Drawn(steps[kept], np.array(points.values, dtype=np.float64)[kept], times)


def _not_judged(reason: str, choice: Choice) -> Diagnosis:
    """Return why, with the metric that would have been compared, so that its curves can be shown."""
    placed = {split: [p.metric for p in choice.places.values() if p.split == split] for split in ("train", "val")}
    val = next((name for name in placed["val"] if name in placed["train"]), next(iter(placed["val"]), None))
    train = next((name for name in placed["train"] if val in (name, None)), None)
    return Diagnosis(
        verdict="inconclusive",
        metrics=MetricChoice(train=train, val=val),
        not_judged=(NotJudged(id="overfitting", reason=reason),),
    )


def _without_validation(group: Group) -> str:
    labels = [curve.label for curve in group.curves]
    more = f" and {len(labels) - _NAMED_TAGS} more" if len(labels) > _NAMED_TAGS else ""
    return f"no validation metric is among the tags: {', '.join(labels[:_NAMED_TAGS])}{more}"
