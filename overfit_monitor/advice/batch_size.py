"""Take smaller batches."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FACTOR = 2
SMALLEST = 16
FEWEST_STEPS = 4


@final
class BatchSize(Rule):
    """Advised where an epoch has fewer than four batches, and a batch 32 examples or more: half of it.

    Silent where the sizes are unknown. What batch size does by itself, once the learning rate is tuned again for
    each, is little (arXiv 1811.03600), so the rule speaks only where there are hardly any steps.
    """

    id: ClassVar[str] = "batch_size"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "underfitting")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where an epoch has enough batches."""
        batch, steps = facts.data.batch_size, facts.steps_per_epoch
        if not self.may_speak(diagnosis, facts) or not batch or not steps:
            return None
        if steps >= FEWEST_STEPS or batch < FACTOR * SMALLEST:
            return None
        value = batch // FACTOR
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Halve the batches from {batch:g} to {value:g} examples",
            why=f"{what_happened(diagnosis)} An epoch has {steps} optimizer steps only; smaller batches make more "
            f"and noisier ones, and the best step can be told more finely. {effect.sentence}",
            change={"batch_size": value},
            code=_code(facts, value),
            caution="Tune the learning rate again: for SGD in proportion to the batch, for Adam to its square root. "
            "An epoch takes longer on a GPU. Batch normalization wants about 16 or more.",
            source="Keskar et al. 2017 (arXiv 1609.04836) and, against it, Shallue et al. 2019 (arXiv 1811.03600).",
            effect=effect.record,
        )


def _code(facts: Facts, value: int) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            from torch.utils.data import DataLoader

            train_loader = DataLoader(train_loader.dataset, batch_size={value}, shuffle=True)
        """,
        keras=f"""
            batch_size = {value}  # model.fit(..., batch_size=batch_size)
        """,
    )
