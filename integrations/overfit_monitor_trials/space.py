"""What to search: the values of recommendations, and some way around each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from overfit_monitor.records import Recommendation

AROUND: Final = 4.0
SHARES: Final = frozenset(["dropout", "label_smoothing", "token_dropout", "stochastic_depth", "mixup", "shift"])
LARGEST_SHARE: Final = 0.7
FIXED: Final = frozenset(["patience", "folds", "trials", "n_train_factor", "n_val", "epochs_factor", "frozen_layers"])


class Range(NamedTuple):
    """A setting and where to look for it.

    Attributes:
        name: Name of the setting, as in a recommendation's ``change``.
        low: Smallest value.
        high: Largest value.
        whole: Whether it is a whole number.
    """

    name: str
    low: float
    high: float
    whole: bool = False


def search_space(recommendations: Iterable[Recommendation]) -> tuple[tuple[Range, ...], dict[str, Any]]:
    """Return where to search, and the settings that are taken as they are.

    A number is searched on a logarithmic scale from a quarter of its recommended value to four times that; a rate, such
    as dropout, up to 0.7. Of two recommendations for one setting the first counts.

    Args:
        recommendations: What was advised, best first.
    """
    ranges: dict[str, Range] = {}
    fixed: dict[str, Any] = {}
    for recommendation in recommendations:
        for name, value in recommendation.change.items():
            if name in FIXED or name in ranges or name in fixed:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                fixed[name] = value
                continue
            high = min(AROUND * value, LARGEST_SHARE) if name in SHARES else AROUND * value
            whole = isinstance(value, int)
            ranges[name] = Range(name, max(1, value // AROUND) if whole else value / AROUND, high, whole)
    return tuple(ranges.values()), fixed
