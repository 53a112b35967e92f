"""A row of numbers on a device, filled one at a time without waiting for it."""

from __future__ import annotations

from typing import Final, final

import torch
from torch import Tensor

# A full row is summarized by a few kernels: spread over this many values they cost next to nothing.
SIZE: Final = 256


@final
class Slots:
    """Holds up to `SIZE` numbers on one device, each as it was when it was put there.

    A copy into memory that is there already is the cheapest way to keep a number for later without waiting
    (benchmarks/hook.py measures the others). Keeping the tensor itself would be cheaper still, but what it
    refers to belongs to somebody else: a loss is scaled in place for gradient accumulation, a compiled graph
    writes its next result to the same place, and a view keeps the whole batch alive.

    Args:
        device: Where the numbers come from.

    Attributes:
        values: The numbers, double precision where the device has it, shape (SIZE,); the first ``n`` count.
        n: How many were put.
    """

    __slots__ = ("_places", "n", "values")

    def __init__(self, device: torch.device) -> None:
        # Validation often runs under inference_mode, whose tensors cannot be written to outside of it.
        with torch.inference_mode(mode=False):
            self.values = torch.zeros(SIZE, device=device, dtype=widest(device))
            self._places = [self.values[i] for i in range(SIZE)]
        self.n = 0

    def put(self, number: Tensor) -> bool:
        """Copy a tensor without dimensions; return whether the row is full now."""
        n = self.n
        self._places[n].copy_(number.data)
        self.n = n = n + 1
        return n == SIZE


def widest(device: torch.device) -> torch.dtype:
    """Return the most precise floating-point type of the device; Apple's has no double precision."""
    return torch.float32 if device.type == "mps" else torch.float64
