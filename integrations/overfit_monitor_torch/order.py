"""A fingerprint of a batch of targets that tells one order of the examples from another."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

_AS_INTEGER: Final = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
# Odd numbers spread over 64 bits (multiplicative hashing, Knuth, The Art of Computer Programming 3, 6.4): the first
# makes a weight of a position, the second keeps values apart that differ by the same weight.
_POSITION: Final = -7046029254386353131
_VALUE: Final = -4658895280553007687
# Of a target with many entries, an image say, so many are enough; all of them would take memory and time.
_MOST_VALUES: Final = 64


def fingerprint(targets: Tensor) -> Tensor:
    """Return one whole number that depends on the values of the examples and on their order.

    The bits are summed in whole numbers that wrap around, so that every device gives the same whatever order it
    adds in. Two examples with equal targets can change places unseen.

    Args:
        targets: One entry for each example in the first dimension.

    Returns:
        A tensor without dimensions, on the device of the targets; nothing waits for it.
    """
    bits = targets.detach()
    if bits.is_complex():
        bits = torch.view_as_real(bits)
    if bits.is_floating_point():
        bits = bits.view(_AS_INTEGER[bits.element_size()])
    n = len(bits)
    each = bits.reshape(n, -1)
    each = each[:, :: max(1, each.shape[1] // _MOST_VALUES)]
    inside = torch.arange(1, each.shape[1] + 1, device=bits.device, dtype=torch.int64)
    examples = (each * inside).sum(1) * _VALUE
    places = torch.arange(1, n + 1, device=bits.device, dtype=torch.int64) * _POSITION
    return ((examples ^ (examples >> 29)) * (places ^ (places >> 31))).sum() + n
