"""Add a little noise to the inputs."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

SCALE = 0.1


@final
class InputNoise(Rule):
    """Advised for inputs that are numbers and no images and are not augmented yet.

    Silent where the kind of the inputs is unknown, and in front of an embedding.
    """

    id: ClassVar[str] = "input_noise"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where noise would make no sense or may not."""
        data = facts.data
        if not self.may_speak(diagnosis, facts) or data.image is not False or data.augmented:
            return None
        if facts.of_kind("embedding"):
            return None
        known = (
            " Whether the data is augmented already is not known: if so, leave it." if data.augmented is None else ""
        )
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Add noise of {SCALE:g} standard deviations on the inputs",
            why=f"{what_happened(diagnosis)} Noise keeps the network from learning single examples by heart.{known} "
            f"{effect.sentence}",
            change={"augmentation": "noise", "noise_scale": SCALE},
            code=_code(facts),
            caution="For inputs with mean 0 and standard deviation 1 only: standardize first. Not for categories, "
            "one-hot columns or token ids.",
            source="Bishop 1995 (Neural Computation 7: training with noise is Tikhonov regularization).",
            effect=effect.record,
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            import torch


            def add_noise(module, inputs):
                if not module.training:
                    return None
                return (inputs[0] + {SCALE:g} * torch.randn_like(inputs[0]), *inputs[1:])


            model.register_forward_pre_hook(add_noise)
        """,
        keras=f"""
            import keras

            noise = keras.layers.GaussianNoise({SCALE:g})
            loss = model.loss
            model = keras.Sequential([keras.Input(shape=model.input_shape[1:]), noise, model])
            model.compile(optimizer="adamw", loss=loss, metrics=["accuracy"])  # your own optimizer and metrics
        """,
    )
