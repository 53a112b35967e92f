"""Validation better than train can explain."""

from __future__ import annotations

import math
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.state import NoState
from overfit_monitor.stats.lead import Lead
from overfit_monitor.stats.level import Levels

IN_A_ROW = 10
BETTER = 0.2
FAR_BETTER = 0.5
NOISE_UNITS = 5.0


@final
class LeakageSuspected(Detector):
    """Sees validation better than train, for long, by more than the way of measuring train explains.

    Levels are medians of five. For ten evaluations in a row validation is better than train by at least 20 % of
    train and five standard deviations of its noise. A warning where train is known to be measured as validation is;
    where it is not, only from 50 % on and as an info, for dropout, augmentation and the mean over an epoch
    make train look worse (`measurement_artefact`). Where the train probe measures it, only that counts. Validation
    examples that are known to be in the training set are a warning by themselves (`overfit_monitor.find_duplicates`).
    The limits are conventions; shares measured by ``benchmarks/findings.py`` are in
    ``docs/findings/leakage_suspected.md``.
    """

    id: ClassVar[str] = "leakage_suspected"

    def __init__(self, levels: Levels | None = None) -> None:
        self.state = NoState()
        self._raw = Lead(share=BETTER, noise_units=NOISE_UNITS, in_a_row=IN_A_ROW, levels=levels)
        self._probed = Lead(share=BETTER, noise_units=NOISE_UNITS, in_a_row=IN_A_ROW)

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        self._raw.update(signal.step, val=signal.val, train=signal.train, noise=signal.noise)
        if signal.probed:
            self._probed.update(signal.step, val=signal.val, train=signal.probe, noise=signal.noise)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        if stretch.train is not None:
            self._raw.extend(stretch.steps, val=stretch.val, train=stretch.train, noise=stretch.noise)

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays that much better, or where examples are in both sets."""
        if facts.data.duplicates:
            return self._in_both(facts.data.duplicates, facts.data.n_val)
        probed = self._probed.seen >= IN_A_ROW
        found = self._probed if probed else self._raw
        if found.seen < IN_A_ROW:
            reason = f"it needs {IN_A_ROW} evaluations with both splits and has {found.seen}"
            return NotJudged(id=self.id, reason=reason)
        alike = probed or facts.like_for_like is True
        if found.state.alarm_step is None or not (alike or found.relative > FAR_BETTER):
            return None
        return self._better(found, alike)

    def _in_both(self, duplicates: int, n: int | None) -> Finding:
        share = f" of {n}" if n else ""
        return Finding(
            id=self.id,
            severity="warning",
            message=f"{duplicates}{share} validation examples are in the training set as well: what they say of the "
            "model is what it remembers.",
            evidence={"duplicates": duplicates, "n_val": n},
            speaks_for=("the examples were compared with each other",),
            experiment="take them out of the validation set, and evaluate the same checkpoint again.",
        )

    def _better(self, found: Lead, alike: bool) -> Finding:
        state, lead = found.state, found.lead
        return Finding(
            id=self.id,
            severity="warning" if alike else "info",
            message=f"validation is better than train by {lead:.4g}{_share(found.relative)} and has been so "
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


def _share(relative: float) -> str:
    return f" ({relative:.0%})" if math.isfinite(relative) else ""
