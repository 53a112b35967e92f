"""Limits of the rise statistic for a false-alarm rate per run, calibrated by simulation."""

from __future__ import annotations

import math
from itertools import pairwise

# Made by benchmarks/limits.py: for each rate the limit that no simulated family of healthy runs passes more often.
LIMITS: tuple[tuple[float, float], ...] = ((0.01, 21.5), (0.02, 14.5), (0.05, 5.7), (0.1, 3.1), (0.2, 1.0))


def limit_for(false_alarm_rate: float) -> float:
    """Return the limit of `measure_rise`'s statistic for this share of healthy runs with any alarm.

    Between the calibrated rates the logarithm of the limit is linear in that of the rate.

    Args:
        false_alarm_rate: 0.01 to 0.2 per run, looked at after every evaluation.
    """
    wanted = math.log(false_alarm_rate)
    for (low, at_low), (high, at_high) in pairwise(LIMITS):
        if false_alarm_rate <= high:
            share = (wanted - math.log(low)) / (math.log(high) - math.log(low))
            return math.exp(math.log(at_low) + share * (math.log(at_high) - math.log(at_low)))
    return LIMITS[-1][1]
