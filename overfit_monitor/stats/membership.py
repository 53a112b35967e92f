"""Whether losses tell the examples that a model was trained on from those that it was not."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from overfit_monitor.deferred import Deferred
from overfit_monitor.records import Membership

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
else:
    np = Deferred("numpy")


MOST = 4096
FEWEST = 20
FALSE_POSITIVES = 0.01
NORMAL_975 = 1.959963984540054


def membership(train: Array, val: Array) -> Membership | None:
    """Return how well a low loss tells a training example from a validation example.

    The area under the ROC curve is the Mann-Whitney statistic, ties counted half; its interval is that of DeLong,
    DeLong and Clarke-Pearson 1988 (Biometrics 44:837) on the logit, so that it stays within 0 and 1. The attack
    by a threshold on the loss is that of Yeom et al. 2018 (arXiv 1709.01604); the share that it recognizes at
    1 % false positives is what Carlini et al. 2022 (arXiv 2112.03570) ask to be told beside it. Of more than
    4,096 examples every k-th is taken.

    Args:
        train: Losses of training examples, lower is better, shape (n,).
        val: Losses of validation examples, shape (m,).

    Returns:
        None with fewer than 20 examples in either.

    Example:
        >>> import numpy as np
        >>> found = membership(np.zeros(50), np.ones(50))
        >>> found.auc, found.tpr
        (1.0, 1.0)
        >>> membership(np.arange(50.0), np.arange(50.0)).auc
        0.5
    """
    train, val = _thinned(train), _thinned(val)
    if min(len(train), len(val)) < FEWEST:
        return None
    low_val, low_train = np.sort(val), np.sort(train)
    above = 1.0 - _placed(low_val, train)  # share of validation losses above each training loss
    below = _placed(low_train, val)
    auc = float(np.mean(above))
    low, high = _interval(auc, float(np.var(above, ddof=1)) / len(train) + float(np.var(below, ddof=1)) / len(val))
    allowed = int(FALSE_POSITIVES * len(val))
    tpr = float(np.mean(train < low_val[allowed]))
    return Membership(auc=auc, low=low, high=high, tpr=tpr)


def _placed(ordered: Array, values: Array) -> Array:
    left, right = np.searchsorted(ordered, values, "left"), np.searchsorted(ordered, values, "right")
    return np.asarray((left + right) / (2.0 * len(ordered)), dtype=np.float64)


def _interval(auc: float, variance: float) -> tuple[float, float]:
    if not 0.0 < auc < 1.0:
        return auc, auc
    logit, error = math.log(auc / (1.0 - auc)), math.sqrt(variance) / (auc * (1.0 - auc))
    ends = (logit - NORMAL_975 * error, logit + NORMAL_975 * error)
    low, high = (1.0 / (1.0 + math.exp(-max(-700.0, min(700.0, end)))) for end in ends)
    return low, high


def _thinned(losses: Array) -> Array:
    return losses[:: -(-len(losses) // MOST)] if len(losses) > MOST else losses
