"""Train on more examples."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FACTOR = 2


@final
class MoreData(Rule):
    """Advised for every run that overfits: more of the same kind is the one remedy that removes the cause.

    It is ordered by what is known of its effect here, which is nothing yet: nobody can say from a
    single run what more data would bring. The page shows how to find out with half of what is there.
    """

    id: ClassVar[str] = "more_data"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation for a run that overfits."""
        if not self.may_speak(diagnosis, facts):
            return None
        n_train = facts.data.n_train
        numbers = "" if not n_train else f" ({FACTOR * n_train:,} instead of {n_train:,})"
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Train on {FACTOR} times as many examples{numbers}",
            why=f"{what_happened(diagnosis)} The network goes on learning what holds for the training examples only; "
            f"the more there are, the less of that there is to learn. {effect.sentence}",
            change={"n_train_factor": FACTOR},
            code=_code(facts),
            caution="Find out first whether it would pay: train on half of the examples. If the best validation loss "
            "is hardly worse than with all, twice as many will hardly help. Examples from elsewhere, or with labels "
            "as noisy as these, bring less.",
            source="Hestness et al. 2017 (arXiv 1712.00409): loss falls with the number of examples by a power law "
            "whose exponent differs from task to task.",
            effect=effect.record,
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch="""
            from torch.utils.data import ConcatDataset, DataLoader

            # new_examples: a data set with examples of the same kind
            train_set = ConcatDataset([train_loader.dataset, new_examples])
            train_loader = DataLoader(train_set, batch_size=train_loader.batch_size, shuffle=True)
        """,
        keras="""
            import numpy as np

            # x_new, y_new: examples of the same kind
            x_train = np.concatenate([x_train, x_new])
            y_train = np.concatenate([y_train, y_new])
        """,
    )
