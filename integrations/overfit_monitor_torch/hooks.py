"""What the hooks share: safe copies, finding the tensor, one look at the model's input."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn

from overfit_monitor.guard import Guard


class Hook:
    """Base of a hook that leaves no trace in copies and pickles of the module it sits on."""

    def __reduce__(self) -> tuple[Any, ...]:
        # A copy of a module takes its hooks along. There this becomes a callable from the standard
        # library that does nothing: the model is not copied with the loss module, and a pickle loads
        # where this package is not installed.
        return getattr, (nullcontext(), "__exit__")


@final
class InputLook(Hook):
    """Notes the number of dimensions of the model's first input, then takes itself off.

    Args:
        model: The model to look at.
        guard: Takes what goes wrong.
    """

    def __init__(self, model: nn.Module, guard: Guard) -> None:
        self.dim: int | None = None
        self._guard = guard
        self._handle = model.register_forward_pre_hook(self, with_kwargs=True)

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Look once; PyTorch calls this before the model's forward."""
        if torch.compiler.is_compiling():
            return  # taking a hook off cannot be part of a graph
        self.close()
        with self._guard.protect("facts", still="advice knows less"):
            tensor = first_tensor((args, kwargs))
            self.dim = None if tensor is None else tensor.dim()

    def close(self) -> None:
        """Take the hook off; closing twice is fine."""
        self._handle.remove()


def first_tensor(value: Any) -> Tensor | None:
    """Return the first tensor in nested tuples, lists and mappings, None without one."""
    if isinstance(value, Tensor):
        return value
    if isinstance(value, Mapping):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return next((found for found in map(first_tensor, value) if found is not None), None)
    return None
