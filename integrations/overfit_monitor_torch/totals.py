"""Running means of losses, on the device where they are computed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, final

import torch
from torch import Tensor

from overfit_monitor_torch.slots import Slots, widest

LOSS: Final = "loss"


class LossSummary(NamedTuple):
    """The loss of one split since it was last read.

    Attributes:
        mean: Mean over examples.
        examples: Number of examples seen.
        calls: Number of times the loss was computed.
        largest_batch: Most examples in one call.
        parts: Means by name where there are several losses; empty where there is one.
    """

    mean: float
    examples: int
    calls: int
    largest_batch: int
    parts: Mapping[str, float] = {}

    @property
    def metrics(self) -> dict[str, float]:
        """What is logged: ``loss`` and every named part."""
        return {LOSS: self.mean, **self.parts}


@final
class Total:
    """Weighted mean of one loss on one split; nothing waits for the device before it is taken.

    Attributes:
        calls: Number of losses since it was last taken.
    """

    __slots__ = ("_carried", "_examples", "_largest", "_sums", "calls")

    def __init__(self) -> None:
        self._sums: dict[torch.device, _Sum] = {}
        self._carried = 0.0
        self._examples = self._largest = self.calls = 0

    def add(self, loss: Tensor, examples: int, weight: int) -> None:
        """Take in one loss as it is now, a tensor without dimensions."""
        total = self._sum(loss)
        if total is not None:
            total.add(loss, weight)
            self._count(examples, 1, examples)

    def add_row(self, losses: list[Tensor], examples: Sequence[int]) -> None:
        """Take in losses on the CPU as they are now, each a mean, or the values of a mean, over as many examples."""
        try:
            row = torch.stack(losses)
        except RuntimeError:  # of several devices, or of several shapes
            row = None
        if row is None or row.dim() > 1:
            for loss, n in zip(losses, examples, strict=True):
                self.add(loss.mean(), n, n)
            return
        total = self._sum(row)
        if total is not None:
            total.add_row(row, examples)
            self._count(sum(examples), len(losses), max(examples))

    def take(self) -> LossSummary:
        """Return what was taken in and start anew; waits for the device."""
        summary = LossSummary(self._value() / self._examples, self._examples, self.calls, self._largest)
        self.clear()
        return summary

    def clear(self) -> None:
        """Start anew."""
        for one in self._sums.values():
            one.clear()
        self._carried = 0.0
        self._examples = self._largest = self.calls = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what was taken in, as plain values; waits for the device."""
        return {"sum": self._value(), "examples": self._examples, "calls": self.calls, "largest": self._largest}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.clear()
        self._carried = state["sum"]
        self._examples, self.calls, self._largest = state["examples"], state["calls"], state["largest"]

    def _value(self) -> float:
        return self._carried + sum(one.value() for one in self._sums.values())

    def _sum(self, loss: Tensor) -> _Sum | None:
        found = self._sums.get(loss.device)
        if found is None and not loss.is_meta:  # a model that is only sketched has no losses
            found = self._sums[loss.device] = _Sum(loss.device)
        return found

    def _count(self, examples: int, calls: int, largest: int) -> None:
        self._examples += examples
        self.calls += calls
        self._largest = max(self._largest, largest)


class _Sum:
    """Weighted sum of the losses on one device."""

    __slots__ = ("_slots", "_total", "_weights")

    def __init__(self, device: torch.device) -> None:
        self._slots = Slots(device)
        self._weights: list[int] = []
        with torch.inference_mode(mode=False):
            self._total = torch.zeros((), device=device, dtype=widest(device))

    def add(self, loss: Tensor, weight: int) -> None:
        self._weights.append(weight)
        if self._slots.put(loss):
            self._fold()

    def add_row(self, values: Tensor, weights: Sequence[int]) -> None:
        if weights.count(weights[0]) == len(weights):
            self._total.add_(values.sum(dtype=self._total.dtype), alpha=weights[0])
        else:
            # An ordinary copy to the device would wait for it.
            there = torch.empty_like(values, dtype=self._total.dtype)
            there.copy_(torch.tensor(weights), non_blocking=True)
            self._total.add_((values * there).sum())

    def value(self) -> float:
        if self._weights:
            self._fold()
        return float(self._total.item())

    def clear(self) -> None:
        self._slots.n = 0
        self._weights.clear()
        self._total.zero_()

    def _fold(self) -> None:
        self.add_row(self._slots.values[: len(self._weights)], self._weights)
        self._slots.n = 0
        self._weights.clear()
