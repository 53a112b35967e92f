"""Take away some of what keeps a network that underfits from learning."""

from __future__ import annotations

import json
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, two_digits
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

STRONG_DROPOUT, MODEST_DROPOUT = 0.3, 0.25
STRONG_DECAY, MODEST_DECAY = 0.1, 0.05
FACTOR = 0.5


@final
class LessRegularization(Rule):
    """Advised against underfitting where dropout is 0.3 or more, or decay 0.1 or more.

    Half of it, and no more than 0.25 and 0.05.
    """

    id: ClassVar[str] = "less_regularization"
    against: ClassVar[tuple[str, ...]] = ("underfitting",)

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where nothing known regularizes strongly."""
        if not self.may_speak(diagnosis, facts):
            return None
        layers = {layer.name: layer.rate or 0.0 for layer in facts.of_kind("dropout")}
        strong = {
            name: min(MODEST_DROPOUT, two_digits(FACTOR * rate))
            for name, rate in layers.items()
            if rate >= STRONG_DROPOUT
        }
        strong = {name: rate for name, rate in strong.items() if "/" not in name and not name.endswith(".dropout")}
        decay = 0.0 if facts.optimizer is None else facts.optimizer.weight_decay or 0.0
        change: dict[str, float] = {"dropout": max(strong.values())} if strong else {}
        if decay >= STRONG_DECAY:
            change["weight_decay"] = min(MODEST_DECAY, two_digits(FACTOR * decay))
        if not change:
            return None
        return Recommendation(
            id=self.id,
            title="Regularize less: " + ", ".join(f"{k.replace('_', ' ')} {v:g}" for k, v in change.items()),
            why="Train and validation both stay high, and the run is regularized strongly.",
            change=change,
            code=_code(facts, strong, change.get("weight_decay")),
            caution="One step at a time: overfitting may come back. First make sure that the network can learn 20 "
            "examples by heart.",
            source="Goodfellow, Bengio and Courville 2016 (Deep Learning, section 11.4.1, table 11.1). Not measured in "
            "our own benchmark.",
        )


def _code(facts: Facts, rates: dict[str, float], decay: float | None) -> str:
    torch = [f"for name, rate in {json.dumps(rates)}.items():\n    model.get_submodule(name).p = rate"] if rates else []
    keras = [f"for name, rate in {json.dumps(rates)}.items():\n    model.get_layer(name).rate = rate"] if rates else []
    if decay is not None:
        torch.append(
            f"for group in optimizer.param_groups:\n    group['weight_decay'] = min(group['weight_decay'], {decay:g})"
        )
        keras.append(f"model.optimizer.weight_decay = {decay:g}")
    keras.append("model.compile(optimizer=model.optimizer, loss=model.loss)  # your own metrics; traces the model anew")
    return code_for(facts.framework, torch="\n".join(torch), keras="\n".join(keras))
