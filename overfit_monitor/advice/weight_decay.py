"""Decay the weights, by an amount sized from the run."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.level import LOW, loss_level
from overfit_monitor.advice.wording import code_for, two_digits, what_happened
from overfit_monitor.effects import effect_of
from overfit_monitor.facts import Facts, OptimizerFacts
from overfit_monitor.records import Diagnosis, Recommendation

# Timescale of the decay over the steps to the best, by how near to guessing the best was; benchmarks/advice.py.
TIMESCALE = 2.0
LONG_TIMESCALE, LONGEST_TIMESCALE = 4.0, 8.0
SMALLEST, LARGEST = 0.01, 30.0
SMALLEST_L2, LARGEST_L2 = 1e-5, 0.3
UNSIZED = 0.3
UNSIZED_L2 = 5e-4
USUAL_MOMENTUM = 0.9
DECOUPLED = frozenset(["adamw", "lion", "adafactor", "muon"])
TO_ADAMW = frozenset(["adam", "nadam", "radam", "adamax"])


class _Size(NamedTuple):
    value: float
    reason: str
    code_remark: str = ""


@final
class WeightDecay(Rule):
    """Advised where the decay is below what the run's own length asks for.

    Decay forgets the weights over ``1 / (learning rate * weight decay)`` optimizer steps, its timescale
    (arXiv 2405.13698); with SGD's momentum m over ``(1 - m)`` times as many. The value makes that twice the steps
    to the best checkpoint; four times for a regression and with normalization layers; eight times where the best
    validation loss of a classifier is below a quarter of that of guessing, since confident predictions need large
    weights. Within 0.01 to 30, for SGD's L2 penalty 0.00001 to 0.3. Adam's L2 is not the same thing, so Adam
    becomes AdamW. Silent for optimizers whose decay it does not know.
    """

    id: ClassVar[str] = "weight_decay"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where as much decay is in place or the optimizer takes none."""
        if not self.may_speak(diagnosis, facts):
            return None
        optimizer = facts.optimizer
        name = "" if optimizer is None else optimizer.name.lower()
        switch = optimizer is None or (name in TO_ADAMW and not _decoupled(optimizer, facts))
        if not (name == "sgd" or switch or (optimizer is not None and _decoupled(optimizer, facts))):
            return None
        size = _sized(diagnosis, facts)
        present = 0.0 if optimizer is None else optimizer.weight_decay or 0.0
        if present >= size.value:
            return None
        change: dict[str, float | str] = {"weight_decay": size.value}
        effect = effect_of(self.id, facts)
        return Recommendation(
            id=self.id,
            title=f"{'Use AdamW with' if switch else 'Set'} weight decay {size.value:g}"
            f"{f' instead of {present:g}' if present and not switch else ''}",
            why=f"{what_happened(diagnosis)} {_state(optimizer, switch=switch)}{size.reason} {effect.sentence}",
            change=change | ({"optimizer": "AdamW"} if switch else {}),
            code=_code(facts, size, switch=switch),
            caution="Biases and normalization layers are left out. The value belongs to this learning rate and batch "
            "size: with another of either, size it again. A schedule that lowers the learning rate weakens the decay. "
            "In front of normalization layers it acts through the learning rate more than on the function. Run this "
            "before a learning-rate scheduler is made.",
            source="arXiv 2405.13698 (AdamW as an average over 1 / (learning rate x decay) steps), arXiv 1711.05101 "
            "(L2 in Adam is not weight decay).",
            effect=effect.record,
        )


def _decoupled(optimizer: OptimizerFacts, facts: Facts) -> bool:
    """Keras decouples the decay of every optimizer; elsewhere the optimizer is asked, or else known by its name."""
    if facts.framework == "keras":
        return True
    return optimizer.name.lower() in DECOUPLED if optimizer.decoupled is None else optimizer.decoupled


def _sized(diagnosis: Diagnosis, facts: Facts) -> _Size:
    optimizer, steps_per_epoch = facts.optimizer, facts.steps_per_epoch
    rate = None if optimizer is None else optimizer.learning_rate
    sgd = optimizer is not None and optimizer.name.lower() == "sgd" and facts.framework != "keras"
    if not rate or not steps_per_epoch or diagnosis.best_step is None:
        return _unsized("learning rate" if not rate else "number of optimizer steps in an epoch", sgd=sgd)
    steps = (max(0, diagnosis.best_step) + 1) * steps_per_epoch
    timescale, why = _timescale(diagnosis, facts)
    force = rate / (1.0 - _momentum(optimizer)) if sgd else rate
    wanted = 1.0 / (timescale * force * steps)
    smallest, largest = (SMALLEST_L2, LARGEST_L2) if sgd else (SMALLEST, LARGEST)
    value = two_digits(min(largest, max(smallest, wanted)))
    limited = "" if smallest <= wanted <= largest else f" (sized {wanted:.2g}, kept within {smallest:g} to {largest:g})"
    return _Size(
        value,
        f"The best checkpoint came after {steps:,} optimizer steps at learning rate {rate:g}. With {value:g} the "
        f"weights are forgotten over {1.0 / (force * value):,.0f} steps; the aim is {timescale:g} times the steps to "
        f"the best{limited}{why}. A much smaller value would hardly act in this run.",
    )


