"""The table of runs: a row for each, and which is the worst."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from overfit_monitor.diagnosis import decide
from overfit_monitor.records import SEVERITIES, Diagnosis, MetricChoice
from overfit_monitor.stats.envelope import noise_at
from overfit_monitor.view.curves import RunCurves
from overfit_monitor.view.series import FEW_DIGITS, Curve, numbers, plain, sparkline
from overfit_monitor.view.shown import ShownRun

VERDICTS = ("diverging", "overfitting", "underfitting", "inconclusive", "healthy")
WAITING = "not judged yet: it is being read"


def overview(
    rows: Iterable[Mapping[str, Any]],
    *,
    token: str = "",
    complete: bool = True,
    removed: Sequence[str] = (),
    total: int | None = None,
    more: bool = False,
) -> dict[str, Any]:
    """Return the table of runs, the worst first.

    Args:
        rows: Rows as `row` and `waiting_row` return them.
        token: What ``since`` takes to ask for what changed after this answer; empty where nothing does.
        complete: Whether these are all rows, rather than those that changed.
        removed: Names of the runs that are gone.
        total: Number of all runs, None for that of the rows.
        more: Whether rows had to be left for the next answer, which can be asked for at once.
    """
    given = sorted(rows, key=urgency)
    return {
        "schema_version": 1,
        "token": token,
        "complete": complete,
        "runs": given,
        "removed": list(removed),
        "order": "worst first",
        "total": len(given) if total is None else total,
        "pending": sum(1 for item in given if item["pending"]),
        "more": more,
    }


def row(shown: ShownRun) -> dict[str, Any]:
    """Return the run's row in the table of runs."""
    diagnosis, val = shown.diagnosis, shown.curves.val
    advice = diagnosis.recommendations
    ends = [curve for curve in (val, shown.curves.train) if len(curve)]
    return {
        "run": shown.name,
        "version": shown.version,
        "pending": False,
        "verdict": diagnosis.verdict,
        "severity": max((f.severity for f in diagnosis.findings), key=SEVERITIES.index, default=None),
        "onset_step": diagnosis.onset_step,
        "alarm_step": diagnosis.alarm_step,
        "best_step": diagnosis.best_step,
        "stop_step": diagnosis.stop_step,
        "last_step": max((int(curve.steps[-1]) for curve in ends), default=None),
        "evaluations": len(val),
        "metrics": diagnosis.metrics.model_dump(mode="json"),
        "train_tag": shown.tags.get("train"),
        "val_tag": shown.tags.get("val"),
        "best_value": plain(diagnosis.best_value),
        "last_value": plain(diagnosis.last_value),
        "loss_lost": _lost(diagnosis),
        "noise": _noise(diagnosis, val),
        "recommendation": advice[0].title if advice else None,
        "message": _message(diagnosis),
        "cannot_judge": _cannot_judge(diagnosis),
        "sampled": shown.sampled,
        "sparkline": sparkline(val.values),
        "sparkline_train": sparkline(shown.curves.train.values),
        "alerts": len(shown.alerts or ()),
        "last_time": max((at for curve in ends if (at := _last_time(curve)) is not None), default=None),
    }


def waiting_row(
    name: str, *, version: int, last_step: int | None = None, last_time: float | None = None
) -> dict[str, Any]:
    """Return the row of a run that is known of and has not been judged yet."""
    empty = ShownRun(name, Diagnosis(verdict="inconclusive", metrics=MetricChoice()), RunCurves(), version=version)
    told = {"pending": True, "message": WAITING, "last_step": last_step, "last_time": plain(last_time)}
    return row(empty) | told


def urgency(row: Mapping[str, Any]) -> tuple[int, int, str]:
    """Return what the table is sorted by: the worst run first, then by name."""
    severity = row["severity"]
    rank = len(SEVERITIES) if severity is None else len(SEVERITIES) - 1 - SEVERITIES.index(severity)
    return rank, VERDICTS.index(row["verdict"]), row["run"]


def _lost(diagnosis: Diagnosis) -> float | None:
    best, last = diagnosis.best_value, diagnosis.last_value
    if best is None or last is None or best == 0.0:
        return None
    sign = -1.0 if diagnosis.metrics.mode == "max" else 1.0
    return numbers([sign * (last - best) / abs(best)], FEW_DIGITS)[0]


def _noise(diagnosis: Diagnosis, val: Curve) -> float | None:
    finite = val.values[np.isfinite(val.values)]
    if not diagnosis.best_value or not len(finite):
        return None
    noise = float(noise_at(finite, np.array([len(finite) - 1]))[0])
    return numbers([noise / abs(diagnosis.best_value)], FEW_DIGITS)[0]


def _message(diagnosis: Diagnosis) -> str | None:
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    if decisive is not None:
        return decisive.message
    if diagnosis.verdict == "inconclusive":
        return _cannot_judge(diagnosis)
    worst = max(diagnosis.findings, key=lambda finding: SEVERITIES.index(finding.severity), default=None)
    return None if worst is None else worst.message


def _cannot_judge(diagnosis: Diagnosis) -> str | None:
    if diagnosis.verdict != "inconclusive":
        return None
    return next((item.reason for item in diagnosis.not_judged if item.id == "overfitting"), None)


def _last_time(curve: Curve) -> float | None:
    time = math.nan if curve.times is None else float(curve.times[-1])
    return time if math.isfinite(time) else None
