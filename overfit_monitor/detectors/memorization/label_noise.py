"""What train cannot pass by right answers alone, where the share of wrong labels is known."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from overfit_monitor.facts import Facts

ACCURACY_MARGIN = 0.02
LOSS_MARGIN = 0.9
DEVIATIONS = 3.0
# A result may not look back, and the label noise is a fact for the result only: so the steps at which train first
# came to each of these values are kept, and a limit is moved to the next stricter one of them.
ACCURACY_GRID = 0.01
LOSS_GRID = 0.02
HIGHEST_LOSS = 3.0
CROSS_ENTROPY = re.compile(r"cross_?entropy|nll|bce", re.IGNORECASE)


class Limit(NamedTuple):
    """What train cannot pass by right answers alone, and when and how it did."""

    step: int
    told: str


def reach_accuracy(steps: list[int], step: int, share: float) -> None:
    """Note at which step an accuracy, a share from 0 to 1, first came to each value of the grid."""
    _reach(steps, step, share / ACCURACY_GRID, 1.0 / ACCURACY_GRID)


def reach_loss(steps: list[int], step: int, loss: float) -> None:
    """Note at which step a loss first came to each value of the grid."""
    _reach(steps, step, (HIGHEST_LOSS - loss) / LOSS_GRID, HIGHEST_LOSS / LOSS_GRID)


def by_accuracy(steps: Sequence[int], share: float, noise: float, facts: Facts) -> Limit | None:
    """Return the limit that an accuracy has passed, None where it has not.

    Args:
        steps: As `reach_accuracy` has left them.
        share: Level of the accuracy now.
        noise: Share of wrong labels.
        facts: What is known beside the curves.
    """
    n = facts.data.n_train
    error = DEVIATIONS * math.sqrt(noise * (1.0 - noise) / n) if n else 0.0
    at = math.ceil((1.0 - noise + max(ACCURACY_MARGIN, error)) / ACCURACY_GRID - 1e-9)
    if noise <= 0.0 or at >= len(steps) or share < at * ACCURACY_GRID - 1e-9:
        return None
    return Limit(steps[at], f"train accuracy is {share:.1%}, above the {1.0 - noise:.1%} of right labels")


def by_loss(steps: Sequence[int], level: float, noise: float, facts: Facts) -> Limit | None:
    """Return the limit that a cross-entropy has passed, None where it has not, or is none.

    Args:
        steps: As `reach_loss` has left them.
        level: Level of the loss now.
        noise: Share of wrong labels.
        facts: What is known beside the curves.
    """
    loss, classes, n = facts.loss, facts.data.classes or 2, facts.data.n_train
    if loss is None or not CROSS_ENTROPY.search(loss.name) or not 0.0 < noise < 1.0 - 1.0 / max(classes, 2):
        return None
    floor = entropy(noise, classes)
    spread = math.sqrt(noise * (1.0 - noise) / n) * math.log((1.0 - noise) * (classes - 1) / noise) if n else 0.0
    limit = min(LOSS_MARGIN * floor, floor - DEVIATIONS * spread)
    at = math.ceil((HIGHEST_LOSS - limit) / LOSS_GRID - 1e-9)
    if at >= len(steps) or not 0.0 <= level <= HIGHEST_LOSS - at * LOSS_GRID + 1e-9:
        return None
    return Limit(steps[at], f"train loss is {level:.3g}, below the {floor:.3g} that the label noise implies")


def entropy(noise: float, classes: int) -> float:
    """Return the least expected cross-entropy, in nats, on labels of which a share is replaced by any other.

    ``-(1 - noise) log(1 - noise) - noise log(noise / (classes - 1))``

    Args:
        noise: Share of wrong labels, above 0 and below 1.
        classes: Number of classes, at least 2.

    Example:
        >>> round(entropy(0.1, 2), 4), round(entropy(0.1, 10), 4)
        (0.3251, 0.5448)
    """
    return -(1.0 - noise) * math.log(1.0 - noise) - noise * math.log(noise / (classes - 1))


def _reach(steps: list[int], step: int, reached: float, most: float) -> None:
    if reached + 1e-6 >= len(steps):  # else it was there before, as nearly always
        steps.extend([step] * (int(min(max(reached + 1e-9, -1.0), most) + 1.0) - len(steps)))
