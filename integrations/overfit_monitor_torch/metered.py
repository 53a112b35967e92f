"""Makes a loss function something that can be hooked."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, final

from torch import nn

from overfit_monitor.errors import UsageError


def metered(function: Callable[..., Any]) -> Metered:
    """Wrap a loss function so that `watch` sees its values; call what is returned in its place.

    Python gives no way to see the calls of a function, as the hooks of an ``nn.Module`` do.

    Args:
        function: A loss: ``torch.nn.functional.cross_entropy``, a ``functools.partial`` of one, or one of your own
            that takes outputs and targets and returns a tensor, or a mapping of tensors with the key ``loss``.

    Returns:
        A loss module that calls the function with whatever it is called with.

    Raises:
        UsageError: It is no function.

    Example:
        >>> from torch.nn import functional
        >>> cross_entropy = metered(functional.cross_entropy)
        >>> # watch(model, criterion=cross_entropy), and in the loop: cross_entropy(model(inputs), targets)
    """
    if isinstance(function, nn.Module):
        raise UsageError("function is an nn.Module, which can be hooked as it is: pass it as criterion.")
    if not callable(function):
        raise UsageError(f"function must be a function but got {type(function).__name__}.")
    return Metered(function)


@final
class Metered(nn.Module):
    """What `metered` returns.

    Args:
        function: The loss function.

    Attributes:
        function: The same.
        reduction: What the function does where it is not told, None where it takes no ``reduction``. Setting
            another value passes that one on.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function
        self._default = self.reduction = _reduction(function)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        if self.reduction != self._default:
            kwargs = {"reduction": self.reduction, **kwargs}
        return self.function(*args, **kwargs)

    def extra_repr(self) -> str:
        """Name the function."""
        inner = self.function.func if isinstance(self.function, functools.partial) else self.function
        return getattr(inner, "__name__", type(inner).__name__)


def _reduction(function: Callable[..., Any]) -> str | None:
    try:
        parameter = inspect.signature(function).parameters.get("reduction")
    except (TypeError, ValueError):  # built-in functions have none
        return None
    default = None if parameter is None else parameter.default
    return default if isinstance(default, str) else None
