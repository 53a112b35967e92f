"""Drop units between dense layers."""

from __future__ import annotations

import json
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

RATE = 0.3
RATE_WITH_ATTENTION = 0.1

TORCH_LAST = "names = [name for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)][-1:]"
KERAS_LAST = "names = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Dense)][-1:]"


@final
class Dropout(Rule):
    """Advised in front of dense layers on hidden units, or raised where the present rate is lower.

    Never in front of a normalization layer: only dense layers after the last one are named. With
    attention or recurrent layers only the last dense layer is, at the lower rate that is usual
    with attention. Silent where the model is known and no dense layer is in such a place, and for
    layers of a nested Keras model (``block/dense``), which its code could not reach.
    """

    id: ClassVar[str] = "dropout"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the rate is there already or there is no place for it."""
        if not self.may_speak(diagnosis, facts):
            return None
        rate = RATE_WITH_ATTENTION if facts.of_kind("attention") else RATE
        if max((layer.rate or 0.0 for layer in facts.of_kind("dropout")), default=0.0) >= rate:
            return None
        present = _layers_of_their_own(facts)
        names = [name for name in present or dropout_places(facts) if "/" not in name]
        if facts.layers and not names:
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"{'Raise dropout to' if present else 'Add dropout of'} {rate:g}{'' if present else _where(names)}",
            why=f"{what_happened(diagnosis)} {_state(facts)} {effect.sentence}",
            change={"dropout": rate},
            code=_raise(facts, names, rate) if present else insert_dropout(facts, names, rate),
            caution="The train metric is measured with units dropped and looks worse than it is. Training takes "
            "longer. Not in front of a batch normalization layer: it would see another variance in training than in "
            "evaluation (Li et al. 2018, arXiv 1801.05134); after the last one it does no harm. New layers change the "
            "names in saved weights.",
            source="Srivastava et al. 2014 (JMLR 15).",
            effect=effect.record,
        )


def _layers_of_their_own(facts: Facts) -> list[str]:
    """Names of the dropout layers, without the dropout inside recurrent and attention layers."""
    inside = {f"{layer.name}.dropout" for layer in facts.of_kind("recurrent", "attention")}
    return [layer.name for layer in facts.of_kind("dropout") if layer.name not in inside]


def dropout_places(facts: Facts) -> tuple[str, ...]:
    """Return the names of the dense layers whose inputs are hidden units that no normalization layer will see."""
    learning = [i for i, layer in enumerate(facts.layers) if layer.parameters > 0]
    after = max([i for i, layer in enumerate(facts.layers) if layer.kind == "norm"] + learning[:1], default=-1)
    names = [layer.name for i, layer in enumerate(facts.layers) if i > after and layer.kind == "linear"]
    return tuple(names[-1:] if facts.of_kind("attention", "recurrent") else names)


def _where(names: list[str]) -> str:
    return f" in front of {', '.join(names)}" if 0 < len(names) <= 3 else " in front of the dense layers"


def _state(facts: Facts) -> str:
    present = facts.of_kind("dropout")
    if present:
        return f"The model drops at most {max(layer.rate or 0.0 for layer in present):g} of its units."
    if facts.layers:
        return f"Nothing in the model ({facts.parameters:,} parameters) drops units."
    return "Whether the model drops units already is not known: if it does at this rate, leave it."


def _raise(facts: Facts, names: list[str], rate: float) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            for name in {json.dumps(names)}:
                layer = model.get_submodule(name)
                layer.p = max(layer.p, {rate:g})
        """,
        keras=f"""
            import keras


            def with_dropout(layer):
                config = layer.get_config()
                if layer.name in {json.dumps(names)}:
                    config["rate"] = max(config["rate"], {rate:g})
                return type(layer).from_config(config)


            model = keras.models.clone_model(model, clone_function=with_dropout)  # new weights
        """,
    )


def insert_dropout(facts: Facts, names: list[str], rate: float) -> str:
    """Return code that puts dropout in front of these layers, of the last dense layer where none is named."""
    given = f"names = {json.dumps(names)}" if names else ""
    return code_for(
        facts.framework,
        torch=f"""
            import torch

            {given or TORCH_LAST}
            for name in names:
                parent, _, child = name.rpartition(".")
                layer = torch.nn.Sequential(torch.nn.Dropout({rate:g}), model.get_submodule(name))
                setattr(model.get_submodule(parent), child, layer)
        """,
        keras=f"""
            import keras

            {given or KERAS_LAST}


            def with_dropout(layer):
                copy = type(layer).from_config(layer.get_config())
                if layer.name not in names:
                    return copy
                return keras.Sequential([keras.layers.Dropout({rate:g}), copy], name="dropped_" + layer.name)


            model = keras.models.clone_model(model, clone_function=with_dropout)  # new weights
        """,
    )
