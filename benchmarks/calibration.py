"""False alarms: the share of simulated healthy runs in which an alarm is raised at any time.

usage: python benchmarks/calibration.py [--runs 200]

No run has any overfitting: validation stays, falls, or drops with the learning rate, under noise of
2 % that is independent, autocorrelated, heavy-tailed or of changing size. The figure behind ± is the
upper 95 % limit (Clopper and Pearson 1934).
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
from rules import RULES
from scipy.stats import beta
from tables import show

from overfit_monitor.testing.curves import noise

LENGTHS = (30, 100, 300)
FAMILIES = ("plateau", "falling", "step schedule", "AR 0.5", "AR 0.7", "AR 0.9", "heavy tails", "shrinking noise")
SHOWN = ("overfit-monitor", "patience 10", "val > 1.2 x best", "(val - train) / train > 0.1")


def healthy(family: str, n: int, seed: int, sd: float = 0.02) -> tuple[list[float], list[float]]:
    """Return train and validation losses of one healthy run."""
    rng = np.random.default_rng([seed, n, FAMILIES.index(family)])
    t = np.arange(n)
    shape = 0.5 + 0.5 * np.exp(-t / (n / 12))
    if family == "falling":
        shape = 0.5 + 0.5 / (1.0 + t / (n / 5))
    elif family == "step schedule":
        shape = shape + np.where(t < n // 2, 0.25, 0.0)
    correlation = float(family.split()[1]) if family.startswith("AR") else 0.0
    moves = noise(n, rng, correlation=correlation)
    if family == "heavy tails":
        moves = rng.standard_t(3, size=n) / np.sqrt(3.0)
    elif family == "shrinking noise":
        moves = moves * np.linspace(2.0, 0.5, n)
    val = shape * (1.0 + sd * moves)
    train = (0.4 + 0.5 * np.exp(-t / (n / 4))) * (1.0 + 0.5 * sd * rng.normal(size=n))
    return train.tolist(), val.tolist()


def alarmed(rule: str, family: str, n: int, seed: int) -> bool:
    """Return whether the rule ever calls the run overfit."""
    return any(RULES[rule](*healthy(family, n, seed)))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=200, help="simulated runs a cell")
    runs = parser.parse_args().runs
    rows = []
    with ProcessPoolExecutor() as pool:
        for family in FAMILIES:
            for n in LENGTHS:
                row = [family, n]
                for rule in SHOWN:
                    hits = sum(pool.map(partial(alarmed, rule, family, n), range(runs), chunksize=20))
                    upper = 1.0 if hits == runs else beta.ppf(0.95, hits + 1, runs - hits)
                    row.append(f"{hits / runs:.3f} (≤ {upper:.3f})")
                rows.append(row)
    show(f"Share of {runs} healthy runs with any alarm", ["noise", "points", *SHOWN], rows)


if __name__ == "__main__":
    main()
