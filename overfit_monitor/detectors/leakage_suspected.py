"""Validation better than train can explain."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal
from overfit_monitor.stats.level import Level

IN_A_ROW = 10
BETTER = 0.2
FAR_BETTER = 0.5
NOISE_UNITS = 5.0


@dataclass(slots=True)
class _State:
    seen: int = 0
    in_a_row: int = 0
    onset_step: int | None = None
    alarm_step: int | None = None
    noise: float | None = None


@final
class LeakageSuspected(Detector):
    """Sees validation better than train, for long, by more than the way of measuring train explains.

    Levels are medians of five. For ten evaluations in a row validation is better than train by at least 20 % of
    train and five standard deviations of its noise. A warning where train is known to be measured as validation is;
    where it is not, only from 50 % on and as an info, for dropout, augmentation and the mean over an epoch
    make train look worse (`measurement_artefact`). The limits are conventions; shares measured by
    ``benchmarks/findings.py`` are in ``docs/findings/leakage_suspected.md``.
    """

    id: ClassVar[str] = "leakage_suspected"
    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self._val = Level()
        self._train = Level()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite or signal.train is None or not math.isfinite(signal.train):
            return
        state = self.state
        state.seen, state.noise = state.seen + 1, signal.noise
        self._val.update(signal.step, signal.val)
        self._train.update(signal.step, signal.train)
        if self._lead() > max(BETTER * abs(self._train.level), NOISE_UNITS * (signal.noise or math.inf)):
            state.in_a_row += 1
            state.onset_step = signal.step if state.onset_step is None else state.onset_step
            if state.in_a_row == IN_A_ROW:
                state.alarm_step = signal.step
        else:
            state.in_a_row, state.onset_step, state.alarm_step = 0, None, None

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays that much better."""
        state = self.state
        if state.seen < IN_A_ROW:
            reason = f"it needs {IN_A_ROW} evaluations with both splits and has {state.seen}"
            return NotJudged(id=self.id, reason=reason)
        lead, alike = self._lead(), facts.like_for_like is True
        if state.alarm_step is None or not (alike or lead > FAR_BETTER * abs(self._train.level)):
            return None
        return Finding(
            id=self.id,
            severity="warning" if alike else "info",
            message=f"validation is better than train by {lead:.4g}{_share(lead, self._train.level)} and has been so "
            f"for {state.in_a_row} evaluations: examples may be in both sets, or validation is the easier one.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={"lead": lead, "evaluations": state.in_a_row, "noise": state.noise},
            speaks_for=(f"the lead is {lead:.4g}, the noise of validation {state.noise or 0.0:.2g}",)
            + (("train is measured as validation is",) if alike else ()),
            speaks_against=()
            if alike
            else ("train may be measured with dropout, augmentation or penalty terms, or while it was still falling",),
            experiment="look for validation examples in the training set (a hash of the inputs, and of their group: "
            "patient, user, source), and evaluate on data collected later.",
        )

    def _lead(self) -> float:
        return self._train.level - self._val.level


def _share(lead: float, train: float) -> str:
    return f" ({lead / abs(train):.0%})" if train else ""
