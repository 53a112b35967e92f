"""Ours and the rules that people use: each says at every step whether it calls the run overfit.

The rules of others are computed over the whole curve at once, with the very outcome of a loop; what they
say at a step depends on nothing after it.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from overfit_monitor import Monitor
from overfit_monitor.records import Observation

Curve = Sequence[float] | npt.NDArray[np.float64]
Said = npt.NDArray[np.bool_]
Rule = Callable[[Curve, Curve], Said]

OURS = "overfit-monitor"

logging.getLogger("overfit_monitor").setLevel(logging.ERROR)  # alerts are what is counted here


def observations(train: Curve, val: Curve, learning_rate: Curve | None = None) -> list[Observation]:
    """Return the losses of a run as a monitor takes them in; a train loss that is NaN is left out."""
    return [
        Observation(
            step=i,
            train={} if math.isnan(train[i]) else {"loss": float(train[i])},
            val={"loss": float(val[i])},
            learning_rate=None if learning_rate is None else float(learning_rate[i]),
        )
        for i in range(len(val))
    ]


def ours(run: Iterable[Observation], **settings: Any) -> Said:
    """Return at which steps our verdict is ``overfitting``, as somebody watching live would have read it.

    Where the alarm does not stand the verdict is another, and need not be asked for.
    """
    monitor = Monitor(metric="loss", mode="min", **settings)
    said = []
    for observation in run:
        monitor._take_in(observation)
        said.append(monitor._analyzer.alarm and monitor.diagnosis.verdict == "overfitting")
    return np.array(said)


def never(train: Curve, val: Curve) -> Said:
    """Never say it."""
    return np.zeros(len(val), bool)


def always(train: Curve, val: Curve) -> Said:
    """Always say it."""
    return np.ones(len(val), bool)


def above_train(train: Curve, val: Curve) -> Said:
    """Validation above train."""
    return np.asarray(val) > np.asarray(train)


def ratio(train: Curve, val: Curve) -> Said:
    """SageMaker Debugger's Overfit rule: (val - train) / train > 0.1."""
    return np.asarray(val) - np.asarray(train) > 0.1 * np.abs(train)


def times_best(factor: float) -> Rule:
    """Return the rule: validation above so many times its best, train below its mean so far or not known."""

    def rule(train: Curve, val: Curve) -> Said:
        values, known = np.asarray(val, float), np.asarray(train, float)
        best = np.fmin.accumulate(values)
        mean = np.cumsum(known) / np.arange(1, len(known) + 1)
        return (values > best + (factor - 1.0) * np.abs(best)) & ~(known >= mean)

    return rule


def patience(evaluations: int) -> Rule:
    """Return the rule: no new best validation value for so many evaluations."""

    def rule(train: Curve, val: Curve) -> Said:
        values = np.where(np.isnan(val), np.inf, val)
        before = np.concatenate([[np.inf], np.minimum.accumulate(values)[:-1]])
        steps = np.arange(len(values))
        return steps - np.maximum.accumulate(np.where(values < before, steps, -1)) >= evaluations

    return rule


def page_hinkley(train: Curve, val: Curve) -> Said:
    """River's PageHinkley on the validation loss with its defaults, upward changes only."""
    from river.drift import PageHinkley

    detector = PageHinkley(mode="up")
    return _since_first([_changed(detector, value) for value in val])


def adwin(train: Curve, val: Curve) -> Said:
    """River's ADWIN on the validation loss with its defaults; a change counts where the mean went up."""
    from river.drift import ADWIN

    detector, said = ADWIN(), []
    for value in val:
        mean = detector.estimation
        said.append(_changed(detector, value) and detector.estimation > mean)
    return _since_first(said)


def _changed(detector: Any, value: float) -> bool:
    if not math.isfinite(value):
        return False
    detector.update(value)
    return bool(detector.drift_detected)


def _since_first(changes: Sequence[bool]) -> Said:
    """A detector of changes does not say when one is over, so that its word stands from the first."""
    return np.maximum.accumulate(np.asarray(changes, bool))


RULES: dict[str, Rule] = {
    "patience 5": patience(5),
    "patience 10": patience(10),
    "val > 1.2 x best": times_best(1.2),
    "(val - train) / train > 0.1": ratio,
    "val > train": above_train,
    "PageHinkley": page_hinkley,
    "ADWIN": adwin,
    "always": always,
    "never": never,
}
