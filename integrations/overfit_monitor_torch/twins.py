"""Computes a loss without its reduction, by a copy of the loss module that shares nothing which could change."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from functools import partial
from types import BuiltinFunctionType, FunctionType
from typing import Any, Final

import torch
from torch import Tensor, nn

from overfit_monitor_torch.hooks import first_tensor
from overfit_monitor_torch.undisturbed import same_random_state

_PLAIN: Final = (
    bool, int, float, complex, str, bytes, type(None), type, torch.dtype, torch.device, torch.Size, range,
    FunctionType, BuiltinFunctionType, partial,
)  # fmt: skip
# Of class weights and the like there are thousands at most; a teacher network has more, and is not copied.
_MOST_NUMBERS: Final = 1_000_000
_SUMMED: Final = ("sum", "batchmean")
_OF_MODULES: Final = frozenset(vars(nn.Module()))


def unreduced(
    module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any, examples: int
) -> Tensor | str:
    """Return one loss for each example, as a tensor of our own, or why that cannot be had.

    Args:
        module: The loss module that was called.
        args: What it was called with.
        kwargs: The same by keyword.
        output: What it returned.
        examples: Number of examples in the call.
    """
    module = getattr(module, "_orig_mod", module)  # inside torch.compile
    reduction = kwargs.get("reduction", getattr(module, "reduction", None))
    if not isinstance(reduction, str):
        return "the criterion has no reduction to leave out"
    if reduction != "none":
        twin = _twin(module)
        if isinstance(twin, str):
            return twin
        twin.__dict__["reduction"] = "none"
        given = {**kwargs, "reduction": "none"} if "reduction" in kwargs else kwargs
        if _is_torchs(module):
            output = twin.forward(*args, **given)
        else:
            with same_random_state(_kinds(args, kwargs)):
                output = twin.forward(*args, **given)
    losses = output.get("loss") if isinstance(output, Mapping) else output
    if isinstance(losses, (tuple, list)) and losses:
        losses = losses[0]
    if not isinstance(losses, Tensor) or losses.dim() == 0 or losses.shape[0] != examples:
        return "the criterion gives no loss for each example with reduction='none'"
    losses = losses.detach()
    if losses.dim() == 1:
        return losses.clone() if reduction == "none" else losses
    return losses.flatten(1).sum(1) if reduction in _SUMMED else losses.flatten(1).mean(1)


def _is_torchs(module: nn.Module) -> bool:
    return type(module).__module__ == "torch.nn.modules.loss"


def _twin(module: nn.Module) -> nn.Module | str:
    """Return a copy that runs alone: changing its attributes, buffers or lists leaves the module as it is."""
    numbers = sum(t.numel() for t in (*module.parameters(), *module.buffers()))
    if numbers > _MOST_NUMBERS:
        return "the criterion holds a network, which is not run a second time"
    if _is_torchs(module):
        return copy.copy(module)  # these keep nothing of a call
    return _own(module)


def _own(module: nn.Module) -> nn.Module | str:
    twin = copy.copy(module)  # without what stands in place of the module's own call
    mine: dict[str, Any] = {}
    for name, value in vars(twin).items():
        if name == "_modules":
            mine[name] = {key: part if part is None else _own(part) for key, part in value.items()}
            if refused := next((part for part in mine[name].values() if isinstance(part, str)), None):
                return refused
        elif name in ("_parameters", "_buffers"):
            mine[name] = {key: None if t is None else t.detach().clone() for key, t in value.items()}
        elif "_hooks" in name and name in _OF_MODULES:
            mine[name] = OrderedDict()  # a hook on a part is not to see the second call
        elif isinstance(value, Tensor):
            mine[name] = value.detach().clone()
        elif name not in _OF_MODULES and not _plain(value):
            return f"the criterion keeps a {type(value).__name__} in {name!r}, which a second call may change"
    twin.__dict__.update(mine)
    return twin


def _plain(value: Any) -> bool:
    return isinstance(value, _PLAIN) or (isinstance(value, (tuple, frozenset)) and all(map(_plain, value)))


def _kinds(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Iterable[str]:
    tensor = first_tensor((args, kwargs))
    return () if tensor is None else (tensor.device.type,)
