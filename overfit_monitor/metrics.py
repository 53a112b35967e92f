"""Which metric is compared, and in which direction.

The table goes by the parts of a metric's name. A direction is never guessed: a
name that the table does not know needs an explicit ``mode``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.records import Mode

LOWER_IS_BETTER = frozenset(
    [
        "loss",
        "error",
        "err",
        "mse",
        "rmse",
        "mae",
        "mape",
        "nll",
        "perplexity",
        "ppl",
        "crossentropy",
        "hinge",
        "kld",
        "wer",
        "cer",
        "fid",
        "bce",
        "logloss",
        "mlogloss",
    ]
)
HIGHER_IS_BETTER = frozenset(
    [
        "accuracy",
        "acc",
        "auc",
        "auroc",
        "auprc",
        "f1",
        "fscore",
        "precision",
        "recall",
        "map",
        "map50",
        "map75",
        "dice",
        "iou",
        "jaccard",
        "r2",
        "bleu",
        "rouge",
        "psnr",
        "ssim",
        "kappa",
        "mcc",
        "top1",
        "top5",
        "specificity",
        "sensitivity",
    ]
)


def direction(name: str) -> Mode | None:
    """Return the mode that a metric's name tells, or None where it tells nothing.

    Example:
        >>> direction("loss"), direction("top5_accuracy"), direction("reward")
        ('min', 'max', None)
    """
    words = set(re.split(r"[^a-z0-9]+", name.lower()))
    lower, higher = words & LOWER_IS_BETTER, words & HIGHER_IS_BETTER
    if bool(lower) == bool(higher):
        return "min" if "loss" in words else None
    return "min" if lower else "max"


def choose(names: Iterable[str], metric: str | None, mode: str) -> tuple[str, Mode]:
    """Choose the metric to compare among the validation metrics seen.

    Args:
        names: Names of the validation metrics.
        metric: The user's choice, None to go by ``loss`` first and then by known names.
        mode: The user's ``min``, ``max`` or ``auto``.

    Returns:
        Name and mode of the metric.

    Raises:
        UsageError: The metric is not among the names, or its direction is not known.
    """
    seen = list(names)
    if metric is not None:
        if metric not in seen:
            raise UsageError(unknown_name("metric", metric, seen))
        chosen = metric
    elif "loss" in seen:
        chosen = "loss"
    else:
        known = [name for name in seen if direction(name)]
        if not known and len(seen) != 1:
            raise UsageError(f"metric must be named: no direction is known for any of {sorted(seen)}.")
        chosen = (known or seen)[0]
    told = direction(chosen) if mode == "auto" else mode
    if told is None:
        raise UsageError(f"mode must be 'min' or 'max' for metric {chosen!r}: its name does not tell.")
    return chosen, "max" if told == "max" else "min"
