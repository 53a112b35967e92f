"""Reads the loss off the loss module as it is called, without waiting for the device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple, final

import torch
from torch import Tensor, nn

from overfit_monitor.guard import Guard
from overfit_monitor_torch.hooks import Hook, first_tensor

Split = Literal["train", "val"]

PART = "loss hook"
_STILL = "what is passed to log() is judged"


class LossSummary(NamedTuple):
    """The loss of one split since it was last read.

    Attributes:
        mean: Mean over examples.
        examples: Number of examples seen.
        calls: Number of times the loss was computed.
        largest_batch: Most examples in one call.
    """

    mean: float
    examples: int
    calls: int
    largest_batch: int


class _Total:
    """Running weighted sum of one split, kept on the device of the loss."""

    __slots__ = ("calls", "examples", "largest_batch", "sums")

    def __init__(self) -> None:
        self.sums: dict[torch.device, Tensor] = {}
        self.examples = 0
        self.calls = 0
        self.largest_batch = 0

    def add(self, loss: Tensor, *, examples: int, weight: int) -> None:
        total = self.sums.get(loss.device)
        if total is None:
            total = self.sums[loss.device] = _zero(loss.device)
        # One kernel, in double precision: nothing waits, a half-precision loss cannot overflow, and
        # a loss that is scaled in place afterwards (`loss /= 4`) has been read already.
        total.add_(loss, alpha=weight)
        self.examples += examples
        self.calls += 1
        self.largest_batch = max(self.largest_batch, examples)

    def summary(self) -> LossSummary:
        total = sum(total.item() for total in self.sums.values())
        return LossSummary(total / self.examples, self.examples, self.calls, self.largest_batch)


@final
class LossMeter(Hook):
    """A forward hook on the loss module that keeps the mean loss per example, train and validation apart.

    ``model.training`` at the time of the call tells the two apart. A call weighs as many
    examples as the first dimension of its first tensor argument has; a loss with
    ``reduction="sum"`` is divided by that number, one with ``reduction="none"`` is averaged.
    A loss module called inside a function given to ``torch.compile`` is not seen.

    Args:
        model: The model whose mode tells train from validation.
        criterion: The loss module. It may return a tensor, a tuple that begins with one, or a
            mapping with the key ``loss``.
        guard: Takes what goes wrong; the hook itself never raises unless it is strict.
    """

    def __init__(self, model: nn.Module, criterion: nn.Module, guard: Guard) -> None:
        self._model = model
        self._guard = guard
        self._totals: dict[Split, _Total] = {}
        self._handle = criterion.register_forward_hook(self, with_kwargs=True)

    def __call__(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Take in one loss; PyTorch calls this after the loss module's forward."""
        if torch.compiler.is_compiling():
            return  # what is kept here would break the graph, or have it compiled anew every epoch
        if self._guard.on(PART):
            with self._guard.protect(PART, still=_STILL):
                self._add(module, first_tensor((args, kwargs)), output)

    def take(self) -> dict[Split, LossSummary]:
        """Return what was seen since the last call and start anew; waits for the device.

        A split of which nothing was seen is not in it; nothing is after the hook failed.
        """
        totals, self._totals = self._totals, {}
        summaries: dict[Split, LossSummary] = {}
        if self._guard.on(PART):
            with self._guard.protect(PART, still=_STILL):
                summaries = {split: total.summary() for split, total in totals.items()}
        return summaries

    def forget(self) -> None:
        """Drop what was seen since the last `take`."""
        self._totals = {}

    def close(self) -> None:
        """Take the hook off the loss module; closing twice is fine."""
        self._handle.remove()

    def _add(self, module: nn.Module, argument: Tensor | None, output: Any) -> None:
        loss = _loss_of(output).detach()
        examples = argument.shape[0] if argument is not None and argument.dim() else 1
        if examples == 0:
            return  # the mean of nothing is NaN and would spoil the epoch
        summed = loss.dim() == 0 and getattr(module, "reduction", None) == "sum"
        split: Split = "train" if self._model.training else "val"
        total = self._totals.setdefault(split, _Total())
        total.add(loss.mean() if loss.dim() else loss, examples=examples, weight=1 if summed else examples)


def _loss_of(output: Any) -> Tensor:
    loss = output
    if isinstance(output, Mapping):
        loss = output.get("loss")
    elif isinstance(output, (tuple, list)) and output:
        loss = output[0]
    if not isinstance(loss, Tensor):
        raise TypeError(f"the criterion must return a tensor but returned {type(output).__name__}")
    return loss


def _zero(device: torch.device) -> Tensor:
    # Validation often runs under inference_mode, whose tensors cannot be added to outside of it.
    with torch.inference_mode(mode=False):
        return torch.zeros((), device=device, dtype=torch.float32 if device.type == "mps" else torch.float64)
