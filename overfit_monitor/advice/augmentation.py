"""Show every image a little shifted."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

SHIFT = 0.1


@final
class Augmentation(Rule):
    """Advised for images that are not augmented yet: a random shift by up to a tenth of the image.

    A shift keeps the label of nearly every image, which a flip or a rotation does not (digits,
    text). Silent where it is not known that the inputs are images.
    """

    id: ClassVar[str] = "augmentation"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the inputs are not known to be images without augmentation."""
        data = facts.data
        if not self.may_speak(diagnosis, facts) or data.image is not True or data.augmented:
            return None
        effect = effect_of(self.id, facts)
        number = "the" if data.n_train is None else f"{data.n_train:,}"
        known = " Whether they are augmented already is not known: if so, leave it." if data.augmented is None else ""
        return Recommendation(
            id=self.id,
            title=f"Shift the training images at random by up to {SHIFT:g} of their size",
            why=f"{what_happened(diagnosis)} The same {number} training images come back in every epoch; shifted, "
            f"none of them comes back exactly, and their labels stay right.{known} {effect.sentence}",
            change={"augmentation": "shift", "shift": SHIFT},
            code=_code(facts),
            caution="Not where the place of a thing in the image is its label. The train metric is measured on "
            "shifted images and looks worse than it is; training takes longer. Flips, crops and random erasing (arXiv "
            "1708.04896) are next, where they keep the label.",
            source="Shorten and Khoshgoftaar 2019 (Journal of Big Data 6:60), a survey.",
            effect=effect.record,
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            import torch


            def shift_images(module, inputs):
                if not module.training:
                    return None
                images = inputs[0]  # batch, channels, height, width
                height, width = images.shape[-2:]
                pad = max(1, round({SHIFT:g} * width))
                wide = torch.nn.functional.pad(images, (pad, pad, pad, pad), mode="replicate")
                corners = torch.randint(0, 2 * pad + 1, (len(images), 2)).tolist()
                moved = [image[:, y : y + height, x : x + width] for image, (y, x) in zip(wide, corners)]
                return (torch.stack(moved), *inputs[1:])


            model.register_forward_pre_hook(shift_images)
        """,
        keras=f"""
            import keras

            shift = keras.layers.RandomTranslation({SHIFT:g}, {SHIFT:g}, fill_mode="nearest")
            loss = model.loss
            model = keras.Sequential([keras.Input(shape=model.input_shape[1:]), shift, model])
            model.compile(optimizer="adamw", loss=loss, metrics=["accuracy"])  # your own optimizer and metrics
        """,
    )
