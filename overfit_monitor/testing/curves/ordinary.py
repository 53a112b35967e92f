"""Healthy runs with every kind of noise, and the two ways in which a run most plainly goes wrong."""

from __future__ import annotations

import numpy as np

from overfit_monitor.records import Verdict
from overfit_monitor.testing.curves.made import Array, Curve, descent, learning, noise, ramp

HIGH_RATE, LOW_RATE = 0.1, 0.01


def plateau(
    n: int = 100,
    *,
    sd: float = 0.02,
    seed: int = 0,
    correlation: float = 0.0,
    tails: float | None = None,
    uneven: float = 1.0,
) -> Curve:
    """Validation falls and then stays where it is, while train goes on.

    Args:
        n: Number of steps.
        sd: Standard deviation of the validation noise relative to the loss; train has half of it.
        seed: Seed of the noise.
        correlation: As in `noise`, of validation only.
        tails: As in `noise`, of validation only.
        uneven: As in `noise`, of validation only.
    """
    return _curve("plateau", "healthy", descent(n), sd, seed, correlation=correlation, tails=tails, uneven=uneven)


def falling(
    n: int = 100,
    *,
    sd: float = 0.02,
    seed: int = 0,
    correlation: float = 0.0,
    tails: float | None = None,
    uneven: float = 1.0,
) -> Curve:
    """Validation falls to the end, ever more slowly; arguments as for `plateau`."""
    shape = 0.5 + 0.5 / (1.0 + np.arange(n) / (n / 5))
    return _curve("falling", "healthy", shape, sd, seed, correlation=correlation, tails=tails, uneven=uneven)


def step_schedule(
    n: int = 100,
    *,
    sd: float = 0.02,
    seed: int = 0,
    correlation: float = 0.0,
    tails: float | None = None,
    uneven: float = 1.0,
) -> Curve:
    """A plateau until half-way, then the learning rate drops and validation with it; arguments as for `plateau`."""
    before = np.arange(n) < n // 2
    shape = descent(n) + np.where(before, 0.25, 0.0)
    rate = [HIGH_RATE if early else LOW_RATE for early in before]
    return _curve(
        "step_schedule", "healthy", shape, sd, seed, rate=rate, correlation=correlation, tails=tails, uneven=uneven
    )


def overfit(n: int = 100, *, sd: float = 0.02, seed: int = 0, onset: float = 0.4, rise: float = 0.5) -> Curve:
    """Validation falls until ``onset`` (a share of the run) and then rises by ``rise`` of its lowest value."""
    start = int(onset * n)
    shape = descent(n) * (1.0 + rise * ramp(n, start))
    return _curve("overfit", "overfitting", shape, sd, seed, onset=start, finding="overfitting")


def diverging(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Train and validation fall, and from two thirds on both explode."""
    curve = plateau(n, sd=sd, seed=seed)
    start = 2 * n // 3
    factor = np.where(np.arange(n) < start, 1.0, 1.5 ** np.clip(np.arange(n) - start + 1, 0, 40))
    train, val = (np.asarray(values) * factor for values in (curve.train, curve.val))
    return Curve("diverging", train.tolist(), val.tolist(), "diverging", start, "divergence")


def _curve(
    name: str,
    verdict: Verdict,
    shape: Array,
    sd: float,
    seed: int,
    *,
    onset: int | None = None,
    finding: str | None = None,
    rate: list[float] | None = None,
    correlation: float = 0.0,
    tails: float | None = None,
    uneven: float = 1.0,
) -> Curve:
    rng = np.random.default_rng(seed)
    n = len(shape)
    val = shape * (1.0 + sd * noise(n, rng, correlation=correlation, tails=tails, uneven=uneven))
    train = learning(n) * (1.0 + 0.5 * sd * noise(n, rng))
    return Curve(name, train.tolist(), val.tolist(), verdict, onset, finding, learning_rate=rate)
