"""Take smaller steps, or larger ones where the run learns too slowly."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, two_digits, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

SMALLER, LARGER = 0.3, 3.0
FEW_EVALUATIONS = 5


@final
class LearningRate(Rule):
    """Advised smaller where the best came within five evaluations or the run is unsteady; larger where it underfits.

    Silent where the learning rate is unknown, and larger also where a schedule sets it.
    """

    id: ClassVar[str] = "learning_rate"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "underfitting", "diverging", "instability")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the rate is unknown or seems right."""
        optimizer = facts.optimizer
        rate = None if optimizer is None else optimizer.learning_rate
        if not self.may_speak(diagnosis, facts) or not rate or diagnosis.best_step is None:
            return None
        slow = diagnosis.verdict == "underfitting"
        if diagnosis.verdict == "overfitting" and diagnosis.best_step >= FEW_EVALUATIONS:
            return None
        if slow and optimizer is not None and optimizer.schedule not in (None, "none"):
            return None
        value = two_digits(rate * (LARGER if slow else SMALLER))
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"{'Raise' if slow else 'Lower'} the learning rate from {rate:g} to {value:g}",
            why=f"{what_happened(diagnosis)} {_reason(diagnosis)} {'' if slow else effect.sentence}".strip(),
            change={"learning_rate": value},
            code=_code(facts, value),
            caution="A smaller rate takes more epochs to the same place, and a larger one may diverge: watch the first "
            "epochs. Weight decay acts through the learning rate: size it again. Run this before a scheduler is made.",
            source="Goodfellow, Bengio and Courville 2016 (Deep Learning, section 11.4.1: the most important "
            "hyperparameter); steps of about 3 as on a logarithmic grid.",
            effect=None if slow else effect.record,
        )


def _reason(diagnosis: Diagnosis) -> str:
    if diagnosis.verdict == "underfitting":
        return "Train has not come down either, and the steps may be too small for the time there is."
    if diagnosis.verdict == "overfitting":
        return (
            f"The best came after {(diagnosis.best_step or 0) + 1} evaluations: at this rate the network goes past the "
            "best weights between two of them; smaller steps come nearer."
        )
    return "The loss jumps: steps at this rate are too large for where the run is."


def _code(facts: Facts, value: float) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            for group in optimizer.param_groups:
                group["lr"] = {value:g}
        """,
        keras=f"""
            model.optimizer.learning_rate = {value:g}
        """,
    )
