"""How near to guessing, or to perfect, a classifier was at its best: it decides how much regularization it bears."""

from __future__ import annotations

import math
from typing import Final

from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis

LOW: Final = 0.25
"""Below this share of the loss of guessing most examples are told with confidence, and regularization costs that."""


def loss_level(diagnosis: Diagnosis, facts: Facts) -> float | None:
    """Return the best validation loss over that of guessing, ``ln(classes)``; None where that is not known.

    Known for a classification whose number of classes is known, and a loss that is not smoothed.
    """
    loss, classes, best = facts.loss, facts.data.classes, diagnosis.best_value
    if loss is None or not loss.classification or not classes or classes < 2 or best is None:
        return None
    if loss.label_smoothing or "loss" not in (diagnosis.metrics.val or ""):
        return None
    return best / math.log(classes)
