"""What one `Monitor.log` costs early and late in a run, beside an empty call and plain early stopping.

usage: python benchmarks/cost.py [--epochs 10 1000 100000] [--companions 0 5] [--calls 300] [--runs 40]

Microseconds of processor time a call, the median and the 99th percentile, one thread, nothing written to disk; time
that other processes take is not in it. The monitor is brought to the epoch by `Monitor.replay`, then at most a tenth
as many calls follow, and the next monitor is taken until there are enough. Validation falls to a plateau under noise
of 2 %, with as many other losses beside as ``--companions`` says. Plain early stopping keeps a best value and a
count, as the callbacks of Keras and of ignite do, without their framework around it. Compare rows of one table; the
figures depend on the machine, and reading the clock is in all of them.

The second table is the same for finished logs of 200 evaluations, diagnosis included: taken in one by one, as a live
run is, and together, as `overfit-monitor check` does (docs/decisions/0022-stretches.md). The best of three passes over
the runs.
"""

from __future__ import annotations

import argparse
import time
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import rules  # noqa: F401  # silences the alerts
from tables import progress, show

from overfit_monitor import Monitor
from overfit_monitor.columns import Column, Columns
from overfit_monitor.records import Observation

Log = Callable[..., object]
SIDES = ("train", "val")


class PlainPatience:
    """A best value and a count."""

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best = float("inf")
        self.wait = 0
        self.should_stop = False

    def log(self, *, step: int, train: Mapping[str, float], val: Mapping[str, float]) -> None:
        """Take in the metrics of one step."""
        self.wait += 1
        if val["loss"] < self.best:
            self.best, self.wait = val["loss"], 0
        self.should_stop = self.should_stop or self.wait >= self.patience


def empty(*, step: int, train: Mapping[str, float], val: Mapping[str, float]) -> None:
    """Do nothing."""


def curves(points: int, companions: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the arguments of so many calls."""
    rng, t = np.random.default_rng(seed), np.arange(points)
    shape = 0.5 + 0.5 * np.exp(-t / 50.0)
    names = ["loss", *(f"head{i}_loss" for i in range(companions))]
    val = shape[:, None] * (1.0 + 0.02 * rng.normal(size=(points, len(names))))
    train = (0.4 + 0.5 * np.exp(-t / 100.0))[:, None] * (1.0 + 0.01 * rng.normal(size=(points, len(names))))
    return [
        {
            "step": i,
            "train": dict(zip(names, train[i].tolist(), strict=True)),
            "val": dict(zip(names, val[i].tolist(), strict=True)),
        }
        for i in range(points)
    ]


def timed(log: Log, calls: Sequence[dict[str, Any]]) -> list[float]:
    """Return the processor time of every call, in microseconds."""
    taken = []
    for arguments in calls:
        begin = time.thread_time_ns()
        log(**arguments)
        taken.append((time.thread_time_ns() - begin) / 1e3)
    return taken


def measured(epoch: int, companions: int, calls: int) -> dict[str, list[float]]:
    """Return the times of so many calls at an epoch, by what is called."""
    at_once = min(calls, max(1, epoch // 10))
    given = curves(epoch + at_once, companions)
    before, after = given[:epoch], given[epoch:]
    seen = [Observation(**one) for one in before]
    taken: dict[str, list[float]] = {"empty call": [], "plain patience": [], "Monitor.log": []}
    while len(taken["empty call"]) < calls:
        plain, monitor = PlainPatience(patience=10), Monitor(metric="loss", mode="min")
        for one in before:
            plain.log(**one)
        monitor.replay(seen)
        for name, log in zip(taken, (empty, plain.log, monitor.log), strict=True):
            taken[name] += timed(log, after)
    return taken


def finished(kind: str, companions: int, runs: int) -> tuple[float, float]:
    """Return the microseconds an evaluation of finished runs, taken in one by one and together."""
    logs = []
    for seed in range(runs):
        given = curves(200, companions, seed=seed)
        for i, one in enumerate(given):
            one["val"]["loss"] += 0.01 * max(0, i - 80) if kind == "overfits" else 0.0
        names = given[0]["val"]
        train, val = (
            {name: Column(array("d", [one[side][name] for one in given])) for name in names} for side in SIDES
        )
        logs.append(Columns(array("q", range(200)), train, val))
    by_one = [list(log) for log in logs]
    taken: dict[str, list[float]] = {"one": [], "together": []}
    for _ in range(3):
        for name, given_logs in (("one", by_one), ("together", logs)):
            begin = time.thread_time_ns()
            for log in given_logs:
                Monitor(metric="loss", mode="min").replay(log)
            taken[name].append((time.thread_time_ns() - begin) / 1e3 / (200 * runs))
    return min(taken["one"]), min(taken["together"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--epochs", type=int, nargs="+", default=[10, 1_000, 100_000])
    parser.add_argument("--companions", type=int, nargs="+", default=[0, 5], help="other metrics logged beside")
    parser.add_argument("--calls", type=int, default=300, help="calls that are timed")
    parser.add_argument("--runs", type=int, default=40, help="finished runs that are timed")
    asked = parser.parse_args(arguments)
    rows = []
    for companions in asked.companions:
        for epoch in asked.epochs:
            for name, taken in measured(epoch, companions, asked.calls).items():
                rows.append([name, companions, epoch, *(f"{np.percentile(taken, q):.1f}" for q in (50, 99))])
            progress(f"{companions} other metrics, epoch {epoch}")
    show("Microseconds a call", ["call", "other metrics", "epoch", "median", "99th percentile"], rows)
    rows = []
    for companions in asked.companions:
        for kind in ("healthy", "overfits"):
            one, together = finished(kind, companions, asked.runs)
            rows.append([kind, companions, f"{one:.1f}", f"{together:.1f}", f"{one / together:.1f}"])
            progress(f"{kind} runs with {companions} other metrics")
    show("Microseconds an evaluation", ["finished run", "other metrics", "one by one", "together", "ratio"], rows)


if __name__ == "__main__":
    main()
