"""Normalize hidden layers."""

from __future__ import annotations

import json
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FEWEST_HIDDEN = 3


@final
class Normalization(Rule):
    """Advised for a network with three hidden dense or convolutional layers or more and no normalization.

    Layer normalization behind dense layers and batch normalization behind convolutions, as is usual. Silent where
    the model is unknown or has dropout in front of what would be normalized (arXiv 1801.05134).
    """

    id: ClassVar[str] = "normalization"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "underfitting", "instability")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where there is no place for it or there is one already."""
        hidden = [layer for layer in facts.layers if layer.kind in ("linear", "conv")][:-1]
        if not self.may_speak(diagnosis, facts) or len(hidden) < FEWEST_HIDDEN or facts.of_kind("norm", "dropout"):
            return None
        if facts.of_kind("attention", "recurrent") or any("/" in layer.name for layer in hidden):
            return None
        kind = "batch" if hidden[0].kind == "conv" else "layer"
        names = [layer.name for layer in hidden if (layer.kind == "conv") is (kind == "batch")]
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Put {kind} normalization behind {len(names)} hidden layers",
            why=f"{what_happened(diagnosis)} The model has {len(hidden)} hidden layers and normalizes none of them. "
            f"Normalization steadies the training and regularizes a little. {effect.sentence}",
            change={"normalization": kind},
            code=_code(facts, names, kind),
            caution="Leave its weights out of weight decay, and do not put dropout in front of batch normalization. "
            "Batches of fewer than about 16 make batch normalization noisy: take group normalization there. A higher "
            "learning rate may fit better afterwards.",
            source="Ioffe and Szegedy 2015 (arXiv 1502.03167); Ba et al. 2016 (arXiv 1607.06450).",
            effect=effect.record,
        )


def _code(facts: Facts, names: list[str], kind: str) -> str:
    layer = {"layer": "torch.nn.LayerNorm(old.out_features)", "batch": "torch.nn.BatchNorm2d(old.out_channels)"}[kind]
    keras_layer = {"layer": "LayerNormalization()", "batch": "BatchNormalization()"}[kind]
    return code_for(
        facts.framework,
        torch=f"""
            import torch

            for name in {json.dumps(names)}:
                parent, _, child = name.rpartition(".")
                old = model.get_submodule(name)
                setattr(model.get_submodule(parent), child, torch.nn.Sequential(old, {layer}))
            # make the optimizer after this, so that it has the new weights
        """,
        keras=f"""
            import keras


            def normalized(layer):
                config = layer.get_config()
                if layer.name not in {json.dumps(names)}:
                    return type(layer).from_config(config)
                activation, config["activation"] = config["activation"], "linear"
                copy, after = type(layer).from_config(config), keras.layers.Activation(activation)
                return keras.Sequential([copy, keras.layers.{keras_layer}, after], name="normalized_" + layer.name)


            optimizer, loss = model.optimizer.get_config(), model.loss
            kind = type(model.optimizer)
            model = keras.models.clone_model(model, clone_function=normalized)  # new weights
            model.compile(optimizer=kind.from_config(optimizer), loss=loss, metrics=["accuracy"])  # your own metrics
        """,
    )
