"""Train measured in another way than validation."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal
from overfit_monitor.state import NoState
from overfit_monitor.stats.lead import Lead

IN_A_ROW = 5
NOISE_UNITS = 2.0


@final
class MeasurementArtefact(Detector):
    """Sees validation better than train where train is not measured as validation is, and names what is known to be on.

    For five evaluations in a row the level of validation (a median of five) is better than that of train by more
    than two standard deviations of its noise. Nothing is said where train is known to be measured as validation is. An
    info: the gap that is shown is too small, and overfitting shows later than it begins. The limits are
    conventions; shares measured by ``benchmarks/findings.py`` are in ``docs/findings/measurement_artefact.md``.
    """

    id: ClassVar[str] = "measurement_artefact"

    def __init__(self) -> None:
        self.state = NoState()
        self._lead = Lead(share=0.0, noise_units=NOISE_UNITS, in_a_row=IN_A_ROW)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        self._lead.update(signal.step, val=signal.val, train=signal.train, noise=signal.noise)

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays better than train."""
        state = self._lead.state
        if self._lead.seen < IN_A_ROW:
            reason = f"it needs {IN_A_ROW} evaluations with both splits and has {self._lead.seen}"
            return NotJudged(id=self.id, reason=reason)
        if state.alarm_step is None or facts.like_for_like:
            return None
        lead, causes = self._lead.lead, _causes(facts)
        known = f" Known to be on: {', '.join(causes)}." if causes else ""
        return Finding(
            id=self.id,
            severity="info",
            message=f"validation is better than train by {lead:.4g}: train is measured while the model learns.{known} "
            "The true gap is larger than the one shown.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={"lead": lead, "noise": state.noise, "causes": ", ".join(causes) or None},
            speaks_for=tuple(f"{cause} makes train look worse than it is" for cause in causes)
            or ("a mean over an epoch has its early, worse batches in it",),
            speaks_against=() if causes else ("nothing of dropout, augmentation or penalty terms is known to be on",),
            experiment="evaluate a part of the training set in eval mode, with the validation loss, at the end of an "
            "epoch: what remains of the difference is real.",
        )


def _causes(facts: Facts) -> list[str]:
    causes = []
    rate = max((layer.rate or 0.0 for layer in facts.of_kind("dropout")), default=0.0)
    if rate:
        causes.append(f"dropout of {rate:g}")
    if facts.data.augmented:
        causes.append("augmentation")
    if facts.loss is not None and facts.loss.label_smoothing:
        causes.append(f"label smoothing of {facts.loss.label_smoothing:g}")
    if facts.loss is not None and facts.loss.penalty:
        causes.append("a penalty term in the train loss")
    return causes
