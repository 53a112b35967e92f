"""Decay the weights and drop units, both a little."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.dropout import dropout_places, insert_dropout
from overfit_monitor.advice.weight_decay import WeightDecay
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

RATE = 0.2


@final
class WeightDecayWithDropout(Rule):
    """Advised for a classification where weight decay is, and dropout has a place and is not there yet.

    The decay is that of the rule for weight decay, the dropout rate 0.2. Measured together the two help more runs, and
    harm fewer, than either alone. Silent where the optimizer would have to be replaced in Keras, where the layers are
    not known, and with attention or recurrent layers.
    """

    id: ClassVar[str] = "weight_decay_with_dropout"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where one of the two has no place."""
        if not self.may_speak(diagnosis, facts) or facts.framework is None or not facts.layers:
            return None
        if {"weight_decay", "dropout"} & set(facts.applied) or facts.of_kind("dropout", "attention", "recurrent"):
            return None
        decay, places = WeightDecay().advise(diagnosis, facts), dropout_places(facts)
        if decay is None or not places or any("/" in name for name in places):
            return None
        if facts.loss is None or facts.loss.classification is not True:
            return None
        effect = effect_of(self.id, facts)
        value = decay.change["weight_decay"]
        return Recommendation(
            id=self.id,
            title=f"Weight decay {value:g} together with dropout {RATE:g}"
            f"{', by AdamW' if 'optimizer' in decay.change else ''}",
            why=f"{what_happened(diagnosis)} The two work on different things, decay on the size of weights, dropout "
            f"on units that rely on each other; together each can be mild. {effect.sentence} How the decay is sized is "
            "said with weight decay alone.",
            change={**decay.change, "dropout": RATE},
            code=_code(facts, list(places), decay),
            caution=f"{decay.caution} The train metric is measured with units dropped and looks worse than it is. New "
            "layers change the names in saved weights.",
            source="arXiv 2405.13698 (size of the decay); Srivastava et al. 2014 (JMLR 15), whose best results have "
            "dropout together with a bound on the weights.",
            effect=effect.record,
        )


def _code(facts: Facts, places: list[str], decay: Recommendation) -> str:
    insert = insert_dropout(facts, places, RATE)
    compile_anew = (
        "model.compile(optimizer=trained.optimizer, loss=trained.loss)  # what follows replaces the optimizer"
    )
    return code_for(
        facts.framework,
        torch=f"{insert}\n{decay.code}",
        keras=f"trained = model\n{insert}\n{compile_anew}\n\n{decay.code}",
    )
