"""Which findings come up on which made curve: the whole catalogue of findings against the catalogue of curves.

usage: python benchmarks/confusion.py [--runs 20] [--points 100] [--noise 0.02] [--at-end] [--jobs 2]

The curves are those of `overfit_monitor.testing.curves`, only their train and validation losses are given. A cell is
the share of seeds with the finding at any time, or with ``--at-end`` at the last point; empty is none. The finding
that a curve is made to show is in asterisks: the one of its name, or else the one that decides its verdict. ``right``
is the share of seeds that end with the verdict that a perfect analyzer would reach.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from rules import observations
from tables import progress, show

from overfit_monitor import Monitor, detectors
from overfit_monitor.testing.curves import CATALOGUE

FINDINGS = tuple(detector.id for detector in detectors.CATALOGUE)
DECIDES = {"overfitting": "overfitting", "diverging": "divergence", "underfitting": "underfitting"}


def seen(kind: int, points: int, noise: float, at_end: bool, seed: int) -> tuple[str, str, str, frozenset[str]]:
    """Return name, true verdict, our verdict and the findings on one made curve."""
    curve = CATALOGUE[kind](points, sd=noise, seed=seed)
    monitor, found = Monitor(metric="loss", mode="min"), frozenset[str]()
    diagnosis = monitor.diagnosis
    for observation in observations(curve.train, curve.val):
        diagnosis = monitor.replay([observation])
        now = frozenset(finding.id for finding in diagnosis.findings)
        found = now if at_end else found | now
    return curve.name, curve.verdict, diagnosis.verdict, found


def row(outcomes: Sequence[tuple[str, str, str, frozenset[str]]]) -> list[str]:
    """Return the row of one curve."""
    name, verdict = outcomes[0][:2]
    runs = len(outcomes)
    intended = name if name in FINDINGS else DECIDES.get(verdict)
    count = Counter(id for *_, found in outcomes for id in found)
    cells = [f"{count[id] / runs:.2f}" if count[id] or id == intended else "" for id in FINDINGS]
    marked = [f"*{cell}*" if id == intended else cell for id, cell in zip(FINDINGS, cells, strict=True)]
    right = sum(said == truth for _, truth, said, _ in outcomes) / runs
    return [name, verdict, f"{right:.2f}", *marked]


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
    show(title, ["curve", "true verdict", "right", *FINDINGS], rows)


if __name__ == "__main__":
    main()
