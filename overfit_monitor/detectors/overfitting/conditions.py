"""When the overfitting alarm is raised and when it ends, and which rise would raise it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from overfit_monitor.stats.order import median
from overfit_monitor.stats.rise import Rise, least_rise

# False-alarm rates, delays and what else was tried: docs/decisions/0004-overfitting-test.md and docs/statistics.md.
MATERIAL = 0.08
OVER = 0.03
SURELY_OVER = 1.001 * OVER  # whatever the rounding
WANDER = 3.0
SINCE_BEST = 3
# With the paired change of per-example losses: docs/decisions/0014-paired-test.md.
SURE_ERRORS = 1.645  # one-sided 95 % of a normal distribution
PAIRED_ERRORS = 1.0
PAIRED_MATERIAL = 0.05
PAIRED_IN_A_ROW = 5
PAIRED_WANDER = 1.5
PAIRED_SHARE = 1.0 / 6.0
RESTART = 1.5
TRAIN_SHARE = 0.5  # of the rise; train that rises more explains it


def rise_for_alarm(
    found: Rise, n: int, limit: float, *, change: float | None = None, change_error: float = 0.0
) -> float:
    """Return the smallest rise that would raise the alarm now by the curve alone, all else being as it is.

    The same conditions as those of the alarm, solved for the rise; a plot shows it.

    Args:
        found: What was measured.
        n: Number of values it was measured on.
        limit: Limit of the statistic.
        change: Change of the train level since the best, None where unknown.
        change_error: Standard error of the paired change, 0 where unknown.

    Returns:
        The rise in the units of the values; NaN where the best is so recent that no rise raises the alarm.
    """
    if n - 1 - found.best_at < SINCE_BEST:
        return math.nan
    return max(
        MATERIAL * abs(found.best),
        WANDER * found.wander,
        SURE_ERRORS * change_error,
        least_rise(found, n, limit),
        (change or 0.0) / TRAIN_SHARE,
    )


def train_change(train: Sequence[float], found: Rise) -> float | None:
    """Return how the train level has changed since validation was best, None where it is not known.

    Args:
        train: Train values, binned as those of validation; NaN where there was none.
        found: What was measured on validation.
    """
    window = max(3, len(train) // 20)
    around = _known(train[max(0, found.best_at - window // 2) : found.best_at + window // 2 + 1])
    now = _known(train[-window:])
    return median(now) - median(around) if around and now else None


def _known(values: Sequence[float]) -> list[float]:
    return [value for value in values if not math.isnan(value)]
