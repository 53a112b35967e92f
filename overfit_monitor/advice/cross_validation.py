"""Judge by several splits instead of one."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FOLDS = 5
MOST_EXAMPLES = 2000


@final
class CrossValidation(Rule):
    """Advised where validation is too noisy or too small to judge by, and training on all of it five times is cheap.

    At most 2,000 examples, and both sizes known.
    """

    id: ClassVar[str] = "cross_validation"
    against: ClassVar[tuple[str, ...]] = ("noisy_validation", "train_val_shift")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where validation is enough or training five times would be dear."""
        n_train, n_val = facts.data.n_train, facts.data.n_val
        if not self.may_speak(diagnosis, facts) or not n_train or not n_val or n_train + n_val > MOST_EXAMPLES:
            return None
        return Recommendation(
            id=self.id,
            title=f"Cross-validate with {FOLDS} folds",
            why=f"One validation set of {n_val:,} examples does not tell one model from another here. {FOLDS} folds "
            f"judge by all {n_train + n_val:,} examples, and their spread shows how much of a difference is luck.",
            change={"folds": FOLDS},
            code=_code(facts),
            caution="The folds share training examples, so their spread is not that of independent trials; `crossval` "
            "takes that into account. Keep examples that belong together (one patient, one source) in one fold.",
            source="Kohavi 1995 (IJCAI); Nadeau and Bengio 2003 (Machine Learning 52) on the correlation of the folds.",
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            from overfit_monitor_trials import crossval

            # train(config) trains on config["train_index"], validates on config["val_index"], and returns the losses
            scores = crossval(train, {{}}, n=len(labels), labels=labels, folds={FOLDS})
            print(scores.summary())
        """,
        keras=f"""
            from overfit_monitor_trials import crossval

            # train(config) trains on config["train_index"], validates on config["val_index"], and returns the history
            scores = crossval(train, {{}}, n=len(labels), labels=labels, folds={FOLDS})
            print(scores.summary())
        """,
    )
