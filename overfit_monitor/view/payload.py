"""What is shown of runs, as JSON: the shape is in ``docs/decisions/0016-one-view.md``.

Everything that shows runs takes it from here, TensorBoard's tab and the HTML report alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from overfit_monitor.view import rows
from overfit_monitor.view.compare import MOST_RUNS, compare
from overfit_monitor.view.rows import row, urgency, waiting_row
from overfit_monitor.view.run import details, series
from overfit_monitor.view.shown import ShownRun, show, shown_from_run

__all__ = [
    "MOST_RUNS",
    "ShownRun",
    "compare",
    "details",
    "overview",
    "row",
    "series",
    "show",
    "shown_from_run",
    "urgency",
    "waiting_row",
]


def overview(runs: Iterable[ShownRun]) -> dict[str, Any]:
    """Return the table of all runs, the worst first."""
    return rows.overview(map(row, runs))
