"""Curves whose truth is known, seeded, for testing detectors against.

Every function returns a `Curve`: what was made, and where the phenomenon began.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from overfit_monitor.records import Verdict

Array = npt.NDArray[np.float64]


class Curve(NamedTuple):
    """A made training run.

    Attributes:
        name: What it shows.
        train: Train losses, one for each step from 0.
        val: Validation losses, as many.
        verdict: The verdict that a perfect analyzer would reach at the end.
        onset_step: Step from which the expected validation loss gets worse, None where it never does.
    """

    name: str
    train: list[float]
    val: list[float]
    verdict: Verdict
    onset_step: int | None = None


def noise(n: int, rng: np.random.Generator, *, correlation: float = 0.0) -> Array:
    """Return ``n`` values of stationary Gaussian noise of variance 1, autocorrelated as an AR(1)."""
    values = rng.normal(size=n)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + np.sqrt(1.0 - correlation**2) * values[i]
    return values


def _curve(
    name: str,
    verdict: Verdict,
    shape: Array,
    sd: float,
    seed: int,
    *,
    correlation: float = 0.0,
    onset: int | None = None,
) -> Curve:
    rng = np.random.default_rng(seed)
    n = len(shape)
    val = shape * (1.0 + sd * noise(n, rng, correlation=correlation))
    falling = 0.4 + 0.5 * np.exp(-np.arange(n) / (n / 4))
    train = falling * (1.0 + 0.5 * sd * noise(n, rng))
    return Curve(name, train.tolist(), val.tolist(), verdict, onset)


def _descent(n: int) -> Array:
    return np.asarray(0.5 + 0.5 * np.exp(-np.arange(n) / (n / 12)), dtype=np.float64)


def plateau(n: int = 100, *, sd: float = 0.02, seed: int = 0, correlation: float = 0.0) -> Curve:
    """Validation falls and then stays where it is."""
    return _curve("plateau", "healthy", _descent(n), sd, seed, correlation=correlation)


def falling(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Validation falls to the end."""
    return _curve("falling", "healthy", 0.5 + 0.5 / (1.0 + np.arange(n) / (n / 5)), sd, seed)


def step_schedule(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """A plateau until half-way, then the learning rate drops and validation with it."""
    shape = _descent(n) + np.where(np.arange(n) < n // 2, 0.25, 0.0)
    return _curve("step_schedule", "healthy", shape, sd, seed)


def overfit(n: int = 100, *, sd: float = 0.02, seed: int = 0, onset: float = 0.4, rise: float = 0.5) -> Curve:
    """Validation falls until ``onset`` (a share of the run) and then rises by ``rise`` of its lowest value."""
    start = int(onset * n)
    shape = _descent(n)
    up = np.clip((np.arange(n) - start) / max(1, n - 1 - start), 0.0, 1.0)
    return _curve("overfit", "overfitting", shape * (1.0 + rise * up), sd, seed, onset=start)


def diverging(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Train and validation fall, and from two thirds on both explode."""
    curve = plateau(n, sd=sd, seed=seed)
    start = 2 * n // 3
    factor = np.where(np.arange(n) < start, 1.0, 1.5 ** np.clip(np.arange(n) - start + 1, 0, 40))
    train, val = (np.asarray(values) * factor for values in (curve.train, curve.val))
    return Curve("diverging", train.tolist(), val.tolist(), "diverging", start)


CATALOGUE: tuple[Callable[..., Curve], ...] = (plateau, falling, step_schedule, overfit, diverging)
