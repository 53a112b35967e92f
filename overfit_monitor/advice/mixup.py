"""Train on mixtures of two examples."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

ALPHA = 0.2


@final
class Mixup(Rule):
    """Advised for classification of images, series or rows of numbers that are not augmented yet.

    Silent with label smoothing, since mixed labels are soft already; for token ids, which cannot be mixed; and
    where the kind of the inputs is unknown.
    """

    id: ClassVar[str] = "mixup"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where examples cannot be mixed or are augmented."""
        loss, kind = facts.loss, facts.input_kind
        if not self.may_speak(diagnosis, facts) or facts.data.augmented or kind in (None, "text"):
            return None
        if loss is None or loss.classification is not True or (loss.label_smoothing or 0.0) > 0.0:
            return None
        if "label_smoothing" in facts.applied or (facts.framework == "torch" and loss.name.islower()):
            return None
        effect = effect_of(self.id, facts)
        cut = " CutMix (arXiv 1905.04899), which pastes a part of one image into another, is the next to try."
        return Recommendation(
            id=self.id,
            title=f"Mix pairs of training examples (mixup, alpha {ALPHA:g})",
            why=f"{what_happened(diagnosis)} A network that sees mixtures of two examples, with the loss of both, "
            f"cannot learn single examples by heart. {effect.sentence}",
            change={"augmentation": "mixup", "mixup": ALPHA},
            code=code_for(facts.framework, torch=_torch(), keras=_keras()),
            caution="Not together with label smoothing. The train metric is that of mixtures and looks worse than it "
            f"is.{cut if kind == 'image' else ' Not for one-hot columns that exclude each other.'}",
            source="Zhang et al. 2018 (arXiv 1710.09412), whose range for alpha is 0.1 to 0.4.",
            effect=effect.record,
        )


def _torch() -> str:
    return f"""
            import torch

            beta, mixed = torch.distributions.Beta({ALPHA:g}, {ALPHA:g}), []


            def mix_inputs(module, inputs):
                if not module.training:
                    return None
                x, share = inputs[0], float(beta.sample())
                order = torch.randperm(len(x), device=x.device)
                mixed[:] = [order, share]
                return (share * x + (1.0 - share) * x[order], *inputs[1:])


            def mix_losses(criterion, inputs, loss):
                if not mixed or not torch.is_grad_enabled():
                    return None
                order, share = mixed
                mixed.clear()
                return share * loss + (1.0 - share) * criterion.forward(inputs[0], inputs[1][order])


            model.register_forward_pre_hook(mix_inputs)
            criterion.register_forward_hook(mix_losses)
        """


def _keras() -> str:
    return f"""
            import keras
            import numpy as np


            class Mixed(keras.utils.PyDataset):
                def __init__(self, x, y, batch_size, sparse):
                    super().__init__()
                    self.x, self.y = x, np.eye(int(y.max()) + 1)[y.reshape(-1)] if sparse else y
                    self.batch_size, self.draw = batch_size, np.random.default_rng(0)

                def __len__(self):
                    return -(-len(self.x) // self.batch_size)

                def __getitem__(self, _):
                    first, second = self.draw.integers(len(self.x), size=(2, self.batch_size))
                    share = self.draw.beta({ALPHA:g}, {ALPHA:g})
                    return tuple(share * part[first] + (1 - share) * part[second] for part in (self.x, self.y))


            sparse = "sparse" in str(getattr(model.loss, "name", model.loss)).lower()
            train_data = Mixed(x_train, y_train, batch_size=32, sparse=sparse)  # for fit, in place of x and y
            if sparse:
                from_logits = getattr(model.loss, "from_logits", False)
                loss = keras.losses.CategoricalCrossentropy(from_logits=from_logits)
                model.compile(optimizer=model.optimizer, loss=loss, metrics=["accuracy"])  # your own metrics
                y_val = np.eye(model.output_shape[-1])[y_val.reshape(-1)]
        """