def _momentum(optimizer: OptimizerFacts | None) -> float:
    known = USUAL_MOMENTUM if optimizer is None or optimizer.momentum is None else optimizer.momentum
    return min(known, 0.999)


def _timescale(diagnosis: Diagnosis, facts: Facts) -> tuple[float, str]:
    level = loss_level(diagnosis, facts)
    if level is not None and level < LOW:
        return LONGEST_TIMESCALE, f", since the best loss is {level:.0%} of that of guessing and needs large weights"
    if facts.loss is not None and facts.loss.classification is False:
        return LONG_TIMESCALE, ""
    if facts.of_kind("norm"):
        return LONG_TIMESCALE, ", since behind normalization layers decay acts through the learning rate, too"
    return TIMESCALE, ""


def _unsized(missing: str, *, sgd: bool) -> _Size:
    formula = f"1 / ({TIMESCALE:g} * learning_rate * optimizer_steps_to_the_best_epoch)"
    if sgd:
        formula = f"(1 - momentum) / ({TIMESCALE:g} * learning_rate * optimizer_steps_to_the_best_epoch)"
        value, reason = UNSIZED_L2, f"{UNSIZED_L2:g} is usual for SGD"
    else:
        value, reason = UNSIZED, f"{UNSIZED:g} is the middle of the range 0.1 to 1"
    return _Size(
        value,
        f"The {missing} is not known, so {reason} and not sized; sized, it would be {formula}.",
        f"\n# sized from the run: weight_decay = {formula}",
    )


def _state(optimizer: OptimizerFacts | None, *, switch: bool) -> str:
    if optimizer is None:
        return "The optimizer is not known: if it is AdamW with as much decay already, leave it. "
    present = optimizer.weight_decay or 0.0
    if switch:
        l2 = f" with an L2 penalty of {present:g}" if present else " without decay"
        return f"The optimizer is {optimizer.name}{l2}; in Adam an L2 penalty is scaled away with the gradient. "
    return f"{optimizer.name} has a weight decay of {present:g}. "


def _code(facts: Facts, size: _Size, *, switch: bool) -> str:
    return code_for(
        facts.framework,
        torch=(_torch_switch(size.value) if switch else _torch_in_place(size.value)) + size.code_remark,
        keras=(_keras_switch(size.value) if switch else _keras_in_place(size.value)) + size.code_remark,
    )


def _torch_in_place(value: float) -> str:
    return f"""\
for group in list(optimizer.param_groups):
    vectors = [p for p in group["params"] if p.ndim < 2]  # biases and normalization
    group["params"] = [p for p in group["params"] if p.ndim >= 2]
    group["weight_decay"] = max(group["weight_decay"], {value:g})
    optimizer.add_param_group({{**group, "params": vectors, "weight_decay": 0.0}})"""


def _torch_switch(value: float) -> str:
    return f"""\
import torch

learning = [p for p in model.parameters() if p.requires_grad]
groups = [
    {{"params": [p for p in learning if p.ndim >= 2], "weight_decay": {value:g}}},
    {{"params": [p for p in learning if p.ndim < 2], "weight_decay": 0.0}},  # biases and normalization
]
optimizer = torch.optim.AdamW(groups, lr=optimizer.param_groups[0]["lr"])"""


def _keras_in_place(value: float) -> str:
    return f"""\
config = model.optimizer.get_config()
config["weight_decay"] = max(config["weight_decay"] or 0.0, {value:g})
optimizer = type(model.optimizer).from_config(config)
vectors = [v for v in model.trainable_variables if len(v.shape) < 2]  # biases and normalization
optimizer.exclude_from_weight_decay(var_list=vectors)
model.compile(optimizer=optimizer, loss=model.loss, metrics=["accuracy"])  # your own metrics"""


def _keras_switch(value: float) -> str:
    return f"""\
import keras

learning_rate = model.optimizer.get_config()["learning_rate"]
optimizer = keras.optimizers.AdamW(learning_rate=learning_rate, weight_decay={value:g})
vectors = [v for v in model.trainable_variables if len(v.shape) < 2]  # biases and normalization
optimizer.exclude_from_weight_decay(var_list=vectors)
model.compile(optimizer=optimizer, loss=model.loss, metrics=["accuracy"])  # your own metrics"""
