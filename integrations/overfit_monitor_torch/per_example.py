"""Takes the loss of every validation example in the call that computes their mean: no other forward of the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, SequentialSampler

from overfit_monitor.guard import Guard
from overfit_monitor_torch.hooks import first_tensor
from overfit_monitor_torch.order import fingerprint
from overfit_monitor_torch.twins import unreduced

PART: Final = "per-example losses"
_STILL = "the mean is judged"

# 20 MB on the device; beyond that the mean is so sure that pairing adds nothing that is worth the memory.
MOST_EXAMPLES: Final = 5_000_000
# Class weights and ignored targets make the reported mean another one than that of the examples. Rounding in single
# precision stays far below this; of a lower one its own spacing is allowed.
MEAN_TOLERANCE: Final = 1e-3
# Evaluations of different sizes (a check before the start, a part in between) whose order is remembered.
_MOST_SIZES: Final = 8


@final
class _Pile:
    """Tensors collected over one evaluation, joined now and then so that small batches cost no memory."""

    def __init__(self) -> None:
        self._joined: list[Tensor] = []
        self._loose: list[Tensor] = []

    def add(self, values: Tensor) -> None:
        self._loose.append(values)
        if len(self._loose) == 256:
            self._join()

    def values(self) -> npt.NDArray[Any]:
        self._join()
        return np.concatenate([part.cpu().numpy() for part in self._joined]) if self._joined else np.zeros(0)

    def _join(self) -> None:
        if self._loose:
            first = self._loose[0].device
            same = all(part.device == first for part in self._loose)
            self._joined += [torch.cat(self._loose)] if same else self._loose
            self._loose = []


@final
class PerExample:
    """Keeps the validation loss of every example, to be compared with those of another evaluation.

    In eval mode the loss is computed a second time on the same outputs and targets, by a copy of the loss module with
    ``reduction="none"``, and averaged over all dimensions but the first (summed, where the module sums over them).
    The copy has its own buffers, and random numbers that it draws are given back: the training stays as it was.
    Nothing waits for the device before `take`.

    It stops for good, and ``reason`` says why, when the loss module has no such mode, when the mean of the examples
    is not the reported loss, when there are more than `MOST_EXAMPLES`, and when the examples come in another order
    than before. The order is told by a fingerprint of the targets, and by the sampler of ``val_data``.

    Args:
        guard: Takes what goes wrong.
        val_data: Validation ``DataLoader``, if it is known; one that shuffles is refused at once.

    Attributes:
        reason: Why there are no per-example losses, None while there are.
        labels: The targets of the first evaluation where they are whole numbers, one for each example.
    """

    def __init__(self, guard: Guard, *, val_data: Any = None) -> None:
        self.reason: str | None = None
        self.labels: npt.NDArray[np.int64] | None = None
        self._guard = guard
        self._in_order = _in_order(val_data)
        self._orders: dict[int, npt.NDArray[Any]] = {}
        self._tolerance = MEAN_TOLERANCE
        self._start()
        if self._in_order is False:
            self.stop("the validation loader shuffles: use shuffle=False")

    def add(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, examples: int) -> None:
        """Take in one call of the loss module in eval mode; an error costs only the per-example losses."""
        if self.reason is not None:
            return
        with self._guard.protect(PART, still=_STILL):
            self._add(module, args, kwargs, output, examples)
            return
        self.stop("an error switched them off")

    def take(self, mean: float | None) -> npt.NDArray[np.float32] | None:
        """Return the losses since the last call, in the order they came, and start anew; waits for the device.

        Args:
            mean: The mean that `LossMeter` has of the same calls; None where it has none.

        Returns:
            One loss for each example; None where there are none, or they cannot be compared.
        """
        losses = None
        if self.reason is None and self._examples:
            with self._guard.protect(PART, still=_STILL):
                losses = self._taken(mean)
            if not self._guard.on(PART):
                self.stop("an error switched them off")
        self._start()
        return losses if self.reason is None else None

    def forget(self) -> None:
        """Drop what was seen since the last `take`."""
        self._start()

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen, as plain values and tensors; waits for the device."""
        piles = (self._losses, self._order, self._targets)
        return {
            "reason": self.reason,
            "examples": self._examples,
            "tolerance": self._tolerance,
            "seen": [torch.from_numpy(pile.values()) for pile in piles],
            "orders": {n: torch.from_numpy(order) for n, order in self._orders.items()},
            "labels": None if self.labels is None else torch.from_numpy(self.labels),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned; what this loader's order forbids stays forbidden."""
        self._start()
        self.reason = self.reason or state["reason"]
        self._examples, self._tolerance = state["examples"], state["tolerance"]
        for pile, seen in zip((self._losses, self._order, self._targets), state["seen"], strict=True):
            if len(seen):
                pile.add(seen)
        self._orders = {n: order.numpy() for n, order in state["orders"].items()}
        self.labels = None if state["labels"] is None else state["labels"].numpy()

    def stop(self, reason: str) -> None:
        """Keep no losses from here on, for this reason."""
        self.reason = reason
        self._orders.clear()
        self._start()

    def _start(self) -> None:
        self._losses, self._order, self._targets = _Pile(), _Pile(), _Pile()
        self._examples = 0

    def _add(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any, examples: int
    ) -> None:
        with torch.no_grad():
            found = unreduced(module, args, kwargs, output, examples)
            if isinstance(found, str):
                self.stop(found)
                return
            target = _target(args, kwargs, examples)
            if target is not None:
                self._order.add(fingerprint(target).reshape(1))
                if self.labels is None and target.dim() == 1 and not target.is_floating_point():
                    self._targets.add(target.detach().clone())
            elif self._in_order is None:
                self.stop("the order of the validation examples cannot be told: the loss has no target for each")
                return
            self._losses.add(found.float())
        self._tolerance = max(self._tolerance, torch.finfo(found.dtype).eps)
        self._examples += examples
        if self._examples > MOST_EXAMPLES:
            self.stop(f"there are more than {MOST_EXAMPLES:,} validation examples")

    def _taken(self, mean: float | None) -> npt.NDArray[np.float32] | None:
        losses, order, labels = self._losses.values(), self._order.values(), self._targets.values()
        if mean is None or not np.isfinite(losses).all() or not np.isfinite(mean):
            return None
        own = float(losses.mean(dtype=np.float64))
        if abs(own - mean) > self._tolerance * max(abs(own), abs(mean)):
            self.stop(
                f"the mean over the examples is {own:.6g} but the loss is {mean:.6g}: "
                "class weights, ignored targets or another mean"
            )
            return None
        before = self._orders.setdefault(len(losses), order)
        if not np.array_equal(before, order):
            self.stop("the validation examples came in another order than before: use shuffle=False")
        elif len(self._orders) > _MOST_SIZES:
            self.stop("the number of validation examples is another one at every evaluation")
        elif len(labels) == len(losses) and self.labels is None:
            self.labels = labels.astype(np.int64)
        return losses


def _target(args: tuple[Any, ...], kwargs: Mapping[str, Any], examples: int) -> Tensor | None:
    """Return the first tensor behind the first argument that has an entry for each example."""
    rest = [*args[1:], *kwargs.values()] if args else list(kwargs.values())[1:]
    for value in rest:
        tensor = first_tensor(value)
        if tensor is not None and tensor.dim() and tensor.shape[0] == examples:
            return tensor
    return None


def _in_order(val_data: Any) -> bool | None:
    """Return whether the loader gives the same order every time, None where that is not known."""
    if not isinstance(val_data, DataLoader):
        return None
    sampler = val_data.sampler
    if isinstance(sampler, SequentialSampler):
        return True if type(val_data.batch_sampler) is torch.utils.data.BatchSampler else None
    return False if isinstance(sampler, torch.utils.data.RandomSampler) else None
