"""The validation loss rises while the predictions are as often right as before."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import MINIMUM, Level

MATERIAL = 0.10
NEARLY = 0.999 * MATERIAL  # what is below is below `MATERIAL`, whatever the rounding
OVER = 0.05
LOST_NOISE = 1.5
LOST_SHARE = 0.01
# Which companion to hold the loss against, the first that is there: what counts right answers before what ranks them.
ACCURACY_LIKE = ("accuracy", "acc", "top1", "f1", "fscore", "kappa", "mcc", "auc", "auroc")


@dataclass(slots=True)
class _State:
    companion: str | None = None
    noise: float | None = None
    at_best: float | None = None
    drop: float = 0.0
    drop_limit: float = 0.0
    alarm_step: int | None = None


@final
class ConfidenceOverfitting(Detector):
    """Sees a validation loss rise beyond its noise while accuracy is not down: over-confidence.

    Levels are medians of five. Raised when the loss has risen by 10 % of its best level and by twice
    what its noise explains (`Level.beyond`), while the accuracy is not lower than it was when the
    loss was best by more than 1.5 standard deviations of its own noise (two of a difference of two medians
    of five) and 1 % of itself. Ends when the loss is back within 5 %, or accuracy is down. The mechanism is
    that of Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv 1706.04599), section 3: once
    the examples are classified the loss can only be lowered by growing confidence, and validation pays for
    every confident mistake.

    Measured by ``benchmarks/findings.py``: a warning at some time in 0 to 2 % of the healthy runs of 30 to
    300 points (2 % at an autocorrelation of 0.9) and in 1 of 439 nets that do not overfit; in all runs of
    100 points and 77 % of 30 where the loss rises by half; of nets whose test loss overfits, in 84 of 127
    that kept their test accuracy and, at some time, in 61 of 121 that lost more than a point of it, which a
    small validation set does not show.
    """

    id: ClassVar[str] = "confidence_overfitting"
    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self._loss = Level()
        self._accuracy = Level()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.others:
            return
        state = self.state
        if state.companion is None and signal.mode == "min":
            state.companion = _choose(signal.others)
        other = signal.others.get(state.companion or "")
        if not signal.finite or other is None or not other.finite:
            return
        self._accuracy.update(signal.step, other.val)
        state.noise = signal.noise
        if self._loss.update(signal.step, signal.val) or state.at_best is None:
            state.at_best = self._accuracy.level
        self._weigh_drop(self._accuracy.level, other.noise)
        self._judge(signal.step, self._loss, signal.noise)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those with a rise that matters are judged."""
        state = self.state
        if state.companion is None and stretch.mode == "min" and stretch.others:
            state.companion = _choose(stretch.others)
        other = stretch.others.get(state.companion or "")
        if other is None:
            return
        accuracies = self._accuracy.extend(other.steps, other.val).levels
        loss = self._loss.extend(stretch.steps, stretch.val)
        better = set(loss.better())
        for at, (level, best, accuracy) in enumerate(zip(loss.levels, loss.bests, accuracies, strict=True)):
            if at in better or state.at_best is None:
                state.at_best = accuracy
            if state.alarm_step is not None or level - best >= NEARLY * abs(best):
                self._weigh_drop(accuracy, other.noise[at])
                self._judge(stretch.steps[at], loss.at(at), stretch.noise[at])
        self._weigh_drop(accuracies[-1], other.noise[-1])
        state.noise = stretch.noise[-1]

    def _weigh_drop(self, accuracy: float, noise: float | None) -> None:
        state = self.state
        at_best = accuracy if state.at_best is None else state.at_best
        state.drop = accuracy - at_best
        state.drop_limit = max(LOST_NOISE * (noise or 0.0), LOST_SHARE * abs(at_best))

    def _judge(self, step: int, loss: Level, noise: float | None) -> None:
        state = self.state
        if state.drop > state.drop_limit or loss.relative <= OVER:
            state.alarm_step = None
        elif state.alarm_step is None and loss.relative >= MATERIAL and loss.beyond(noise):
            state.alarm_step = step

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while the loss is up and accuracy is not down."""
        if self.state.companion is None:
            return NotJudged(id=self.id, reason="it needs an accuracy-like metric beside a validation loss")
        if facts.loss is not None and facts.loss.classification is False:
            return NotJudged(id=self.id, reason="the loss is known not to be one of a classifier")
        if self._loss.seen < MINIMUM:
            return NotJudged(id=self.id, reason=f"it needs {MINIMUM} evaluations with both and has {self._loss.seen}")
        return None if self.state.alarm_step is None else self._finding(facts)

    def _finding(self, facts: Facts) -> Finding:
        state, loss, name = self.state, self._loss, self.state.companion
        now, then = -self._accuracy.level, -(state.at_best or 0.0)
        return Finding(
            id=self.id,
            severity="warning",
            message=f"the validation loss is {_share(loss.relative)}worse than around step {loss.best_step}, and "
            f"{name} is not: {then:.4g} then, {now:.4g} now. The model grows over-confident; it does not answer worse. "
            "Temperature scaling on the validation set, or label smoothing in training, is the remedy.",
            onset_step=loss.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "metric": name,
                "rise": loss.rise,
                "rise_relative": loss.relative if math.isfinite(loss.relative) else None,
                "noise": state.noise,
                "metric_at_best": then,
                "metric_now": now,
                "metric_drop_limit": state.drop_limit,
            },
            speaks_for=(
                f"the loss rose from {loss.best:.4g} to {loss.level:.4g} with a noise of {state.noise or 0.0:.2g}",
                f"{name} changed by {now - then:+.3g}, where a drop of {state.drop_limit:.2g} would count",
            ),
            speaks_against=self._against(facts),
            experiment="Fit one temperature on the validation logits of the last weights (a minute, no training): if "
            "the loss comes back to its best, it was confidence alone; if it stays up, a few examples are answered "
            "much worse.",
        )

    def _against(self, facts: Facts) -> tuple[str, ...]:
        state, against = self.state, []
        if state.drop > 0.0:
            against.append(f"{state.companion} is {state.drop:.2g} lower than at the best loss, within its noise")
        if state.at_best and state.drop_limit > 0.05 * abs(state.at_best):
            against.append(f"{state.companion} is so noisy that a drop below {state.drop_limit:.2g} would not show")
        if facts.loss is None or facts.loss.classification is None:
            against.append("it is not known that the loss is one of a classifier")
        elif facts.loss.label_smoothing:
            against.append(f"labels are smoothed by {facts.loss.label_smoothing:g} already, which curbs confidence")
        return tuple(against)


def _share(relative: float) -> str:
    return f"{relative:.0%} " if math.isfinite(relative) else ""


def _choose(others: Mapping[str, Signal] | Mapping[str, Stretch]) -> str | None:
    ranked = [
        (rank, name)
        for name, other in others.items()
        if other.mode == "max"
        for rank, word in enumerate(ACCURACY_LIKE)
        if word in re.split(r"[^a-z0-9]+", name.lower())
    ]
    return min(ranked)[1] if ranked else None
