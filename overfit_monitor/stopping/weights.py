"""What each figure of `Progress` weighs; printed by ``benchmarks/fit_stopping.py``."""

from __future__ import annotations

from typing import Final

BIAS: Final = -6.453
WEIGHTS: Final = {
    "above": 0.351,
    "wait": 0.384,
    "gain": -0.436,
    "level": 0.357,
    "turn": 0.462,
    "fall": 0.199,
    "train": -0.096,
    "rate_to_fall": -1.000,
    "rate_fallen": 0.634,
}
