"""What of a recommendation can be changed on a live PyTorch model, optimizer and loss.

Each setting has a function that makes the change and returns how to undo it, and one that reads what is in force.
Nothing changes the names or shapes in the model's state, so that checkpoints and the best weights stay valid.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple

import torch
import torch.distributed
from torch import Tensor, nn

from overfit_monitor.errors import UsageError
from overfit_monitor.live import Setting, Undo, needed
from overfit_monitor_torch.averaging import average_weights, is_averaged


class Live(NamedTuple):
    """What can be changed.

    Attributes:
        model: The model.
        optimizer: Its optimizer, None where unknown.
        criterion: The loss, None where unknown.
        places: Names of the dense layers that dropout may be put in front of.
    """

    model: nn.Module
    optimizer: Any = None
    criterion: Any = None
    places: tuple[str, ...] = ()


def settings_of(live: Live) -> dict[str, Setting]:
    """Return what can be changed on a live PyTorch training.

    Raises:
        UsageError: There are several processes, which would all have to change at the same step.
    """
    if (
        torch.distributed.is_available()
        and torch.distributed.is_initialized()
        and torch.distributed.get_world_size() > 1
    ):
        raise UsageError("with several processes nothing is changed: all would have to change at the same step.")
    return {name: Setting(partial(set_, live), partial(read, live)) for name, (set_, read) in _SETTINGS.items()}


def _set_groups(live: Live, values: Callable[[dict[str, Any]], dict[str, Any]]) -> Undo:
    groups = needed(live.optimizer, "optimizer").param_groups
    kept = [{name: group[name] for name in values(group)} for group in groups]
    for group in groups:
        group.update(values(group))

    def undo() -> None:
        for group, old in zip(groups, kept, strict=False):
            group.update(old)

    return undo


def _set_decay(live: Live, value: float) -> Undo:
    """Decay the matrices only; vectors get a group of their own where they share one with matrices."""
    optimizer = needed(live.optimizer, "optimizer")
    old = [(group, list(group["params"]), group.get("weight_decay", 0.0)) for group in optimizer.param_groups]
    for group, parameters, _ in old:
        vectors = [p for p in parameters if p.ndim < 2]
        matrices = [p for p in parameters if p.ndim >= 2]
        if not matrices:
            continue
        group["params"], group["weight_decay"] = matrices, float(value)
        if vectors:
            options = {k: v for k, v in group.items() if k != "params"}
            optimizer.add_param_group({**options, "params": vectors, "weight_decay": 0.0})

    def undo() -> None:
        del optimizer.param_groups[len(old) :]
        for group, parameters, decay in old:
            group["params"], group["weight_decay"] = parameters, decay

    return undo


def _decay(live: Live) -> float:
    groups = needed(live.optimizer, "optimizer").param_groups
    return max((float(group.get("weight_decay", 0.0)) for group in groups), default=0.0)


def _set_optimizer(live: Live, name: str) -> Undo:
    groups = needed(live.optimizer, "optimizer").param_groups
    if name.lower() != "adamw" or any("decoupled_weight_decay" not in group for group in groups):
        raise UsageError(f"{type(live.optimizer).__name__} cannot become {name} while it trains: make a new optimizer.")
    return _set_groups(live, lambda _: {"decoupled_weight_decay": True})


def _optimizer(live: Live) -> str:
    optimizer = needed(live.optimizer, "optimizer")
    decoupled = all(group.get("decoupled_weight_decay") for group in optimizer.param_groups)
    return "AdamW" if decoupled else type(optimizer).__name__


def _set_dropout(live: Live, rate: float) -> Undo:
    layers = [m for m in live.model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    if layers:
        kept = [layer.p for layer in layers]
        for layer in layers:
            layer.p = max(layer.p, float(rate))

        def undo() -> None:
            for layer, p in zip(layers, kept, strict=True):
                layer.p = p

        return undo
    if not live.places:
        raise UsageError("dropout has no place in this model: no dense layer reads hidden units.")
    return _hooked([live.model.get_submodule(name).register_forward_pre_hook(_Dropping(rate)) for name in live.places])


def _dropout(live: Live) -> float:
    rates = [m.p for m in live.model.modules() if isinstance(m, nn.modules.dropout._DropoutNd)]
    hooks = _hooks_of(live.model, _Dropping)
    return max([*rates, *(hook.rate for hook in hooks)], default=0.0)


def _set_smoothing(live: Live, value: float) -> Undo:
    criterion = needed(live.criterion, "criterion")
    if not isinstance(criterion, nn.CrossEntropyLoss):
        raise UsageError(f"criterion must be an nn.CrossEntropyLoss to be smoothed but is {type(criterion).__name__}.")
    kept = criterion.label_smoothing
    hooks = [
        criterion.register_forward_pre_hook(_Smoothing(value)),
        criterion.register_forward_hook(_Smoothing(value).after),
    ]
    criterion.label_smoothing = float(value)
    off = _hooked(hooks)

    def undo() -> None:
        off()
        criterion.label_smoothing = kept

    return undo


def _set_noise(live: Live, scale: float) -> Undo:
    return _hooked([live.model.register_forward_pre_hook(_Noise(scale))])


def _set_rate(live: Live, value: float) -> Undo:
    return _set_groups(live, lambda group: {k: float(value) for k in ("lr", "initial_lr") if k in group})


def _set_averaging(live: Live, decay: float) -> Undo:
    return average_weights(live.model, needed(live.optimizer, "optimizer"), decay=float(decay)).remove


def _averaging(live: Live) -> float | None:
    return live.model.train.__self__._decay if is_averaged(live.model) else None  # type: ignore[attr-defined]


def _set_l1(live: Live, value: float) -> Undo:
    first = next((m for m in live.model.modules() if isinstance(m, nn.Linear)), None)
    if first is None:
        raise UsageError("l1 has no place in this model: it has no dense layer.")
    return _hooked([first.weight.register_post_accumulate_grad_hook(_L1(value))])  # type: ignore[no-untyped-call]


def _l1(live: Live) -> float:
    first = next((m for m in live.model.modules() if isinstance(m, nn.Linear)), None)
    hooks = {} if first is None else first.weight._post_accumulate_grad_hooks or {}
    return sum(hook.value for hook in hooks.values() if isinstance(hook, _L1))


def _set_frozen(live: Live, count: int) -> Undo:
    layers = _with_weights(live.model)[: int(count)]
    parameters = [p for layer in layers for p in layer.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
        p.grad = None

    def undo() -> None:
        for p in parameters:
            p.requires_grad_(True)

    return undo


def _frozen(live: Live) -> int:
    frozen = [not any(p.requires_grad for p in layer.parameters()) for layer in _with_weights(live.model)]
    return frozen.index(False) if False in frozen else len(frozen)


def _with_weights(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if next(m.parameters(recurse=False), None) is not None]


class _Dropping:
    def __init__(self, rate: float) -> None:
        self.rate = float(rate)

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        if not module.training:
            return None
        return (nn.functional.dropout(inputs[0], self.rate), *inputs[1:])


class _Noise:
    def __init__(self, scale: float) -> None:
        self.scale = float(scale)

    def __call__(self, module: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        x = inputs[0] if inputs else None
        if not module.training or not isinstance(x, Tensor) or not x.is_floating_point():
            return None
        return (x + self.scale * torch.randn_like(x), *inputs[1:])


class _Smoothing:
    """Smooths where gradients are computed, so that validation stays what it was."""

    def __init__(self, value: float) -> None:
        self.value = float(value)

    def __call__(self, criterion: nn.Module, _inputs: Any) -> None:
        setattr(criterion, "label_smoothing", self.value if torch.is_grad_enabled() else 0.0)  # noqa: B010

    def after(self, criterion: nn.Module, _inputs: Any, _loss: Any) -> None:
        setattr(criterion, "label_smoothing", self.value)  # noqa: B010 - a module takes tensors only, says its stub


class _L1:
    def __init__(self, value: float) -> None:
        self.value = float(value)

    def __call__(self, weight: Tensor) -> None:
        if weight.grad is not None:
            weight.grad.add_(weight.detach().sign(), alpha=self.value)


def _hooked(handles: list[Any]) -> Undo:
    def undo() -> None:
        for handle in handles:
            handle.remove()

    return undo


def _hooks_of(model: nn.Module, kind: type[Any]) -> list[Any]:
    return [hook for m in model.modules() for hook in m._forward_pre_hooks.values() if isinstance(hook, kind)]


_SETTINGS: Final[dict[str, tuple[Callable[[Live, Any], Undo], Callable[[Live], Any]]]] = {
    "weight_decay": (_set_decay, _decay),
    "optimizer": (_set_optimizer, _optimizer),
    "learning_rate": (_set_rate, lambda live: float(needed(live.optimizer, "optimizer").param_groups[0]["lr"])),
    "dropout": (_set_dropout, _dropout),
    "label_smoothing": (_set_smoothing, lambda live: needed(live.criterion, "criterion").label_smoothing),
    "noise_scale": (_set_noise, lambda live: sum(hook.scale for hook in _hooks_of(live.model, _Noise))),
    "weight_averaging": (_set_averaging, _averaging),
    "l1": (_set_l1, _l1),
    "frozen_layers": (_set_frozen, _frozen),
}
KNOWN: Final = frozenset(_SETTINGS)
