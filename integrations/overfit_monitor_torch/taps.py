"""Sees every call of a loss module, at the price of a few Python instructions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, final

from torch import Tensor, nn
from torch.compiler import is_compiling

from overfit_monitor_torch.hooks import Hook
from overfit_monitor_torch.totals import Total

# Where nn.Module.compile puts what is called in place of the module's own call; since PyTorch 2.2, and private.
_PLACE: Final = "_compiled_call_impl"
# In this many first calls, and in one of so many later ones, a call is looked at closely.
_TRIED: Final = 64
_ROW: Final = 255
# A loss in a larger piece of memory would keep all of it.
_OWN_BYTES: Final = 64


class Meter(Protocol):
    """Whom the taps tell."""

    def seen(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Take in one call of a loss module."""

    def total(self, name: str, *, training: bool) -> Total:
        """Return the total of the loss of this name."""

    def stepped(self) -> None:
        """Take note that a loss of a training step was computed."""

    def failed(self) -> None:
        """Handle the exception that is being handled: switch off, or raise it again."""


@final
class Tap:
    """Stands before the forward of one loss module and tells a meter of each call.

    A forward hook costs the module the short way through ``nn.Module.__call__``, and in a real training step,
    where little is in the processor's caches, that alone is the whole of what a step may cost
    (benchmarks/overhead.py prints it). ``nn.Module.compile`` has a place of its own to stand at, which copies and
    pickles of the module leave out; the tap stands there. Where there is none, it is a forward hook.

    Most training steps on the CPU keep a reference to the loss and its number of examples, and no more: 255 of them
    are read at once, by few kernels. A loss that the loop changes in place afterwards (``loss /= 4``) tells so by its
    version; it is left out, and from then on every loss is copied in its call, as all are in a loop that does so from
    the start, in validation, and on other devices.

    Args:
        meter: Whom to tell.
        name: Name of the loss.
        module: The loss module.
        model: The model whose mode tells train from validation.
    """

    __slots__ = ("_call", "_copies", "_handle", "_losses", "_meter", "_model", "_module", "_name", "_open", "_sizes",
                 "_tried", "_watched", "closed")  # fmt: skip

    def __init__(self, meter: Meter, name: str, module: nn.Module, model: nn.Module) -> None:
        self._meter, self._name, self._module, self._model = meter, name, module, model
        self._losses: list[Tensor] = []
        self._sizes: list[int] = []
        self._open = self._copies = self.closed = False
        self._tried = 0
        self._watched: Tensor | None = None
        self._handle: Any = None
        if hasattr(nn.Module, _PLACE):
            self._call: Callable[..., Any] = getattr(module, _PLACE) or module._call_impl
            setattr(module, _PLACE, self)
        else:
            self._handle = module.register_forward_hook(_Seen(self), with_kwargs=True)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the loss and tell of it."""
        output = self._call(*args, **kwargs)
        if is_compiling() or self.closed:
            return output  # what is kept here would break the graph, or have it compiled anew every epoch
        try:
            if self._open and self._model.training and not kwargs:
                examples, loss = args[0].shape[0], output.detach()
                self._sizes.append(examples)
                self._losses.append(loss)
                self._meter.stepped()
                if len(self._losses) == _ROW:
                    self.fold()
                return output
        except Exception:  # noqa: BLE001 - an unusual call: what is wrong shows when it is looked at closely
            self._open = False
        self.look(args, kwargs, output)
        return output

    def look(self, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Tell of a call after a close look at it."""
        try:
            self.fold()
            self._meter.seen(self._name, self._module, args, kwargs, output)
            self._try(args, kwargs, output)
        except Exception:  # noqa: BLE001 - handled by the guard, out of the way of the calls that succeed
            self._meter.failed()

    def fold(self) -> None:
        """Read the losses that are referred to; the next call is looked at closely again."""
        self._open = False
        losses, sizes = self._losses, self._sizes
        if not losses:
            return
        self._losses, self._sizes = [], []
        changed = [i for i, loss in enumerate(losses) if _changed(loss)]
        if changed or 0 in sizes:
            self._copies = self._copies or bool(changed)
            good = [i for i, n in enumerate(sizes) if n and i not in changed]
            losses, sizes = [losses[i] for i in good], [sizes[i] for i in good]
        if losses:
            self._meter.total(self._name, training=True).add_row(losses, sizes)

    def forget(self) -> None:
        """Drop what is referred to."""
        self._open = False
        self._losses, self._sizes = [], []

    def close(self) -> None:
        """Step aside; closing twice is fine."""
        self.closed = True
        self.forget()
        self._watched = None
        if self._handle is not None:
            self._handle.remove()
        elif getattr(self._module, _PLACE) is self:
            inner = self._call
            while isinstance(inner, Tap) and inner.closed:
                inner = inner._call
            # A bound method of the module itself is what PyTorch calls where nothing stands.
            setattr(self._module, _PLACE, None if inner == self._module._call_impl else inner)

    def __reduce__(self) -> tuple[Any, ...]:
        return type(None), ()  # for modules whose own __getstate__ does not leave it out

    def _try(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: Any) -> None:
        """Decide whether the next losses may be referred to until they are read."""
        watched, self._watched = self._watched, None
        if self._copies or not self._model.training or self._handle is not None:
            return
        self._copies = watched is not None and _changed(watched)
        if kwargs or not _is_ordinary(output) or getattr(self._module, "reduction", None) == "sum":
            return
        self._tried += 1
        self._watched = output.detach()
        self._open = not self._copies and self._tried > _TRIED and isinstance(args[0], Tensor)


@final
class _Seen(Hook):
    """The tap as a forward hook."""

    def __init__(self, tap: Tap) -> None:
        self._tap = tap

    def __call__(self, _module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        if not is_compiling():
            self._tap.look(args, kwargs, output)


def _is_ordinary(loss: Any) -> bool:
    return (
        type(loss) is Tensor
        and not loss.dim()
        and loss.is_cpu
        and not loss.is_inference()
        and not loss._version
        and loss.untyped_storage().nbytes() <= _OWN_BYTES
    )


def _changed(loss: Tensor) -> bool:
    return not loss.is_inference() and loss._version > 0
