"""Train only the last layers of a network that was trained before."""

from __future__ import annotations

import json
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

SHARE = 0.5
FEWEST_LAYERS = 4


@final
class FreezeLayers(Rule):
    """Advised when fine-tuning: the first half of the layers with weights, whose features are the most general.

    Silent unless the weights are known to come from another training and half of the layers or more still learn.
    """

    id: ClassVar[str] = "freeze_layers"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where this is not known to be a fine-tuning."""
        layers = [layer for layer in facts.layers if layer.kind != "dropout"]
        learning = [layer for layer in layers if layer.parameters]
        if not self.may_speak(diagnosis, facts) or facts.pretrained is not True or len(layers) < FEWEST_LAYERS:
            return None
        if len(learning) <= SHARE * len(layers):
            return None
        names = [layer.name for layer in layers[: int(SHARE * len(layers))] if "/" not in layer.name]
        if not names:
            return None
        frozen = sum(layer.parameters for layer in layers if layer.name in names)
        return Recommendation(
            id=self.id,
            title=f"Freeze the first {len(names)} of {len(layers)} layers",
            why=f"{what_happened(diagnosis)} The network was trained before: its first layers hold general features "
            f"that these examples can only spoil. Frozen, {facts.parameters - frozen:,} of {facts.parameters:,} "
            "parameters go on learning.",
            change={"frozen_layers": len(names)},
            code=_code(facts, names),
            caution="Not where the new inputs look very different from those of the first training. Low-rank "
            "adaptation (LoRA, arXiv 2106.09685; the package peft) is the other way to change little, and usual for "
            "transformers. Frozen batch normalization has to stay in eval mode.",
            source="Yosinski et al. 2014 (arXiv 1411.1792): first layers transfer, last ones are special; Howard and "
            "Ruder 2018 (arXiv 1801.06146) on unfreezing step by step. Not measured in our own benchmark.",
        )


def _code(facts: Facts, names: list[str]) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            for name in {json.dumps(names)}:
                model.get_submodule(name).requires_grad_(False)
        """,
        keras=f"""
            for name in {json.dumps(names)}:
                model.get_layer(name).trainable = False
            optimizer, loss = model.optimizer.get_config(), model.loss
            kind = type(model.optimizer)
            model.compile(optimizer=kind.from_config(optimizer), loss=loss, metrics=["accuracy"])  # your own metrics
        """,
    )
