"""Pull single weights to zero."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

L1 = 1e-3
FEWEST_FEATURES = 20
EXAMPLES_FOR_A_FEATURE = 20


@final
class L1Penalty(Rule):
    """Advised for rows of numbers with many columns beside the examples, of which some may say nothing.

    From 20 columns on, and up to 20 examples for each. Silent where the columns or the examples are unknown, where
    the model has no dense layer to put it on, and where the train loss has a penalty already.
    """

    id: ClassVar[str] = "l1_penalty"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where the inputs are not known to be many columns."""
        features, n_train = facts.data.features or 0, facts.data.n_train or 0
        if not self.may_speak(diagnosis, facts) or facts.input_kind != "tabular" or features < FEWEST_FEATURES:
            return None
        first = next((layer.name for layer in facts.layers if layer.kind == "linear"), None)
        if not n_train or n_train > EXAMPLES_FOR_A_FEATURE * features or facts.loss is None or first is None:
            return None
        if facts.loss.penalty or "/" in first:
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Put an L1 penalty of {L1:g} on the weights of the first layer",
            why=f"{what_happened(diagnosis)} {features:,} columns for {n_train:,} training examples: some probably "
            f"say nothing, and an L1 penalty takes their weights to zero, which L2 and weight decay do not. "
            f"{effect.sentence}",
            change={"l1": L1},
            code=_code(facts, first),
            caution="Standardize the inputs first, since the penalty treats all columns alike. In Keras the penalty is "
            "part of both losses that are logged.",
            source="Tibshirani 1996 (J. R. Statist. Soc. B 58:267); Ng 2004 (ICML, Feature selection, L1 vs. L2): the "
            "examples that are needed grow with the logarithm of the useless columns.",
            effect=effect.record,
        )


def _code(facts: Facts, first: str) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            def add_gradient(weight):
                weight.grad.add_(weight.detach().sign(), alpha={L1:g})  # of {L1:g} * sum(|weight|)


            model.get_submodule("{first}").weight.register_post_accumulate_grad_hook(add_gradient)
        """,
        keras=f"""
            import keras


            def with_penalty(layer):
                config = layer.get_config()
                if layer.name == "{first}":
                    config["kernel_regularizer"] = keras.regularizers.L1({L1:g})
                return type(layer).from_config(config)


            optimizer, loss = model.optimizer.get_config(), model.loss
            kind = type(model.optimizer)
            model = keras.models.clone_model(model, clone_function=with_penalty)  # new weights
            model.compile(optimizer=kind.from_config(optimizer), loss=loss, metrics=["accuracy"])  # your own metrics
        """,
    )
