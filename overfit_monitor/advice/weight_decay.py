"""Decay the weights, by an amount sized from the run."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, final

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.wording import BENCHMARK, code_for, may_speak, two_digits, what_happened
from overfit_monitor.facts import DataFacts, Facts, OptimizerFacts
from overfit_monitor.records import Diagnosis, Recommendation

TIMESCALE = 2.0
SMALLEST, LARGEST = 0.01, 10.0
UNSIZED = 0.3
L2_FOR_SGD = 5e-4
DECOUPLED = frozenset(["adamw", "lion", "adafactor", "muon"])
TO_ADAMW = frozenset(["adam", "nadam", "radam", "adamax"])


class _Size(NamedTuple):
    value: float
    reason: str
    code_remark: str = ""


@final
class WeightDecay(Rule):
    """Advised where the decay is below what the run's own length asks for.

    AdamW forgets its weights over ``1 / (learning rate * weight decay)`` optimizer steps
    (arXiv 2405.13698). The value makes that twice the steps to the best checkpoint, within 0.01 to 10.
    SGD gets an L2 penalty of the usual size; Adam's L2 is not the same thing, so Adam becomes AdamW.
    Silent for optimizers whose decay it does not know.
    """

    id: ClassVar[str] = "weight_decay"

    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation, or None where as much decay is in place or the optimizer takes none."""
        if not may_speak(self.id, diagnosis, facts):
            return None
        optimizer = facts.optimizer
        name = "" if optimizer is None else optimizer.name.lower()
        sgd = name == "sgd"
        switch = optimizer is None or (name in TO_ADAMW and not _decoupled(optimizer, facts))
        if not (sgd or switch or (optimizer is not None and _decoupled(optimizer, facts))):
            return None
        size = _for_sgd() if sgd else _sized(diagnosis, optimizer, facts.data)
        present = 0.0 if optimizer is None else optimizer.weight_decay or 0.0
        if present >= size.value:
            return None
        change: dict[str, float | str] = {"weight_decay": size.value}
        return Recommendation(
            id=self.id,
            title=f"{'Use AdamW with' if switch else 'Set'} weight decay {size.value:g}"
            f"{f' instead of {present:g}' if present and not switch else ''}",
            why=f"{what_happened(diagnosis)} {_state(optimizer, switch=switch)}{size.reason}",
            change=change | ({"optimizer": "AdamW"} if switch else {}),
            code=_code(facts, size, switch=switch),
            caution="Biases and normalization layers are left out. The value belongs to this learning rate and batch "
            "size: with another of either, size it again. A schedule that lowers the learning rate weakens the decay. "
            "In front of normalization layers it acts through the learning rate more than on the function. Run this "
            "before a learning-rate scheduler is made.",
            source="arXiv 2405.13698 (AdamW as an average over 1 / (learning rate x decay) steps), arXiv 1711.05101 "
            f"(L2 in Adam is not weight decay); {BENCHMARK}: the usual 0.01 changed nothing in any of them, 1.0 "
            "lowered the loss of 50 % by 1 % or more and raised that of 5 % by more than 2 %. Sized like this, on 44 "
            "other small runs: 75 % and 16 %.",
        )


def _decoupled(optimizer: OptimizerFacts, facts: Facts) -> bool:
    """Keras decouples the decay of every optimizer; elsewhere the optimizer is asked, or else known by its name."""
    if facts.framework == "keras":
        return True
    return optimizer.name.lower() in DECOUPLED if optimizer.decoupled is None else optimizer.decoupled


def _for_sgd() -> _Size:
    return _Size(L2_FOR_SGD, f"For SGD the usual range is 0.0001 to {L2_FOR_SGD:g}; it is not sized from the run.")


def _sized(diagnosis: Diagnosis, optimizer: OptimizerFacts | None, data: DataFacts) -> _Size:
    rate = None if optimizer is None else optimizer.learning_rate
    steps_per_epoch = data.steps_per_epoch
    if steps_per_epoch is None and data.n_train and data.batch_size:
        steps_per_epoch = -(-data.n_train // data.batch_size)
    if not rate or not steps_per_epoch or diagnosis.best_step is None:
        missing = "learning rate" if not rate else "number of optimizer steps in an epoch"
        formula = f"1 / ({TIMESCALE:g} * learning_rate * optimizer_steps_to_the_best_epoch)"
        return _Size(
            UNSIZED,
            f"The {missing} is not known, so {UNSIZED:g} is the middle of the range 0.1 to 1 and not sized; sized, it "
            f"would be {formula}.",
            f"\n# sized from the run: weight_decay = {formula}",
        )
    steps = (max(0, diagnosis.best_step) + 1) * steps_per_epoch
    wanted = 1.0 / (TIMESCALE * rate * steps)
    value = two_digits(min(LARGEST, max(SMALLEST, wanted)))
    limited = "" if SMALLEST <= wanted <= LARGEST else f" (sized {wanted:.2g}, kept within {SMALLEST:g} to {LARGEST:g})"
    return _Size(
        value,
        f"The best checkpoint came after {steps:,} optimizer steps at learning rate {rate:g}. With {value:g} the "
        f"weights are forgotten over 1 / ({rate:g} x {value:g}) = {1.0 / (rate * value):,.0f} steps; the aim is "
        f"{TIMESCALE:g} times the steps to the best{limited}. A much smaller value would hardly act in this run.",
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
