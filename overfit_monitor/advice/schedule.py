"""Let the learning rate fall to zero by the end of the training."""

from __future__ import annotations

import math
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, evidence, what_happened
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

LONGER = 1.5
FEWEST_EPOCHS = 5


@final
class Schedule(Rule):
    """Advised for a noisy or unsteady run whose learning rate is known to be constant.

    A cosine over 1.5 times the epochs to the best. Not against overfitting: there it harmed as many runs of our
    benchmark as it helped.
    """

    id: ClassVar[str] = "schedule"
    against: ClassVar[tuple[str, ...]] = ("noisy_validation", "instability")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the rate is not known to be constant."""
        constant = facts.optimizer is not None and facts.optimizer.schedule == "none"
        if not self.may_speak(diagnosis, facts) or not constant or diagnosis.best_step is None:
            return None
        if diagnosis.step != diagnosis.best_step and evidence(diagnosis, "evaluations") not in (
            None,
            float((diagnosis.step or 0) + 1),
        ):
            return None  # steps that are no epochs: an epoch is not known
        epochs = max(FEWEST_EPOCHS, math.ceil(LONGER * (max(0, diagnosis.best_step) + 1)))
        return Recommendation(
            id=self.id,
            title=f"Let the learning rate fall along a cosine, to zero after {epochs} epochs",
            why=f"{what_happened(diagnosis)} The learning rate is constant. While it falls, the noise of the steps "
            f"falls with it; {epochs} epochs are {LONGER:g} "
            f"times those to the best.",
            change={"schedule": "cosine", "epochs": epochs},
            code=_code(facts, epochs),
            caution="The number of epochs has to be the schedule's: stopping in the middle leaves the rate high. Where "
            "the best came by luck of a noisy validation set, take more epochs.",
            source="Loshchilov and Hutter 2017 (arXiv 1608.03983).",
        )


def _code(facts: Facts, epochs: int) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            import torch

            epochs = {epochs}
            schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
            # after every epoch: schedule.step()
        """,
        keras=f"""
            import keras

            epochs = {epochs}
            steps = epochs * -(-len(x_train) // 32)  # your own batch size
            rate = keras.optimizers.schedules.CosineDecay(float(model.optimizer.learning_rate), steps)
            optimizer = type(model.optimizer).from_config({{**model.optimizer.get_config(), "learning_rate": rate}})
            model.compile(optimizer=optimizer, loss=model.loss, metrics=["accuracy"])  # your own metrics
        """,
    )
