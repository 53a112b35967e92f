"""Search the settings together instead of one by one."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

TRIALS = 20


@final
class HyperparameterSearch(Rule):
    """Advised last, where single changes are advised as well: they act together, and nobody knows how beforehand.

    Silent where neither the model nor the optimizer is known: there would be nothing to search around.
    """

    id: ClassVar[str] = "hyperparameter_search"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "underfitting")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where nothing is known to search around."""
        if not self.may_speak(diagnosis, facts) or facts.optimizer is None or not facts.layers:
            return None
        return Recommendation(
            id=self.id,
            title=f"Search around these recommendations together, {TRIALS} trials",
            why="Learning rate, weight decay and dropout act on each other; where single changes have been tried, a "
            "small search around their values is next.",
            change={"trials": TRIALS},
            code=_code(facts),
            caution=f"The best of {TRIALS} trials looks better on the validation set than it is; the ledger says by "
            "how much. Judge the winner once on examples that no trial has seen.",
            source="Bergstra and Bengio 2012 (JMLR 13:281); Cawley and Talbot 2010 (JMLR 11:2079) on the bias of the "
            "best.",
        )


def _code(facts: Facts) -> str:
    search = f"""
        import optuna

        from overfit_monitor_trials.optuna import objective

        # train(config) trains with the settings and returns the losses
        study = optuna.create_study()
        study.optimize(objective(train, diagnosis.recommendations), n_trials={TRIALS})
        print(study.best_params)
    """
    return code_for(facts.framework, torch=search, keras=search)
