"""Rules that people use, as baselines: each says at every step whether it would call the run overfit."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import numpy as np

from overfit_monitor import Monitor

Curve = Sequence[float]
Said = list[bool]
Rule = Callable[[Curve, Curve], Said]

logging.getLogger("overfit_monitor").setLevel(logging.ERROR)


def ours(train: Curve, val: Curve) -> Said:
    """Return at which steps our verdict is ``overfitting``."""
    monitor = Monitor()
    return [
        monitor.log(step=i, train={"loss": train[i]}, val={"loss": val[i]}).verdict == "overfitting"
        for i in range(len(val))
    ]


def never(train: Curve, val: Curve) -> Said:
    """Never say it."""
    return [False] * len(val)


def always(train: Curve, val: Curve) -> Said:
    """Always say it."""
    return [True] * len(val)


def above_train(train: Curve, val: Curve) -> Said:
    """Validation above train."""
    return [v > t for t, v in zip(train, val, strict=True)]


def ratio(train: Curve, val: Curve) -> Said:
    """SageMaker Debugger's Overfit rule: (val - train) / train > 0.1."""
    return [(v - t) > 0.1 * abs(t) for t, v in zip(train, val, strict=True)]


def worse_than_best(train: Curve, val: Curve) -> Said:
    """Validation above 1.2 times its best while train is below its mean so far."""
    best = np.minimum.accumulate(val)
    mean = np.cumsum(train) / np.arange(1, len(train) + 1)
    return [bool(v > b + 0.2 * abs(b) and t < m) for v, b, t, m in zip(val, best, train, mean, strict=True)]


def patience(evaluations: int) -> Rule:
    """Return the rule: no new best validation value for so many evaluations."""

    def rule(train: Curve, val: Curve) -> Said:
        best, wait, said = float("inf"), 0, []
        for value in val:
            best, wait = (value, 0) if value < best else (best, wait + 1)
            said.append(wait >= evaluations)
        return said

    return rule


RULES: dict[str, Rule] = {
    "overfit-monitor": ours,
    "patience 5": patience(5),
    "patience 10": patience(10),
    "val > 1.2 x best": worse_than_best,
    "(val - train) / train > 0.1": ratio,
    "val > train": above_train,
    "always": always,
    "never": never,
}
