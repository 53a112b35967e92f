"""Which findings come up on which made curve: the whole catalogue of findings against the catalogue of curves.

usage: python benchmarks/confusion.py [--runs 20] [--points 100] [--noise 0.02] [--at-end] [--jobs 2]

The curves are those of `overfit_monitor.testing.curves`, given whole: learning rates, further metrics and facts, where
a curve has them. A cell is the share of seeds with the finding at any time, or with ``--at-end`` at the last point;
empty is none. The finding that a curve is made to show is in asterisks; ``meant`` names it where no detector reports
it yet. ``right`` is the share of seeds that end with the verdict that a perfect analyzer would reach.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import rules  # noqa: F401  # silences the alerts
from tables import progress, show

from overfit_monitor import Monitor, detectors
from overfit_monitor.testing.curves import CATALOGUE, Curve

FINDINGS = tuple(detector.id for detector in detectors.CATALOGUE)


def seen(kind: int, points: int, noise: float, at_end: bool, seed: int) -> tuple[Curve, str, frozenset[str]]:
    """Return one made curve, our verdict on it and the findings."""
    curve = CATALOGUE[kind](points, sd=noise, seed=seed)
    monitor, found = Monitor(metric="loss", mode="min", facts=curve.facts), frozenset[str]()
    diagnosis = monitor.diagnosis
    for observation in curve.observations():
        diagnosis = monitor.replay([observation])
        now = frozenset(finding.id for finding in diagnosis.findings)
        found = now if at_end else found | now
    return curve, diagnosis.verdict, found


def row(outcomes: Sequence[tuple[Curve, str, frozenset[str]]]) -> list[str]:
    """Return the row of one curve."""
    curve, runs = outcomes[0][0], len(outcomes)
    count = Counter(id for *_, found in outcomes for id in found)
    cells = [f"{count[id] / runs:.2f}" if count[id] or id == curve.finding else "" for id in FINDINGS]
    marked = [f"*{cell}*" if id == curve.finding else cell for id, cell in zip(FINDINGS, cells, strict=True)]
    right = sum(said == made.verdict for made, said, _ in outcomes) / runs
    unseen = "" if curve.finding is None or curve.finding in FINDINGS else curve.finding
    return [curve.name, curve.verdict, f"{right:.2f}", unseen, *marked]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--runs", type=int, default=20, help="seeds of each curve")
    parser.add_argument("--points", type=int, default=100)
    parser.add_argument("--noise", type=float, default=0.02, help="relative to the loss")
    parser.add_argument("--at-end", action="store_true", help="count only what stands at the last point")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args(arguments)
    rows = []
    with ProcessPoolExecutor(asked.jobs) as pool:
        for kind in range(len(CATALOGUE)):
            work = partial(seen, kind, asked.points, asked.noise, asked.at_end)
            rows.append(row(list(pool.map(work, range(asked.runs)))))
            progress(f"{rows[-1][0]}: {asked.runs} seeds")
    when = "at the end" if asked.at_end else "at any time"
    title = f"Share of {asked.runs} seeds with a finding {when}, {asked.points} points, {asked.noise:.1%} noise"
    show(title, ["curve", "true verdict", "right", "meant", *FINDINGS], rows)


if __name__ == "__main__":
    main()
