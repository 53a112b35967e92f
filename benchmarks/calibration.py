"""False alarms: the share of simulated healthy runs that are called overfitting at any time.

usage: python benchmarks/calibration.py [--runs 24] [--points 30 100 300 1000 10000] [--families NAME ...]
                                        [--noise 0.005 0.02 0.08] [--rates 0.05] [--seed 0] [--jobs 2]

In no run does the expected validation loss ever rise. It falls to a plateau (all families but two), falls to
the end, or drops when the learning rate does, under noise that is independent or AR(1), normal or Student's t
with 3 degrees of freedom, of constant, shrinking or growing size, and of 0.5, 2 or 8 % of the loss. Every run is
looked at after every point. The figure behind ≤ is the upper 95 % limit (Clopper and Pearson 1934).

The rules of others see the same runs, all sizes of noise together. PageHinkley's default limit of 50 is in the
units of the values, so that its zero on a loss near 1 says that it can hardly speak, not that it is right. With
several ``--rates`` the share achieved is shown beside each rate asked for, and nothing else. Above 1,000 points
fewer runs are simulated (as many points in all as at 1,000, at least 4 runs); the limits say so. The default tells
a bad kind from a good one; to show that one cell keeps 5 % takes 59 runs in it without an alarm.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from rules import OURS, RULES, observations, ours
from scipy.signal import lfilter
from tables import progress, share, show

FAMILIES = (
    "plateau (AR 0)",
    "falling",
    "AR 0.3",
    "AR 0.5",
    "AR 0.7",
    "AR 0.9",
    "shrinking noise",
    "growing noise",
    "heavy tails",
    "rate steps, logged",
    "rate steps, not logged",
)
BESIDE = ("patience 10", "val > train", "(val - train) / train > 0.1", "val > 1.2 x best", "PageHinkley", "ADWIN")
LOWEST_FACTOR = 0.05  # a loss that heavy tails take below zero would make every ratio meaningless


class Healthy(NamedTuple):
    """One simulated run; ``rate`` is None where the learning rate is not logged."""

    train: Any
    val: Any
    rate: Any


class Cell(NamedTuple):
    """The runs of one kind, length and size of noise."""

    family: str
    points: int
    noise: float


def healthy(cell: Cell, seed: int, index: int) -> Healthy:
    """Simulate one healthy run."""
    n = cell.points
    rng = np.random.default_rng([seed, index, n, FAMILIES.index(cell.family), round(1e4 * cell.noise)])
    t = np.arange(n)
    shape, rate = 0.5 + 0.5 * np.exp(-t / (n / 12)), None
    if cell.family == "falling":
        shape = 0.5 + 0.5 / (1.0 + t / (n / 5))
    elif cell.family.startswith("rate steps"):
        before, last = t < n // 2, t >= 3 * n // 4
        shape = shape + np.where(before, 0.25, np.where(last, 0.0, 0.05))
        rate = np.where(before, 0.1, np.where(last, 0.001, 0.01)) if cell.family.endswith(", logged") else None
    factor = np.maximum(1.0 + cell.noise * _moves(cell.family, n, rng), LOWEST_FACTOR)
    train = (0.4 + 0.5 * np.exp(-t / (n / 4))) * (1.0 + 0.5 * cell.noise * rng.normal(size=n))
    return Healthy(train, shape * factor, rate)


def _moves(family: str, n: int, rng: np.random.Generator) -> Any:
    """Return noise of variance 1; of changing size its standard deviation goes between 2 and 0.5."""
    if family == "heavy tails":
        return rng.standard_t(3, size=n) / np.sqrt(3.0)
    moves = rng.normal(size=n)
    if family.startswith("AR"):
        correlation = float(family.split()[1])
        moves[1:] *= np.sqrt(1.0 - correlation**2)
        return lfilter([1.0], [1.0, -correlation], moves)
    ends = {"shrinking noise": (2.0, 0.5), "growing noise": (0.5, 2.0)}.get(family, (1.0, 1.0))
    return moves * np.linspace(*ends, n)


def alarmed(cell: Cell, rates: Sequence[float], beside: Sequence[str], seed: int, index: int) -> list[bool]:
    """Return whether we, at each rate, and each rule beside us ever call the run overfit."""
    run = healthy(cell, seed, index)
    seen = observations(*run)
    own = [bool(ours(seen, false_alarm_rate=rate).any()) for rate in rates]
    return own + [bool(RULES[rule](run.train, run.val).any()) for rule in beside]


def count(asked: argparse.Namespace, beside: Sequence[str]) -> Iterator[tuple[Cell, int, Any]]:
    """Give for every cell the number of runs and of those with an alarm, by rate and rule."""
    with ProcessPoolExecutor(asked.jobs) as pool:
        for points in asked.points:
            runs = asked.runs if points <= 1000 else min(asked.runs, max(4, 1000 * asked.runs // points))
            for family in asked.families:
                for size in asked.noise:
                    cell = Cell(family, points, size)
                    work = partial(alarmed, cell, asked.rates, beside, asked.seed)
                    yield cell, runs, np.sum(list(pool.map(work, range(runs))), axis=0)
                progress(f"{points} points, {family}: {runs} runs at each noise")


def beside_others(asked: argparse.Namespace) -> None:
    """Print our share at each size of noise, and those of the other rules on the same runs."""
    found = {cell: (runs, hits) for cell, runs, hits in count(asked, BESIDE)}
    rows = []
    for points in asked.points:
        for family in (*asked.families, "all"):
            kinds = asked.families if family == "all" else [family]
            by_size = [_pool([found[Cell(kind, points, size)] for kind in kinds]) for size in asked.noise]
            runs, hits = _pool(by_size)
            own = [share(int(some[0]), n) for n, some in by_size]
            rows.append([family, points, runs, *own, *(f"{k / runs:.3f}" for k in hits[1:])])
    header = ["noise", "points", "runs", *(f"{OURS}, {size:.1%} noise" for size in asked.noise), *BESIDE]
    show(f"Healthy runs with any alarm at any time, false_alarm_rate {asked.rates[0]:g}", header, rows)


def achieved(asked: argparse.Namespace) -> None:
    """Print the share achieved at each rate asked for."""
    found = {cell: (runs, hits) for cell, runs, hits in count(asked, ())}
    rows = []
    for points in asked.points:
        for family in (*asked.families, "all"):
            kinds = asked.families if family == "all" else [family]
            runs, hits = _pool([found[Cell(kind, points, size)] for kind in kinds for size in asked.noise])
            rows.append([family, points, runs, *(share(int(k), runs) for k in hits)])
    header = ["noise", "points", "runs", *(f"asked {rate:g}" for rate in asked.rates)]
    show("Share of healthy runs with any alarm, achieved against asked", header, rows)


def _pool(parts: Sequence[tuple[int, Any]]) -> tuple[int, Any]:
    return sum(runs for runs, _ in parts), np.sum([hits for _, hits in parts], axis=0)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--runs", type=int, default=24, help="simulated runs of each kind, length and noise")
    parser.add_argument("--points", type=int, nargs="+", default=[30, 100, 300, 1000, 10000])
    parser.add_argument("--families", nargs="+", choices=FAMILIES, default=list(FAMILIES), metavar="NAME")
    parser.add_argument("--noise", type=float, nargs="+", default=[0.005, 0.02, 0.08], help="relative to the loss")
    parser.add_argument("--rates", type=float, nargs="+", default=[0.05], help="false_alarm_rate asked for")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args(arguments)
    if len(asked.rates) == 1:
        beside_others(asked)
    else:
        achieved(asked)


if __name__ == "__main__":
    main()
