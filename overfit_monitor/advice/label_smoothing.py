"""Train a classifier against slightly softened labels."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.level import LOW, loss_level
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts, Framework, LossFacts
from overfit_monitor.records import Diagnosis, Recommendation

SMOOTHING = 0.1
# Losses by the name they have once case, underscores and a trailing "loss" are gone.
TORCH_LOSSES = frozenset(["crossentropy"])
KERAS_NATIVE = {
    "categoricalcrossentropy": "CategoricalCrossentropy",
    "binarycrossentropy": "BinaryCrossentropy",
}
KERAS_SPARSE = "sparsecategoricalcrossentropy"


@final
class LabelSmoothing(Rule):
    """Advised for classification with a cross-entropy loss that has none yet.

    Silent where the loss is unknown, since for a regression it would be wrong, and where the
    loss cannot take it (PyTorch's binary losses). Silent as well where the best validation loss is below a quarter of
    that of guessing: such a model is sure with reason.
    """

    id: ClassVar[str] = "label_smoothing"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the loss is not known to be one that can be smoothed."""
        loss = facts.loss
        if not self.may_speak(diagnosis, facts) or loss is None or loss.classification is not True:
            return None
        code = _code(loss, facts.framework)
        if code is None or (loss.label_smoothing or 0.0) > 0.0:
            return None
        level = loss_level(diagnosis, facts)
        if level is not None and level < LOW:
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Smooth the labels by {SMOOTHING:g}",
            why=f"{what_happened(diagnosis)} {loss.name} rewards ever higher confidence on the training examples, and "
            "pays for every confident mistake on validation; smoothed labels take that reward away. "
            f"{effect.sentence}",
            change={"label_smoothing": SMOOTHING},
            code=code,
            caution="A smoothed loss is higher by construction: compare validation with earlier runs by a plain loss "
            "or by accuracy (the code for PyTorch smooths in training only). Not with mixup, which softens labels too, "
            "and not for a network that is to teach another one (Mueller, Kornblith and Hinton 2019).",
            source="Szegedy et al. 2016 (arXiv 1512.00567).",
            effect=effect.record,
        )


def _code(loss: LossFacts, framework: Framework | None) -> str | None:
    name = loss.name.lower().replace("_", "").removesuffix("loss")
    if framework != "keras" and name in TORCH_LOSSES:
        return code_for("torch", torch=_torch(loss), keras="")
    if framework == "torch":
        return None
    if name in KERAS_NATIVE:
        return code_for("keras", torch="", keras=_keras_native(KERAS_NATIVE[name]))
    return code_for("keras", torch="", keras=_keras_sparse()) if name == KERAS_SPARSE else None


def _torch(loss: LossFacts) -> str:
    made = "criterion = torch.nn.CrossEntropyLoss()\n" if loss.name != "CrossEntropyLoss" else ""
    return f"""\
import torch

{made}criterion.label_smoothing = {SMOOTHING:g}


def smooth_in_training_only(module, inputs):
    module.label_smoothing = {SMOOTHING:g} if torch.is_grad_enabled() else 0.0


def as_before(module, inputs, loss):
    module.label_smoothing = {SMOOTHING:g}


criterion.register_forward_pre_hook(smooth_in_training_only)
criterion.register_forward_hook(as_before)"""


def _keras_native(loss: str) -> str:
    return f"""
        import keras

        from_logits = getattr(model.loss, "from_logits", False)
        loss = keras.losses.{loss}(from_logits=from_logits, label_smoothing={SMOOTHING:g})
        model.compile(optimizer=model.optimizer, loss=loss, metrics=["accuracy"])  # your own metrics
    """


def _keras_sparse() -> str:
    return f"""
        import keras

        from_logits = getattr(model.loss, "from_logits", False)


        def smoothed_crossentropy(y_true, y_pred):
            labels = keras.ops.cast(keras.ops.reshape(y_true, (-1,)), "int32")
            one_hot = keras.ops.one_hot(labels, y_pred.shape[-1])
            return keras.losses.categorical_crossentropy(
                one_hot, y_pred, from_logits=from_logits, label_smoothing={SMOOTHING:g}
            )


        model.compile(optimizer=model.optimizer, loss=smoothed_crossentropy, metrics=["accuracy"])  # your own metrics
    """
