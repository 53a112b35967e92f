"""Drop whole tokens of a text while training."""

from __future__ import annotations

from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

RATE = 0.1


@final
class TokenDropout(Rule):
    """Advised for models that begin with an embedding and are not augmented yet."""

    id: ClassVar[str] = "token_dropout"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where there is no embedding or the data is augmented."""
        names = [layer.name for layer in facts.of_kind("embedding") if "/" not in layer.name]
        if not self.may_speak(diagnosis, facts) or not names or facts.data.augmented:
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Drop tokens at random at a rate of {RATE:g}",
            why=f"{what_happened(diagnosis)} A text of which a few tokens are missing nearly always keeps its label, "
            f"and never comes back the same. {effect.sentence}",
            change={"augmentation": "token_dropout", "token_dropout": RATE},
            code=_code(facts, names[0]),
            caution="Not where a single token decides the label. The train metric is measured with tokens dropped and "
            "looks worse than it is.",
            source="Gal and Ghahramani 2016 (arXiv 1512.05287), who drop word types; Iyyer et al. 2015 (ACL, Deep "
            "Unordered Composition), who drop tokens.",
            effect=effect.record,
        )


def _code(facts: Facts, name: str) -> str:
    return code_for(
        facts.framework,
        torch=f"""
            import torch


            def drop_tokens(module, inputs, vectors):
                if not module.training:
                    return None
                kept = torch.rand(*vectors.shape[:-1], 1, device=vectors.device) >= {RATE:g}
                return vectors * kept / (1.0 - {RATE:g})


            model.get_submodule("{name}").register_forward_hook(drop_tokens)
        """,
        keras=f"""
            import keras


            def with_dropped_tokens(layer):
                copy = type(layer).from_config(layer.get_config())
                if layer.name != "{name}":
                    return copy
                dropped = keras.layers.Dropout({RATE:g}, noise_shape=(None, None, 1))
                return keras.Sequential([copy, dropped], name="dropped_" + layer.name)


            optimizer, loss = model.optimizer.get_config(), model.loss
            kind = type(model.optimizer)
            model = keras.models.clone_model(model, clone_function=with_dropped_tokens)  # new weights
            model.compile(optimizer=kind.from_config(optimizer), loss=loss, metrics=["accuracy"])  # your own metrics
        """,
    )
