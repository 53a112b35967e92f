"""Calibrate the limits of the overfitting test: prints the table that overfit_monitor/stats/limits.py holds.

usage: python benchmarks/limits.py [--runs 600] [--points 30 100 300 1000 3000]

Healthy runs are simulated: validation falls to a plateau, keeps falling, or drops with the learning rate,
under noise that is independent, autocorrelated up to 0.7, heavy-tailed or of changing size, of 0.5, 2 or
8 % of the level. For every kind and length the largest value of the statistic anywhere in a run is kept,
where everything else that the alarm asks for holds. The limit for a rate is the smallest that so few runs
pass that the rate is kept with 95 % confidence (Clopper and Pearson 1934), for every kind and length.
``benchmarks/calibration.py`` checks it, with simulations of its own.
"""

from __future__ import annotations

import argparse
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from scipy.stats import beta
from tables import show

from overfit_monitor.detectors.overfitting.conditions import MATERIAL, SINCE_BEST, WANDER
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.rise import FEWEST
from overfit_monitor.stats.rising_curve import measure_rise
from overfit_monitor.testing.curves import noise

KINDS = ("plateau", "falling", "step", "AR 0.3", "AR 0.5", "AR 0.7", "heavy tails", "changing size")
RATES = (0.01, 0.02, 0.05, 0.1, 0.2)


def healthy(kind: str, n: int, seed: int) -> list[float]:
    """Return the validation losses of one healthy run."""
    rng = np.random.default_rng([seed, n, KINDS.index(kind), 7])
    t, size = np.arange(n), rng.choice([0.005, 0.02, 0.08])
    shape = 0.5 + 0.5 * np.exp(-t / (n / rng.choice([6.0, 12.0, 25.0])))
    if kind == "falling":
        shape = 0.5 + 0.5 / (1.0 + t / (n / 5))
    elif kind == "step":
        shape = shape + np.where(t < n * rng.uniform(0.3, 0.7), 0.25, 0.0)
    moves = noise(n, rng, correlation=float(kind.split()[1]) if kind.startswith("AR") else 0.0)
    if kind == "heavy tails":
        moves = rng.standard_t(3, size=n) / math.sqrt(3.0)
    elif kind == "changing size":
        moves = moves * np.linspace(*rng.choice([[2.0, 0.5], [0.5, 2.0]]), n)
    return list(shape * (1.0 + size * moves))


def largest(kind: str, n: int, seed: int) -> float:
    """Return the limit at which this run would just raise no alarm."""
    curve, most = BinnedCurve(), 0.0
    for step, value in enumerate(healthy(kind, n, seed)):
        closed = curve.update(step, value)
        if not closed or len(curve.state.values) < FEWEST or value < min(curve.state.values) * (1.0 + MATERIAL / 2):
            continue
        found = measure_rise(curve.values)
        since = len(curve.state.values) - 1 - found.best_at
        if since < SINCE_BEST or found.rise < max(MATERIAL * abs(found.best), WANDER * found.wander):
            continue
        most = max(most, found.statistic)
    return most


def limit(found: list[float], rate: float) -> float:
    """Return the smallest limit that keeps the rate with 95 % confidence, infinite where too few runs tell."""
    runs = len(found)
    passing = [k for k in range(runs) if beta.ppf(0.95, k + 1, runs - k) <= rate]
    return sorted(found, reverse=True)[passing[-1]] if passing else math.inf


def main() -> None:
    """Print the quantiles of every kind and length, and the limits."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=600, help="simulated runs of each kind and length")
    parser.add_argument("--points", type=int, nargs="+", default=[30, 100, 300, 1000, 3000])
    asked = parser.parse_args()
    rows, worst = [], np.zeros(len(RATES))
    with ProcessPoolExecutor() as pool:
        for kind in KINDS:
            for n in asked.points:
                found = list(pool.map(partial(largest, kind, n), range(asked.runs), chunksize=10))
                quantiles = [limit(found, rate) for rate in RATES]
                worst = np.maximum(worst, quantiles)
                rows.append([kind, n, *(f"{q:.1f}" for q in quantiles)])
    show("Limit that keeps the rate", ["noise", "points", *RATES], [*rows, ["limit", "", *(f"{w:.1f}" for w in worst)]])


if __name__ == "__main__":
    main()
