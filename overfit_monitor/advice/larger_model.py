"""Give a network that underfits more hidden units."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.smaller_model import hidden_layers, resized
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

FACTOR = 2


@final
class LargerModel(Rule):
    """Advised against underfitting for networks that are a chain of dense layers, and fewer parameters than examples.

    With more parameters than training values a network could have learned them, and something else is wrong.
    """

    id: ClassVar[str] = "larger_model"
    against: ClassVar[tuple[str, ...]] = ("underfitting",)

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the model is not known to be small."""
        names, n_train = hidden_layers(facts, narrowest=1), facts.data.n_train
        if not self.may_speak(diagnosis, facts) or not names or not n_train or facts.parameters > n_train:
            return None
        return Recommendation(
            id=self.id,
            title=f"Make the hidden layers {FACTOR:g} times as wide",
            why=f"Train and validation both stay high. The model has {facts.parameters:,} parameters for {n_train:,} "
            "training examples and may be too small for what is to be learned.",
            change={"width_factor": FACTOR},
            code=resized(facts, names, FACTOR),
            caution="First make sure that the network can learn at all: train it on 20 examples until it knows them by "
            "heart. If it cannot, the fault is in the data, the loss or the learning rate. The weights start anew.",
            source="Goodfellow, Bengio and Courville 2016 (Deep Learning, section 11.3); Karpathy's recipe for "
            "training neural networks, on learning one batch by heart first. Not measured in our own benchmark.",
        )
