"""The user's loss with one value for each example."""

from __future__ import annotations

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any, Final, NamedTuple, final

import torch
from torch import Tensor, nn

_SUMS: Final = ("sum", "batchmean")
_CLASS_LOSSES: Final = (nn.CrossEntropyLoss, nn.NLLLoss)
_CLASS_FUNCTIONS: Final = ("cross_entropy", "nll_loss")


class Parts(NamedTuple):
    """Losses of a batch, before they are weighed against each other.

    Attributes:
        losses: Loss of each example, shape (n,).
        weights: Weight of each example, shape (n,); None where all weigh the same.
    """

    losses: Tensor
    weights: Tensor | None


@final
class Pointwise:
    """A loss without its reduction.

    The mean of what `combine` returns is what the loss itself would return for all examples in one
    batch, also with class weights and ignored targets: with ``reduction="mean"`` the values of an example
    are averaged over all but the first dimension, with ``"sum"`` and ``"batchmean"`` added. Hooks on the
    loss do not run.

    Args:
        criterion: A loss module with an attribute ``reduction``, or a function with such a keyword, as
            those of ``torch.nn.functional`` have, or a `functools.partial` of one.

    Attributes:
        reason: Why the loss cannot be had for each example, None where it can.
    """

    def __init__(self, criterion: Callable[..., Any] | None) -> None:
        criterion = getattr(criterion, "_orig_mod", criterion)  # compiled
        self._criterion = criterion
        self._settings = _settings(criterion)
        self.reason = None if criterion is not None and "reduction" in self._settings else _reason(criterion)

    def __call__(self, output: Any, target: Any) -> Parts:
        """Return the losses of a batch.

        Args:
            output: What the model returned, as the loss takes it.
            target: The target, as the loss takes it.

        Raises:
            ValueError: The loss returned something without a dimension for the examples.
        """
        losses = self._losses(output, target)
        if not isinstance(losses, Tensor) or not losses.dim():
            raise ValueError(f"the loss has no value for each example: {_described(losses)}")
        if (classes := self._class_weights(target)) is not None:
            return Parts(losses.flatten(1).sum(1) if losses.dim() > 1 else losses, classes)
        if losses.dim() == 1:
            return Parts(losses, None)
        flat = losses.flatten(1)
        return Parts(flat.sum(1) if self._settings["reduction"] in _SUMS else flat.mean(1), None)

    @staticmethod
    def combine(losses: Tensor, weights: Tensor | None) -> Tensor:
        """Return the losses of all batches such that their mean is the loss of all examples."""
        return losses if weights is None else losses / weights.mean()

    def _losses(self, output: Any, target: Any) -> Any:
        if isinstance(self._criterion, nn.Module):
            pointwise: Any = copy.copy(self._criterion)
            pointwise.reduction = "none"
            return pointwise.forward(output, target)
        if self._criterion is None:
            raise ValueError(self.reason)
        return self._criterion(output, target, reduction="none")

    def _class_weights(self, target: Any) -> Tensor | None:
        """Return what each example weighs in the mean of a loss on class numbers, None where it is not one."""
        if not self._settings.get("classes") or self._settings["reduction"] != "mean" or target.is_floating_point():
            return None
        counted: Tensor = target != self._settings["ignore_index"]
        weight: Tensor | None = self._settings["weight"]
        each = counted.to(torch.get_default_dtype()) if weight is None else weight[target * counted] * counted
        return each.flatten(1).sum(1) if each.dim() > 1 else each


def _settings(criterion: Any) -> dict[str, Any]:
    """Return the reduction and, for losses on class numbers, what changes the weight of an example."""
    if isinstance(criterion, nn.Module):
        if not isinstance(getattr(criterion, "reduction", None), str):
            return {}
        found = {"reduction": criterion.reduction, "classes": isinstance(criterion, _CLASS_LOSSES)}
        return found | {name: getattr(criterion, name, None) for name in ("weight", "ignore_index")}
    try:
        parameters = inspect.signature(criterion).parameters
    except (TypeError, ValueError):
        return {}
    if "reduction" not in parameters:
        return {}
    inner = criterion
    while isinstance(inner, functools.partial):
        inner = inner.func
    defaults = {name: p.default for name, p in parameters.items() if name in ("reduction", "weight", "ignore_index")}
    return defaults | {"classes": getattr(inner, "__name__", "") in _CLASS_FUNCTIONS}


def _reason(criterion: Any) -> str:
    if criterion is None:
        return "there is no criterion, nor a function that gives the losses"
    name = getattr(criterion, "__name__", type(criterion).__name__)
    return f"the criterion {name} has no reduction to leave out, and there is no function that gives the losses"


def _described(value: Any) -> str:
    return f"a tensor of shape {tuple(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
