"""Take out of validation what is in the training set as well."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation


@final
class RemoveDuplicates(Rule):
    """Advised where validation examples were found in the training set, or validation is suspiciously good."""

    id: ClassVar[str] = "remove_duplicates"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "leakage_suspected")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where nothing shows that the sets overlap."""
        found = facts.data.duplicates
        suspected = diagnosis.finding("leakage_suspected")
        if not self.may_speak(diagnosis, facts) or found == 0 or not (found or suspected):
            return None
        known = f"{found:,} validation examples are in the training set too. " if found else ""
        return Recommendation(
            id=self.id,
            title="Take the examples out of validation that are in the training set"
            if found
            else "Look for validation examples in the training set",
            why=f"{known}{'' if suspected is None else suspected.message + ' '}What was trained on says nothing about "
            "generalization: the gap is larger than it looks, and early stopping comes too late.",
            change={"deduplicate": True},
            code=_code(facts),
            caution="Split by what belongs together (one patient, one film, one customer), not by row. Numbers from "
            "before and after are not comparable.",
            source="Kaufman et al. 2012 (ACM TKDD 6:15), leakage; Barz and Denzler 2020 (arXiv 1902.00423), who found "
            "3.3 and 10 % of the CIFAR test images in the training sets.",
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch="""
            import torch
            from overfit_monitor import find_duplicates

            copies = {pair.val for pair in find_duplicates(train_set, val_set).pairs}
            val_set = torch.utils.data.Subset(val_set, [i for i in range(len(val_set)) if i not in copies])
        """,
        keras="""
            import numpy as np
            from overfit_monitor import find_duplicates

            copies = [pair.val for pair in find_duplicates(x_train, x_val).pairs]
            x_val, y_val = np.delete(x_val, copies, axis=0), np.delete(y_val, copies, axis=0)
        """,
    )
