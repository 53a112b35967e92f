"""Validate on more examples."""

from __future__ import annotations

import math
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

MOST_FACTOR = 16


@final
class LargerValidationSet(Rule):
    """Advised where the noise of validation hides what is to be seen, by as much as its finding says would do.

    Silent where the number of validation examples is unknown.
    """

    id: ClassVar[str] = "larger_validation_set"
    against: ClassVar[tuple[str, ...]] = ("noisy_validation",)

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where validation is not known to be too small."""
        finding, n_val = diagnosis.finding("noisy_validation"), facts.data.n_val
        if not self.may_speak(diagnosis, facts) or finding is None or not n_val:
            return None
        factor = finding.evidence.get("examples_factor")
        if not isinstance(factor, int | float) or factor <= 1.0:
            return None
        wanted = math.ceil(min(float(factor), MOST_FACTOR) * n_val)
        return Recommendation(
            id=self.id,
            title=f"Validate on {wanted:g} examples instead of {n_val:g}",
            why=f"{finding.message} The noise of a mean falls with the square root of the examples.",
            change={"n_val": wanted},
            code=_code(facts, wanted),
            caution="Taken from the training set, they are missing there: cross-validate instead where data is short. "
            "Numbers from before and after are not comparable.",
            source="Standard error of a mean; the noise that is aimed at: docs/findings/noisy_validation.md.",
        )


def _code(facts: Facts, wanted: int) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            import torch

            both = torch.utils.data.ConcatDataset([train_set, val_set])
            wanted = min({wanted}, len(both) // 2)
            fixed = torch.Generator().manual_seed(0)
            val_set, train_set = torch.utils.data.random_split(both, [wanted, len(both) - wanted], fixed)
        """,
        keras=f"""
            import numpy as np

            x, y = np.concatenate([x_train, x_val]), np.concatenate([y_train, y_val])
            order, wanted = np.random.default_rng(0).permutation(len(x)), min({wanted}, len(x) // 2)
            x_val, y_val, x_train, y_train = x[order[:wanted]], y[order[:wanted]], x[order[wanted:]], y[order[wanted:]]
        """,
    )
