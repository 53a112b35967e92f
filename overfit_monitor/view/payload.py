"""What is shown of a run: the JSON of a row in the table of runs, and of a run's own view.

Built here for everything that shows runs, TensorBoard's tab and the HTML report alike; its shape
is in ``docs/decisions/0016-one-view.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from overfit_monitor.diagnosis import decide
from overfit_monitor.readers.pairing import Place, Split
from overfit_monitor.records import SEVERITIES, Diagnosis, Finding, MetricChoice, Observation
from overfit_monitor.view.series import Point, sparkline, thin

_VERDICTS = ("diverging", "overfitting", "underfitting", "inconclusive", "healthy")


@dataclass(frozen=True, slots=True)
class ShownRun:
    """A run with its verdict and its curves.

    Attributes:
        name: Name of the run.
        diagnosis: What the analyzer says.
        labels: Names of all its curves, those that were not compared among them.
        places: What was compared with what, by label.
        observations: The curves as the analyzer saw them.
        alerts: What was raised live, each with the ``step`` that raised it; None where nobody watched.
        sampled: Whether the curves are a sample of what was logged.
    """

    name: str
    diagnosis: Diagnosis
    labels: Sequence[str] = ()
    places: Mapping[str, Place] = field(default_factory=dict)
    observations: Sequence[Observation] = ()
    alerts: Sequence[Finding] | None = None
    sampled: bool = False

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


def row(shown: ShownRun) -> dict[str, Any]:
    """Return the run's row in the table of runs."""
    diagnosis = shown.diagnosis
    advice = diagnosis.recommendations
    return {
        "run": shown.name,
        "verdict": diagnosis.verdict,
        "severity": _severity(diagnosis),
        "onset_step": diagnosis.onset_step,
        "alarm_step": diagnosis.alarm_step,
        "best_step": diagnosis.best_step,
        "stop_step": diagnosis.stop_step,
        "metrics": diagnosis.metrics.model_dump(mode="json"),
        "train_tag": shown.label("train"),
        "val_tag": shown.label("val"),
        "recommendation": advice[0].title if advice else None,
        "message": _message(diagnosis),
        "sampled": shown.sampled,
        "steps": shown.observations[-1].step if shown.observations else None,
        "sparkline": sparkline([value for _, value in shown.points("val")]),
        "alerts": len(shown.alerts or ()),
    }


def details(shown: ShownRun) -> dict[str, Any]:
    """Return everything about the run that its own view shows."""
    curves = {"train": shown.points("train"), "val": shown.points("val"), "gap": _gap(shown)}
    return {
        "schema_version": 1,
        "diagnosis": shown.diagnosis.model_dump(mode="json"),
        "series": {name: thin(points) for name, points in curves.items()},
        "alerts": [alert.model_dump(mode="json") for alert in shown.alerts or ()],
        "alerts_recorded": shown.alerts is not None,
        "sampled": shown.sampled,
        "tags": {"train": shown.label("train"), "val": shown.label("val")},
        "choices": list(shown.labels),
    }


def urgency(shown: ShownRun) -> tuple[int, int, str]:
    """Return what the table is sorted by: the worst run first, then by name."""
    severity = _severity(shown.diagnosis)
    rank = len(SEVERITIES) if severity is None else len(SEVERITIES) - 1 - SEVERITIES.index(severity)
    return rank, _VERDICTS.index(shown.diagnosis.verdict), shown.name


def _severity(diagnosis: Diagnosis) -> Any:
    return max((f.severity for f in diagnosis.findings), key=SEVERITIES.index, default=None)


def _message(diagnosis: Diagnosis) -> str | None:
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    if decisive is not None:
        return decisive.message
    if diagnosis.verdict == "inconclusive":
        return next((item.reason for item in diagnosis.not_judged if item.id == "overfitting"), None)
    return diagnosis.findings[0].message if diagnosis.findings else None


def _gap(shown: ShownRun) -> list[Point]:
    metrics: MetricChoice = shown.diagnosis.metrics
    sign = -1.0 if metrics.mode == "max" else 1.0
    train, gaps = math.nan, []
    for observation in shown.observations:
        train = observation.train.get(metrics.train or "", train)
        if metrics.val in observation.val:
            gaps.append((observation.step, sign * (observation.val[metrics.val] - train)))
    return gaps if metrics.train else []
