"""One run's curves through the engine, and the two answers the tab asks for.

The engine is `overfit_monitor.Monitor`, the same as live and in the command line.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overfit_monitor.diagnosis import decide
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers.pairing import Place, Split, merge
from overfit_monitor.records import SEVERITIES, Diagnosis, MetricChoice, NotJudged, Observation
from overfit_monitor_tensorboard.alerts import Alert, AlertState
from overfit_monitor_tensorboard.grouping import Choice, Group
from overfit_monitor_tensorboard.series import Point, sparkline, thin

logger = logging.getLogger(__name__)

_VERDICTS = ("diverging", "overfitting", "underfitting", "inconclusive", "healthy")
_NAMED_TAGS = 8


@dataclass(frozen=True, slots=True)
class Judged:
    """A run with its verdict.

    Attributes:
        group: The run and its curves.
        places: What was compared with what, by label.
        observations: The curves as the engine saw them.
        diagnosis: What it says.
        state: The alert state that was recorded live, None where there is none.
        sampled: Whether TensorBoard gave a sample of the points only.
    """

    group: Group
    diagnosis: Diagnosis
    places: dict[str, Place] = field(default_factory=dict)
    observations: Sequence[Observation] = ()
    state: AlertState | None = None
    sampled: bool = False

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """The alerts that were raised live, none where nobody watched."""
        return () if self.state is None else self.state.alerts

    def label(self, split: Split) -> str | None:
        """Return the name of the curve that was compared."""
        metrics = self.diagnosis.metrics
        name = metrics.train if split == "train" else metrics.val
        return next((label for label, p in self.places.items() if (p.split, p.metric) == (split, name)), None)

    def points(self, split: Split) -> list[Point]:
        """Return the compared curve of one split."""
        metrics = self.diagnosis.metrics
        name = metrics.train if split == "train" else metrics.val
        values = ((o.step, o.train if split == "train" else o.val) for o in self.observations)
        return [(step, metric[name]) for step, metric in values if name is not None and name in metric]


def judge(
    group: Group, points: Mapping[str, Iterable[Point]], choice: Choice, state: AlertState | None, *, sampled: bool
) -> Judged:
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
    return Judged(group, diagnosis, choice.places, observations, state, sampled)


def row(judged: Judged) -> dict[str, Any]:
    """Return the run's row in the table of runs."""
    diagnosis = judged.diagnosis
    advice = diagnosis.recommendations
    return {
        "run": judged.group.name,
        "verdict": diagnosis.verdict,
        "severity": _severity(diagnosis),
        "onset_step": diagnosis.onset_step,
        "alarm_step": diagnosis.alarm_step,
        "best_step": diagnosis.best_step,
        "stop_step": diagnosis.stop_step,
        "metrics": diagnosis.metrics.model_dump(mode="json"),
        "train_tag": judged.label("train"),
        "val_tag": judged.label("val"),
        "recommendation": advice[0].title if advice else None,
        "message": _message(diagnosis),
        "sampled": judged.sampled,
        "steps": judged.observations[-1].step if judged.observations else None,
        "sparkline": sparkline([value for _, value in judged.points("val")]),
        "alerts": len(judged.alerts),
    }


def details(judged: Judged) -> dict[str, Any]:
    """Return everything about the run that its own view shows."""
    curves = {"train": judged.points("train"), "val": judged.points("val"), "gap": _gap(judged)}
    return {
        "schema_version": 1,
        "diagnosis": judged.diagnosis.model_dump(mode="json"),
        "series": {name: thin(points) for name, points in curves.items()},
        "alerts": [alert.model_dump(mode="json") for alert in judged.alerts],
        "alerts_recorded": judged.state is not None,
        "sampled": judged.sampled,
        "tags": {"train": judged.label("train"), "val": judged.label("val")},
        "choices": [curve.label for curve in judged.group.curves],
    }


def urgency(judged: Judged) -> tuple[int, int, str]:
    """Return what the table is sorted by: the worst run first, then by name."""
    severity = _severity(judged.diagnosis)
    rank = len(SEVERITIES) if severity is None else len(SEVERITIES) - 1 - SEVERITIES.index(severity)
    return rank, _VERDICTS.index(judged.diagnosis.verdict), judged.group.name


def _severity(diagnosis: Diagnosis) -> Any:
    return max((f.severity for f in diagnosis.findings), key=SEVERITIES.index, default=None)


def _message(diagnosis: Diagnosis) -> str | None:
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    if decisive is not None:
        return decisive.message
    if diagnosis.verdict == "inconclusive":
        return next((item.reason for item in diagnosis.not_judged if item.id == "overfitting"), None)
    return diagnosis.findings[0].message if diagnosis.findings else None


def _gap(judged: Judged) -> list[Point]:
    metrics: MetricChoice = judged.diagnosis.metrics
    sign = -1.0 if metrics.mode == "max" else 1.0
    train, gaps = math.nan, []
    for observation in judged.observations:
        train = observation.train.get(metrics.train or "", train)
        if metrics.val in observation.val:
            gaps.append((observation.step, sign * (observation.val[metrics.val] - train)))
    return gaps if metrics.train else []


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
