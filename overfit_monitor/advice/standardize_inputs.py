"""Bring the inputs to mean 0 and standard deviation 1."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation


@final
class StandardizeInputs(Rule):
    """Advised where the training inputs were seen to be on scales of their own.

    Silent where nobody has looked at them, for token ids, and where the network begins with a normalization.
    """

    id: ClassVar[str] = "standardize_inputs"
    against: ClassVar[tuple[str, ...]] = ("overfitting", "underfitting")

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the inputs are not known to need it."""
        data = facts.data
        if not self.may_speak(diagnosis, facts) or not data.unscaled or facts.input_kind == "text":
            return None
        if facts.layers and facts.layers[0].kind == "norm":
            return None
        of_all = f" of {data.features:,}" if data.features else ""
        constant = f" {data.constant:,} have one value only and say nothing." if data.constant else ""
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title="Standardize the inputs by the mean and the standard deviation of the training set",
            why=f"{what_happened(diagnosis)} {data.unscaled:,}{of_all} input columns are far from mean 0 and standard "
            f"deviation 1: the largest decide what is learned first, and weight decay and learning rate act on each "
            f"of them differently.{constant} {effect.sentence}",
            change={"standardize": True},
            code=_code(facts),
            caution="Take mean and standard deviation from the training set alone, and keep them with the model. A "
            "new learning rate may fit better afterwards. Columns that are categories are to be encoded instead.",
            source="LeCun et al. 1998 (Efficient BackProp, section 4.3).",
            effect=effect.record,
        )


def _code(facts: Facts) -> str:
    return code_for(
        facts.framework,
        torch="""
            import torch

            x = torch.cat([batch[0] for batch in train_loader]).double()
            mean, scale = x.mean(0), x.std(0)
            scale = torch.where(x.amax(0) > x.amin(0), scale, 1.0)  # columns with one value only stay


            def standardize(module, inputs):
                return ((inputs[0] - mean.to(inputs[0])) / scale.to(inputs[0]), *inputs[1:])


            model.register_forward_pre_hook(standardize)
        """,
        keras="""
            import keras
            import numpy as np

            mean, variance = (f(x_train, axis=0, dtype="float64") for f in (np.mean, np.var))
            variance = np.where(np.ptp(x_train, axis=0) > 0.0, variance, 1.0)  # columns with one value only stay
            standardize = keras.layers.Normalization(mean=mean, variance=variance)
            optimizer, loss = model.optimizer.get_config(), model.loss
            kind = type(model.optimizer)
            model = keras.Sequential([keras.Input(shape=model.input_shape[1:]), standardize, model])
            model.compile(optimizer=kind.from_config(optimizer), loss=loss, metrics=["accuracy"])  # your own metrics
        """,
    )
