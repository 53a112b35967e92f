"""What per-example validation losses bring to the detection of a rise, on nets whose true test loss is known.

usage: python benchmarks/paired.py [--runs 160] [--seed 12] [--rate 0.05] [--sizes 25 50 100 ...]

Real small networks are validated on 1,600 examples and tested on 4,000 hidden ones; a smaller validation set is the
beginning of the larger one. The seed is one that nothing was tuned on.

First table: how much smaller a validation set may be for the same standard error if the rise since the best epoch is
the mean of the differences on the same examples instead of a difference of two means, at the epoch at which the true
loss has risen by 5 %: the ratio of the two squared standard errors.

Second table: each statistic is looked at after every epoch and alarms at the first that passes its limit. A run is
without a rise until its true loss is first 1 % above its minimum. The limit of each statistic is set on one half of
the nets, for each size, so that ``--rate`` of them alarm before that. Told is what it does on the other half, and the
mean of both ways round: nets with an alarm before there is a rise, nets with a rise of 5 % that stays and has an alarm,
and the median delay in epochs from there.

- ``curve``: the rise statistic of the shipped detector on the validation values alone.
- ``means``: the rise over the sum of 5 % of the best and the standard error of two means.
- ``paired``: the same with the standard error of the differences on the same examples.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from typing import Any

import nets
import numpy as np
import numpy.typing as npt
from detection import smoothed
from tables import progress, show

from overfit_monitor.stats.paired import paired_change, standard_error
from overfit_monitor.stats.rise import FEWEST
from overfit_monitor.stats.rising_curve import measure_rise

SIZES = (25, 50, 100, 200, 400, 800, 1600)
SETTINGS = {"n_val": SIZES[-1], "epochs": 80}
NOTHING, MATERIAL = 0.01, 0.05
Array = npt.NDArray[np.float64]


class Nested(nets.Record):
    """Keeps for each size of the validation set what can be told of it."""

    def __init__(self, drawn: dict[str, Any]) -> None:
        """Begin with the settings of the run."""
        super().__init__(drawn)
        self._lowest: dict[int, Array] = {}

    def add(self, train_loss: float, rate: float, losses: dict[str, Any]) -> None:
        """Take in an epoch."""
        self.columns.setdefault("train_loss", []).append(train_loss)
        self.columns.setdefault("test_loss", []).append(float(losses["test"].mean()))
        for n in SIZES:
            val = losses["val"][:n]
            best = self._lowest.get(n)
            change, error = (0.0, 0.0) if best is None else paired_change(val, best)
            of_best = 0.0 if best is None else standard_error(best)
            row = {"val": float(val.mean()), "change": change, "paired": error}
            row["means"] = math.hypot(standard_error(val), of_best)
            for name, value in row.items():
                self.columns.setdefault(f"{name}-{n}", []).append(value)
            if best is None or val.mean() < best.mean():
                self._lowest[n] = val

    def add_accuracy(self, values: dict[str, float]) -> None:
        """Leave accuracies alone."""


def curve_statistic(values: Array) -> Array:
    """Return the statistic of the shipped detector after each epoch."""
    found = np.full(len(values), -np.inf)
    for t in range(FEWEST, len(values) + 1):
        found[t - 1] = measure_rise(values[:t]).statistic
    return found


def over_error(record: dict[str, Any], n: int, error: str) -> Array:
    """Return the rise over a share of the best and its standard error, after each epoch."""
    val, change = np.array(record[f"val-{n}"]), np.array(record[f"change-{n}"])
    return change / (MATERIAL * np.abs(np.minimum.accumulate(val)) + np.array(record[f"{error}-{n}"]))


class Run:
    """One net: its statistics, and when its true loss rose.

    Attributes:
        quiet: Epochs before the true loss is first 1 % above its minimum.
        risen: First epoch at which it is 5 % above for good, None without one.
    """

    def __init__(self, record: dict[str, Any]) -> None:
        """Read the truth off the smoothed test loss."""
        self.record = record
        test = smoothed(record["test_loss"])
        rise = test / np.minimum.accumulate(test) - 1.0
        above = np.flatnonzero(rise > NOTHING)
        self.quiet = int(above[0]) if len(above) else len(rise)
        above = np.flatnonzero(rise > MATERIAL)
        stays = len(above) and (rise[above[0] :] > MATERIAL / 2.0).mean() > 0.9
        self.risen = int(above[0]) if stays else None

    def statistics(self, n: int) -> dict[str, Array]:
        """Return the statistics by name for a validation set of so many examples."""
        return {
            "curve": curve_statistic(np.array(self.record[f"val-{n}"])),
            "means": over_error(self.record, n, "means"),
            "paired": over_error(self.record, n, "paired"),
        }

    def smaller(self, n: int) -> float | None:
        """Return the ratio of the squared standard errors where the true loss has risen."""
        if self.risen is None or not self.record[f"paired-{n}"][self.risen]:
            return None
        return float((self.record[f"means-{n}"][self.risen] / self.record[f"paired-{n}"][self.risen]) ** 2)


def limit(runs: Sequence[Run], values: Sequence[Array], rate: float) -> float:
    """Return the limit that so many of the runs pass before there is a rise."""
    peaks = np.sort([series[: run.quiet].max(initial=-np.inf) for run, series in zip(runs, values, strict=True)])
    return float(np.nextafter(peaks[::-1][int(rate * len(runs))], np.inf))


def judged(runs: Sequence[Run], values: Sequence[Array], at: float) -> tuple[float, float, float]:
    """Return the share of false alarms, the share of rises found, and the median delay."""
    pairs = list(zip(runs, values, strict=True))
    false = np.mean([(series[: run.quiet] >= at).any() for run, series in pairs])
    delays = []
    for run, series in pairs:
        if run.risen is not None:
            alarms = np.flatnonzero(series[run.quiet :] >= at) + run.quiet
            delays.append(max(0.0, float(alarms[0] - run.risen)) if len(alarms) else math.inf)
    found = np.isfinite(delays)
    return float(false), float(found.mean()), float(np.median(delays)) if found.mean() > 0.5 else math.inf


def compare(runs: Sequence[Run], n: int, rate: float) -> list[list[object]]:
    """Return a row for each statistic."""
    progress(f"{n} validation examples")
    series = [run.statistics(n) for run in runs]
    rows: list[list[object]] = []
    for name in ("curve", "means", "paired"):
        told = []
        for half in (0, 1):
            here, there = slice(half, None, 2), slice(1 - half, None, 2)
            values = [each[name] for each in series]
            told.append(judged(runs[there], values[there], limit(runs[here], values[here], rate)))
        false, found, delay = np.mean(told, axis=0)
        late = f"{delay:.1f}" if math.isfinite(delay) else "over half missed"
        rows.append([n, name, f"{false:.3f}", f"{found:.2f}", late])
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=160, help="networks (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=12, help="seed of the networks (default: %(default)s)")
    parser.add_argument("--rate", type=float, default=0.05, help="false alarms a run (default: %(default)s)")
    parser.add_argument("--sizes", type=int, nargs="+", choices=SIZES, default=SIZES, help="of the validation set")
    given = parser.parse_args(arguments)
    records = nets.load(given.runs, given.seed, name="paired", fixed=SETTINGS, record_type=Nested)
    runs = [Run(record) for record in records if np.isfinite(record["test_loss"] + record["val-25"]).all()]
    rows: list[list[object]] = []
    for n in given.sizes:
        ratios = [ratio for run in runs if (ratio := run.smaller(n)) is not None]
        low, middle, high = np.quantile(ratios or [math.nan], (0.25, 0.5, 0.75))
        rows.append([n, len(ratios), f"{middle:.1f}", f"{low:.1f} to {high:.1f}"])
    show("Times fewer examples for the same standard error", ["examples", "nets", "median", "quartiles"], rows)
    header = ["examples", "statistic", "false alarms", "rises found", "median delay"]
    title = (
        f"Detection of a rise at equal false alarms: {len(runs)} nets, {sum(r.risen is not None for r in runs)} rise"
    )
    show(title, header, [row for n in given.sizes for row in compare(runs, n, given.rate)])


if __name__ == "__main__":
    main()
