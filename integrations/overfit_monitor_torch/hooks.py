"""What the hooks share: safe copies, finding the tensor, one look at the model's input."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, Final, NamedTuple, final

import torch
from torch import Tensor, nn

from overfit_monitor.facts import InputKind
from overfit_monitor.guard import Guard

_KINDS: Final[dict[int, InputKind]] = {3: "sequence", 4: "image", 5: "image"}
MOST_ROWS: Final = 1024
FEWEST_ROWS: Final = 16  # fewer say nothing of a column


class Hook:
    """Base of a hook that leaves no trace in copies and pickles of the module it sits on."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a module takes its hooks along. There this becomes a callable from the standard
        # library that does nothing: the model is not copied with the loss module, and a pickle loads
        # where this package is not installed.
        return getattr, (nullcontext(), "__exit__")


class InputSeen(NamedTuple):
    """What one look at a batch of inputs tells.

    Attributes:
        dim: Number of dimensions, batch included.
        kind: What an example is, None where the batch does not tell.
        features: Columns of a row of numbers, None for anything else.
        unscaled: Columns far from mean 0 and standard deviation 1; see `DataFacts.unscaled`.
        constant: Columns with one value only.
    """

    dim: int
    kind: InputKind | None = None
    features: int | None = None
    unscaled: int | None = None
    constant: int | None = None


@final
class InputLook(Hook):
    """Looks at the model's first input, then takes itself off.

    Args:
        model: The model to look at.
        guard: Takes what goes wrong.
    """

    def __init__(self, model: nn.Module, guard: Guard) -> None:
        self._inputs: Tensor | None = None
        self._guard = guard
        self._handle = model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Look once; PyTorch calls this before the model's forward."""
        if torch.compiler.is_compiling():
            return  # taking a hook off cannot be part of a graph
        self.close()
        with self._guard.protect("facts", still="advice knows less"):
            tensor = first_tensor((args, kwargs))
            # A copy of some rows does not wait for the device; what is in them is read between epochs.
            self._inputs = None if tensor is None else tensor.detach()[:MOST_ROWS].clone()

    @property
    def seen(self) -> InputSeen | None:
        """What was seen, None before the first input; reading it may wait for the device."""
        return None if self._inputs is None else look_at(self._inputs)

    def close(self) -> None:
        """Take the hook off; closing twice is fine."""
        self._handle.remove()


def look_at(inputs: Tensor) -> InputSeen:
    """Return what a batch of inputs tells of them; reads at most 1,024 rows of at most 4,096 columns."""
    dim = inputs.dim()
    if not inputs.is_floating_point():
        return InputSeen(dim, "text" if dim == 2 else None)
    if dim != 2:
        return InputSeen(dim, _KINDS.get(dim))
    if len(inputs) < FEWEST_ROWS or inputs.shape[1] > 4096:
        return InputSeen(dim, "tabular", inputs.shape[1])
    rows = inputs.detach()[:MOST_ROWS].double().cpu()
    mean, deviation = rows.mean(0), rows.std(0)
    constant = (rows == rows[0]).all(0)
    far = (mean.abs() > 5.0) | (deviation > 5.0)
    return InputSeen(dim, "tabular", rows.shape[1], int((far & ~constant).sum()), int(constant.sum()))


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in nested tuples, lists and mappings, None without one."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for found in map(first_tensor, value) if found is not None), None)
    return None
