"""Reads the learning rate at every step of the optimizer, without waiting for the device."""

from __future__ import annotations

import math
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final, final

import torch
from torch import Tensor
from torch.compiler import is_compiling

from overfit_monitor.guard import Guard
from overfit_monitor_torch.hooks import Hook
from overfit_monitor_torch.slots import Slots

PART: Final = "learning-rate hook"
_STILL = "the learning rate is read once per evaluation"


@final
class RateMeter(Hook):
    """Keeps the lowest and the highest learning rate since the last evaluation.

    The rate of the first parameter group is read, as it is in force at the step; schedulers change it afterwards. It is
    read by a hook on the optimizer, or, where the loss is hooked anyway, with each loss of a training step (`poll`):
    that takes a tenth of the time.
    A rate that is a tensor is copied on its device and read with the evaluation. Steps that a ``GradScaler`` skips
    are none. What a step costs is measured by benchmarks/overhead.py.

    Args:
        optimizer: The optimizer. Of a wrapper that holds the real one as ``optimizer``, that one is taken.
        guard: Takes what goes wrong; the hook itself never raises unless it is strict.
        polled: Whether somebody calls `poll` at every step, so that no hook is needed.
    """

    def __init__(self, optimizer: Any, guard: Guard, *, polled: bool = False) -> None:
        self._guard = guard
        self._off = False
        self._last: Any = None
        self._low, self._high = math.inf, -math.inf
        self._version = -1
        self._slots: Slots | None = None
        self._bounds: list[Tensor] = []
        while isinstance(inner := getattr(optimizer, "optimizer", None), torch.optim.Optimizer):
            optimizer = inner
        self._optimizer = optimizer
        self._handle: Any = None
        if not polled:
            self.attach()

    @property
    def hooked(self) -> bool:
        """Whether there is a hook on the optimizer."""
        return self._handle is not None

    def attach(self) -> None:
        """Put a hook on the optimizer, where it takes one."""
        if self._handle is None:
            with suppress(AttributeError):  # a class of its own, with param_groups but without hooks
                self._handle = self._optimizer.register_step_post_hook(self)

    def __call__(self, _optimizer: Any, _args: tuple[Any, ...], _kwargs: dict[str, Any]) -> None:
        """Read the rate; PyTorch calls this after every step."""
        if not is_compiling():
            self.poll()

    def poll(self) -> None:
        """Read the rate."""
        if self._off:
            return
        try:
            rate = self._optimizer.param_groups[0]["lr"]
            if rate is not self._last or type(rate) is not float:
                self._changed(rate)
        except Exception:  # noqa: BLE001 - handled by the guard, out of the way of the calls that succeed
            self._failed()

    def take(self) -> tuple[float, float] | None:
        """Return the lowest and the highest rate since the last call and start anew; waits for the device.

        None where no step was made, or none could be read.
        """
        try:
            self._read()
        except Exception:  # noqa: BLE001 - handled by the guard
            self._failed()
        low, high = self._low, self._high
        self.forget()
        return None if self._off or low > high else (low, high)

    def state_dict(self) -> dict[str, float]:
        """Return what was seen since the last `take`, for a training that goes on elsewhere; waits for the device."""
        self._read()
        return {"low": self._low, "high": self._high}

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.forget()
        self._low, self._high = state["low"], state["high"]

    def forget(self) -> None:
        """Drop what was seen since the last `take`."""
        self._last, self._version = None, -1
        self._low, self._high = math.inf, -math.inf
        self._bounds.clear()
        if self._slots is not None:
            self._slots.n = 0

    def close(self) -> None:
        """Take the hook off the optimizer; closing twice is fine."""
        if self._handle is not None:
            self._handle.remove()

    def _changed(self, rate: Any) -> None:
        if isinstance(rate, Tensor):
            # Schedulers write into the tensor; its version tells whether they have.
            if rate is not self._last or rate._version != self._version:
                self._last, self._version = rate, rate._version
                self._put(rate)
            return
        self._last = rate
        rate = float(rate)
        self._low = min(self._low, rate)
        self._high = max(self._high, rate)

    def _put(self, rate: Tensor) -> None:
        if rate.is_cuda and torch.cuda.is_current_stream_capturing():
            return  # the copy would become part of the graph, and replay it into memory that is long freed
        slots = self._slots
        if slots is None or slots.values.device != rate.device:
            self._bounds = self._folded()
            slots = self._slots = Slots(rate.device)
        if slots.put(rate.reshape(())):
            self._bounds = self._folded()

    def _folded(self) -> list[Tensor]:
        """Return two bounds for each device and every full row, joined where they are on one device."""
        slots = self._slots
        if slots is None or not slots.n:
            return self._bounds
        values = slots.values[: slots.n]
        slots.n = 0
        if self._bounds and self._bounds[-1].device == values.device:
            values = torch.cat((values, self._bounds.pop()))
        return [*self._bounds, torch.stack(torch.aminmax(values))]

    def _read(self) -> None:
        bounds, self._bounds = self._folded(), []
        for bound in bounds:
            rates = bound.tolist()
            self._low, self._high = min(self._low, *rates), max(self._high, *rates)

    def _failed(self) -> None:
        """Hand the exception that is being handled to the guard."""
        self._off = not self._guard.strict
        with self._guard.protect(PART, still=_STILL):
            raise  # noqa: PLE0704 - called while an exception is handled
