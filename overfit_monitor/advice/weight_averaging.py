"""Validate and keep a moving average of the weights."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, two_digits, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

EPOCHS = 2.0
UNSIZED = 0.99
SMALLEST, LARGEST = 0.8, 0.9999


@final
class WeightAveraging(Rule):
    """Advised unless an average is validated already.

    The average forgets over two epochs of optimizer steps, ``decay = 1 - 1 / (2 * steps per epoch)``,
    within 0.8 to 0.9999; 0.99 where the steps are unknown.
    """

    id: ClassVar[str] = "weight_averaging"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where an average is in place."""
        if not self.may_speak(diagnosis, facts) or facts.averaged:
            return None
        steps = facts.steps_per_epoch
        decay = UNSIZED
        sized = f"{UNSIZED:g} is the usual value; the steps of an epoch, to size it from, are not known."
        if steps:
            decay = min(LARGEST, max(SMALLEST, _nines(1.0 - 1.0 / (EPOCHS * steps))))
            sized = f"An epoch has {steps:,} optimizer steps; {decay:g} averages over about {EPOCHS:g} epochs of them."
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Average the weights with decay {decay:g}, and validate and keep the average",
            why=f"{what_happened(diagnosis)} The mean of the last weights makes fewer of the mistakes that single "
            f"batches cause, and does not change the training itself. {sized} {effect.sentence}",
            change={"weight_averaging": decay},
            code=_code(facts, decay),
            caution="The best step is another one with averaged weights. Running statistics of batch normalization "
            "are those of the last weights: recompute them after training (torch.optim.swa_utils.update_bn). While "
            "the learning rate is near zero, the average differs little from the weights.",
            source="Polyak and Juditsky 1992 (SIAM J. Control Optim. 30:838); Izmailov et al. 2018 (arXiv 1803.05407).",
            effect=effect.record,
        )


def _nines(decay: float) -> float:
    """Two digits of what is forgotten, so that 0.9934 is 0.9934 and not 0.99."""
    return round(1.0 - two_digits(1.0 - decay), 8)


def _code(facts: Facts, decay: float) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            from overfit_monitor_torch import average_weights

            # in eval mode the model has the averaged weights, in train mode its own
            averaging = average_weights(model, optimizer, decay={decay:g})
        """,
        keras=f"""
            import keras

            config = {{**model.optimizer.get_config(), "use_ema": True, "ema_momentum": {decay:g}}}
            optimizer = type(model.optimizer).from_config(config)
            model.compile(optimizer=optimizer, loss=model.loss, metrics=["accuracy"])  # your own metrics
            callbacks = [keras.callbacks.SwapEMAWeights(swap_on_epoch=True)]  # before the monitor, in fit
        """,
    )
