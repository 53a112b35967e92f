"""Give the network fewer hidden units."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts, LayerFacts
from overfit_monitor.records import Diagnosis, Recommendation

FACTOR = 0.5
EXCESS = 10
NARROWEST = 16


@final
class SmallerModel(Rule):
    """Advised for dense networks with more than ten parameters for every training example.

    Silent where the model or the number of examples is unknown, and for networks with
    convolution, recurrence, attention, embedding or normalization, whose widths hang together, for
    branches, and for frozen layers.
    """

    id: ClassVar[str] = "smaller_model"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the model is not known to be a large dense network."""
        n_train, names = facts.data.n_train, hidden_layers(facts)
        if not self.may_speak(diagnosis, facts) or not n_train or not names:
            return None
        if facts.parameters <= EXCESS * n_train:
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Make the hidden layers {FACTOR:g} times as wide",
            why=f"{what_happened(diagnosis)} The model has {facts.parameters:,} parameters for {n_train:,} training "
            f"examples, {facts.parameters / n_train:,.0f} for each; a quarter to a half of them would be left. The "
            f"ratio is context and no proof: large networks often generalize well. {effect.sentence}",
            change={"width_factor": FACTOR},
            code=resized(facts, names, FACTOR),
            caution="Regularize first: of the changes that were measured, this one harms often. Where the smaller "
            "network no longer reaches a low train loss, it is too small. The weights start anew: make the optimizer "
            "after the model.",
            source="Google's tuning playbook prefers regularization to a smaller model; Zhang et al. 2017 (arXiv "
            "1611.03530) on why counting parameters predicts little.",
            effect=effect.record,
        )


def hidden_layers(facts: Facts, *, narrowest: int = NARROWEST) -> list[str]:
    """Return the dense layers whose width can be changed, all but the last; none where there is more than a chain."""
    layers = [layer for layer in facts.layers if layer.kind != "dropout"]
    if any(layer.kind != "linear" or "/" in layer.name for layer in layers) or not _is_chain(layers):
        return []
    return [layer.name for layer in layers[:-1] if (layer.width or 0) >= narrowest]


def _is_chain(layers: list[LayerFacts]) -> bool:
    """Whether each layer reads the one before: its parameters are inputs x width, with or without biases."""
    return all(
        after.parameters in _sizes(before.width or 0, after.width or 0) for before, after in pairwise(layers)
    ) and all(layer.parameters > 0 for layer in layers)


def _sizes(inputs: int, width: int) -> tuple[int, int]:
    return inputs * width, inputs * width + width


def resized(facts: Facts, names: list[str], factor: float) -> str:
    """Return code that makes these dense layers so many times as wide."""
    return code_for(
        facts.framework,
        torch=f"""
            import torch

            resized = {json.dumps(names)}
            linear = {{n: layer for n, layer in model.named_modules() if isinstance(layer, torch.nn.Linear)}}
            inputs = next(iter(linear.values())).in_features
            for name, old in linear.items():
                outputs = round(old.out_features * {factor:g}) if name in resized else old.out_features
                parent, _, child = name.rpartition(".")
                new = torch.nn.Linear(inputs, outputs, bias=old.bias is not None)
                setattr(model.get_submodule(parent), child, new)
                inputs = outputs
        """,
        keras=f"""
            import keras

            resized = {json.dumps(names)}


            def resize(layer):
                config = layer.get_config()
                if layer.name in resized:
                    config["units"] = round(config["units"] * {factor:g})
                return type(layer).from_config(config)


            model = keras.models.clone_model(model, clone_function=resize)
        """,
    )
