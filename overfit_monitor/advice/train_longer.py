"""Train a network that underfits for more epochs."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FACTOR = 2
LAST_PART = 0.8


@final
class TrainLonger(Rule):
    """Advised against underfitting where the best validation value came in the last fifth of the run."""

    id: ClassVar[str] = "train_longer"
    against: ClassVar[tuple[str, ...]] = ("underfitting",)

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where validation had stopped improving."""
        best, last = diagnosis.best_step, diagnosis.step
        if not self.may_speak(diagnosis, facts) or best is None or not last or best < LAST_PART * last:
            return None
        return Recommendation(
            id=self.id,
            title=f"Train {FACTOR:g} times as long",
            why=f"Validation was still at its best at step {best} of {last}: the run ended before it was done.",
            change={"epochs_factor": FACTOR},
            code=code_for(facts.framework, torch=f"epochs = {FACTOR} * epochs", keras=f"epochs = {FACTOR} * epochs"),
            caution="Keep early stopping on. A schedule of the learning rate has to be stretched with the epochs.",
            source="Goodfellow, Bengio and Courville 2016 (Deep Learning, section 11.3). Not measured in our own "
            "benchmark.",
        )
