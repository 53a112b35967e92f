"""What each figure of `Progress` weighs; printed by ``benchmarks/fit_stopping.py``."""

from __future__ import annotations

from typing import Final

BIAS: Final = -5.989
WEIGHTS: Final = {
    "above": 0.361,
    "wait": 0.307,
    "gain": -0.388,
    "level": 0.402,
    "turn": 0.463,
    "fall": 0.197,
    "train": -0.078,
    "rate_to_fall": -1.000,
    "rate_fallen": 0.610,
}
