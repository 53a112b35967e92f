"""Leave out whole residual blocks while training."""

from __future__ import annotations

import json
from typing import ClassVar, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import code_for, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

RATE = 0.1
FEWEST_BLOCKS = 4


@final
class StochasticDepth(Rule):
    """Advised for networks with four residual blocks or more, whose names are known.

    The rate grows from near 0 at the first block to 0.1 at the last. PyTorch only: in a Keras graph nobody can tell
    the branch from the shortcut of an addition.
    """

    id: ClassVar[str] = "stochastic_depth"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where no residual blocks are known."""
        blocks = facts.residual_blocks
        if not self.may_speak(diagnosis, facts) or len(blocks) < FEWEST_BLOCKS or facts.framework == "keras":
            return None
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"Skip residual blocks at random, at rates up to {RATE:g}",
            why=f"{what_happened(diagnosis)} The model has {len(blocks)} residual blocks; without some of them, "
            f"examples are harder to learn by heart, and each block has to be of use by itself. {effect.sentence}",
            change={"stochastic_depth": RATE},
            code=code_for("torch", torch=_torch(blocks), keras=""),
            caution="Training takes more epochs. Larger rates (0.2 to 0.5) are for networks of fifty blocks and more. "
            "Blocks that change the shape of their input are left alone.",
            source="Huang et al. 2016 (arXiv 1603.09382), with the linear rule for the rates; scaled while training, "
            "as is usual today, so that evaluation needs no change.",
            effect=effect.record,
        )


def _torch(blocks: tuple[str, ...]) -> str:
    return f"""
        import torch


        def skipping(rate):
            def skip(block, inputs, output):
                if not block.training or output.shape != inputs[0].shape:
                    return None
                kept = torch.rand(len(output), *[1] * (output.ndim - 1), device=output.device) >= rate
                return inputs[0] + (output - inputs[0]) * kept / (1.0 - rate)

            return skip


        blocks = {json.dumps(list(blocks))}
        for i, name in enumerate(blocks, start=1):
            model.get_submodule(name).register_forward_hook(skipping({RATE:g} * i / len(blocks)))
    """
