"""One run in full: its curves, what is marked on them, and everything that is said of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from overfit_monitor.stats.envelope import level_at, noise_at
from overfit_monitor.view.marks import marks
from overfit_monitor.view.series import Curve, between, numbers, plain, spread
from overfit_monitor.view.shown import ShownRun
from overfit_monitor.view.trace import trace

NOISE_DEVIATIONS = 2.0
TEST = "overfitting"


def details(shown: ShownRun) -> dict[str, Any]:
    """Return everything about the run that its own view shows."""
    return {
        "schema_version": 1,
        "run": shown.name,
        "version": shown.version,
        "source": shown.source,
        "diagnosis": plain(shown.diagnosis.model_dump()),
        **series(shown),
        "marks": marks(shown),
        "alerts": [plain(alert.model_dump()) for alert in shown.alerts or ()],
        "alerts_recorded": shown.alerts is not None,
        "examples": None if shown.examples is None else plain(shown.examples.model_dump()),
        "membership": _membership(shown),
        "sampled": shown.sampled,
        "exact": shown.exact,
        "exact_possible": shown.exact_possible,
        "tags": {"train": shown.tags.get("train"), "val": shown.tags.get("val")},
        "choices": list(shown.labels),
        "applied": [plain(change.model_dump()) for change in shown.applied],
    }


def _membership(shown: ShownRun) -> Any:
    """Return whether losses tell train from validation; a replay of curves alone has it from the tables only."""
    tables = shown.examples
    found = shown.diagnosis.membership or (None if tables is None else tables.membership)
    return None if found is None else plain(found.model_dump())


def series(shown: ShownRun, first: int | None = None, last: int | None = None) -> dict[str, Any]:
    """Return ``series``, ``band``, ``limit`` and ``test`` of a part of the run, thinned anew.

    Args:
        shown: The run.
        first: First step, None for the beginning.
        last: Last step, None for the end.
    """
    curves = shown.curves
    always = {"train": curves.train, "val": curves.val, "gap": curves.gap(shown.diagnosis.metrics.mode)}
    optional = {name: getattr(curves, name) for name in ("like_for_like_gap", "probe", "learning_rate")}
    drawn: dict[str, Any] = {name: curve.between(first, last).plain() for name, curve in always.items()}
    drawn |= {name: curve.between(first, last).plain() if len(curve) else None for name, curve in optional.items()}
    return {"series": drawn, "band": _band(curves.val, first, last), **_test(shown, first, last)}


def _band(val: Curve, first: int | None, last: int | None) -> dict[str, Any] | None:
    """Return the level of validation and two standard deviations of its noise on each side."""
    finite = np.flatnonzero(np.isfinite(val.values))
    steps, values = val.steps[finite], val.values[finite]
    places = np.arange(len(steps))[between(steps, first, last)]
    places = places[spread(len(places))]
    if not len(places):
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # values near the largest number: drawn as none
        noise = NOISE_DEVIATIONS * noise_at(values, places)
        level = level_at(values, places)
        low, high = level - noise, level + noise
    if not np.isfinite(low).any():
        return None
    return {"steps": steps[places].tolist(), "low": numbers(low), "high": numbers(high)}


def _test(shown: ShownRun, first: int | None, last: int | None) -> dict[str, Any]:
    mode = shown.diagnosis.metrics.mode
    found = trace(shown.curves, mode, false_alarm_rate=shown.false_alarm_rate, first=first, last=last)
    steps = found.steps.tolist()
    sign = -1.0 if mode == "max" else 1.0
    limit, test = None, None
    if np.isfinite(found.level).any() and np.isfinite(found.train).any():
        gap = found.level - found.train
        limit = {"steps": steps, "values": numbers(gap), "val": numbers(sign * found.level)}
    if np.isfinite(found.statistic).any():
        test = {"name": TEST, "steps": steps, "values": numbers(found.statistic), "limit": found.limit}
    return {"limit": limit, "test": test}
