"""What a monitor keeps in memory as a run gets longer, beside a list of the same values.

usage: python benchmarks/memory.py [--evaluations 10000 100000 1000000 2000000]

Megabytes of resident memory above those after the imports, at these numbers of evaluations with a train and a
validation value each. From a million evaluations on the history is thinned, and nothing grows any more. Training
steps between evaluations keep nothing: the hook holds one sum for each split, whatever their number.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import rules  # noqa: F401  # silences the alerts
from tables import show

from overfit_monitor import Monitor
from overfit_monitor.records import Observation


def resident() -> float:
    """Return the megabytes that this process has in memory now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / 1e6


def observations(first: int, last: int) -> Iterator[Observation]:
    """Yield a falling train value and a validation value around a plateau."""
    rng = np.random.default_rng(first)
    for step in range(first, last):
        loss = 0.5 + 0.5 * float(np.exp(-step / 50.0)) + 0.01 * float(rng.normal())
        yield Observation(step=step, train={"loss": 0.4}, val={"loss": loss}, learning_rate=0.1)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--evaluations", type=int, nargs="+", default=[10_000, 100_000, 1_000_000, 2_000_000])
    marks = sorted(parser.parse_args(arguments).evaluations)
    rows, before = [], resident()
    monitor, done = Monitor(), 0
    for mark in marks:
        monitor.replay(observations(done, mark))
        done = mark
        rows.append([f"{mark:,}", f"{resident() - before:.0f}"])
    del monitor
    before, kept = resident(), []
    for mark, row in zip(marks, rows, strict=True):
        kept.extend((step, {"loss": 0.4}, {"loss": float(step)}, 0.1) for step in range(len(kept), mark))
        row.append(f"{resident() - before:.0f}")
    show("Megabytes above the imports", ["evaluations", "Monitor", "list of tuples and dicts"], rows)


if __name__ == "__main__":
    main()
