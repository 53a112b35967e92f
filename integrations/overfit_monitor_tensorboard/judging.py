"""One run's curves through the engine.

The engine is `overfit_monitor.Monitor`, the same as live and in the command line.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers.pairing import merge
from overfit_monitor.records import Diagnosis, MetricChoice, NotJudged
from overfit_monitor.view.payload import ShownRun
from overfit_monitor.view.series import Point
from overfit_monitor_tensorboard.alerts import AlertState
from overfit_monitor_tensorboard.grouping import Choice, Group

logger = logging.getLogger(__name__)

_NAMED_TAGS = 8


def judge(
    group: Group, points: Mapping[str, Iterable[Point]], choice: Choice, state: AlertState | None, *, sampled: bool
) -> ShownRun:
    """Return the run with its verdict; a run that cannot be judged says why.

    Args:
        group: The run.
        points: Its curves by label, in the order in which they were logged.
        choice: What is compared with what.
        state: Its recorded alert state, None where there is none.
        sampled: Whether the points are a sample.
    """
    observations = merge(points, places=choice.places)
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
    return ShownRun(
        name=group.name,
        diagnosis=diagnosis,
        labels=[curve.label for curve in group.curves],
        places=choice.places,
        observations=observations,
        alerts=None if state is None else state.alerts,
        sampled=sampled,
    )


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
