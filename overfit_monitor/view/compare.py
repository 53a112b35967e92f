"""Several runs beside each other: which generalizes better, by how much, and whether that is more than noise."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from overfit_monitor import comparison
from overfit_monitor.view.rows import row
from overfit_monitor.view.series import MOST_POINTS, plain
from overfit_monitor.view.shown import ShownRun

MOST_RUNS = 50
POINTS = 14_000  # of all curves: half a megabyte


def compare(runs: Iterable[ShownRun]) -> dict[str, Any]:
    """Return the runs, the best first, and how much worse each other one is than the best.

    Runs of another metric, or without a value, come after those that can be compared.

    Args:
        runs: At most `MOST_RUNS` runs.
    """
    given = sorted(runs, key=_by_value)
    metrics = [run.measured.metric for run in given if run.measured.value is not None]
    common = max(metrics, key=metrics.count, default=None)
    most = min(MOST_POINTS, POINTS // (3 * max(1, len(given))))
    ordered = sorted(given, key=lambda run: run.measured.value is None or run.measured.metric != common)
    return {
        "schema_version": 1,
        "runs": [row(run) | {"series": _curves(run, most), "applied": _applied(run)} for run in ordered],
        "comparisons": [_pair(ordered[0], other) for other in ordered[1:]],
    }


def _pair(base: ShownRun, other: ShownRun) -> dict[str, Any]:
    found = comparison.compare([base.measured], [other.measured])
    content: dict[str, Any] = plain(found.model_dump())
    return {"base": base.name, "other": other.name} | content


def _curves(run: ShownRun, most: int) -> dict[str, Any]:
    curves = {"val": run.curves.val, "train": run.curves.train, "gap": run.curves.gap(run.diagnosis.metrics.mode)}
    return {name: curve.plain(most) for name, curve in curves.items()}


def _applied(run: ShownRun) -> list[Any]:
    return [plain(change.model_dump()) for change in run.applied]


def _by_value(run: ShownRun) -> tuple[float, str]:
    value = run.measured.value
    if value is None:
        return math.inf, run.name
    return (-value if run.measured.mode == "max" else value), run.name
