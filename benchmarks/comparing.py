"""How often a comparison of runs says "surely worse" of what is as good, and how often it sees what is worse.

usage: python benchmarks/comparing.py [--nets 32] [--seeds 7] [--epochs 30] [--seed 7]

Every configuration is trained several times on the same data, from other weights and in another order. All of its
seeds are equally good, so whatever is called surely different among them is a false alarm. Then the losses of the other
side are raised by 5 to 50 %. Beside ours: any difference at all, a difference of 10 %, and two standard deviations of
the curve's own movement. ``overfit_monitor.comparison`` was fitted on other nets (seed 1234).
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import Any

import nets
import numpy as np
from tables import progress, share, show

from overfit_monitor.comparison import Measured, compare, measure
from overfit_monitor.records import Diagnosis, MetricChoice, Observation, Sampling

FACTORS = (1.0, 1.05, 1.1, 1.2, 1.5)
Group = Sequence[Measured]
Rule = Callable[[Group, Group], bool]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nets", type=int, default=32, help="configurations")
    parser.add_argument("--seeds", type=int, default=7, help="trainings of each, at least 6")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=7, help="seed of the configurations and their data")
    options = parser.parse_args()
    runs = trained(options)
    print_noise(runs)
    print_shares(runs)


def trained(options: argparse.Namespace) -> list[list[dict[str, Any]]]:
    """Return the columns of every training, by configuration; from the cache where they are there."""
    path = nets.CACHE / f"comparing-{options.seed}-{options.nets}-{options.seeds}-{options.epochs}.json"
    if not path.exists():
        progress(f"training {options.nets * options.seeds} small networks into {path} (once)")
        one = partial(_train, seed=options.seed, epochs=options.epochs)
        jobs = [(net, start) for net in range(options.nets) for start in range(options.seeds)]
        with ProcessPoolExecutor() as pool:
            done = list(pool.map(one, jobs, chunksize=4))
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps([done[i : i + options.seeds] for i in range(0, len(done), options.seeds)]))
    found: list[list[dict[str, Any]]] = json.loads(path.read_text())
    return found


def _train(job: tuple[int, int], *, seed: int, epochs: int) -> dict[str, Any]:
    columns = nets.train(job[0], seed, fixed={"epochs": epochs}, start=job[1])
    return {name: columns[name] for name in ("val_loss", "val_error", "val_accuracy") if name in columns}


def print_noise(runs: list[list[dict[str, Any]]]) -> None:
    """Print how much the best value varies from seed to seed, beside what a single run tells."""
    rows = []
    for told, values, within in (
        ("loss", _best(runs, "val_loss", min), [[m.noise for m in _measured(net)] for net in runs]),
        ("loss, per-example", _best(runs, "val_loss", min), [[m.noise for m in _measured(net, True)] for net in runs]),
    ):
        between = [float(np.std(v, ddof=1)) for v in values]
        relative = np.percentile([b / np.mean(v) for b, v in zip(between, values, strict=True)], [5, 50, 95])
        ratios = np.percentile([b / np.mean(w) for b, w in zip(between, within, strict=True) if all(w)], [5, 50, 95])
        rows.append((told, *(f"{100 * r:.1f} %" for r in relative), *(f"{r:.1f}" for r in ratios)))
    header = ("best", "5 of 100", "median", "95 of 100", "over within: 5 of 100", "median", "95 of 100")
    show("Standard deviation of the best value from seed to seed, and over that which one run tells", header, rows)


def print_shares(runs: list[list[dict[str, Any]]]) -> None:
    """Print the share of comparisons called surely worse or better, by how much worse the other side is."""
    rows = []
    for kind, sizes, measured in (
        ("1 run and 1", (1, 1), _measured),
        ("1 and 1, per-example losses", (1, 1), partial(_measured, sampled=True)),
        ("1 and 1, accuracy", (1, 1), _accuracies),
        ("3 seeds and 1", (3, 1), _measured),
        ("3 seeds and 3", (3, 3), _measured),
    ):
        for name, rule in RULES.items():
            if name == "ours" or kind in ("1 run and 1", "3 seeds and 3"):
                rows.append((kind, name, *_shares(runs, sizes, measured, rule)))
    header = ("compared", "rule", "equal: false alarms", *(f"{100 * (f - 1):.0f} % worse" for f in FACTORS[1:]))
    show("Share called different, in the direction that it is worse where it is", header, rows)


def _shares(
    runs: list[list[dict[str, Any]]], sizes: tuple[int, int], measured: Callable[..., list[Measured]], rule: Rule
) -> list[str]:
    cells = []
    for factor in FACTORS:
        hits = total = 0
        for net in runs:
            group = measured(net)
            if not group or (factor != 1.0 and group[0].mode == "max"):
                continue
            for a, b in _splits(group, sizes):
                worse = [m.model_copy(update={"value": factor * (m.value or 0.0)}) for m in b]
                total += 1
                hits += rule(a, worse) and (factor == 1.0 or _mean(worse) > _mean(a))
        cells.append("" if not total else share(hits, total) if factor == 1.0 else f"{hits / total:.2f}")
    return cells


def _splits(group: Group, sizes: tuple[int, int]) -> list[tuple[Group, Group]]:
    """Return pairs of groups that share no run: of each net as many as there are runs for."""
    if sizes == (1, 1):
        return [([a], [b]) for a, b in itertools.combinations(group, 2)]
    whole = sum(sizes)
    starts = range(len(group) - whole + 1)
    return [(group[s : s + sizes[0]], group[s + sizes[0] : s + whole]) for s in starts]


def _measured(net: list[dict[str, Any]], sampled: bool = False) -> list[Measured]:
    return [_measure(run["val_loss"], run["val_error"] if sampled else None, "min") for run in net]


def _accuracies(net: list[dict[str, Any]]) -> list[Measured]:
    return [_measure(run["val_accuracy"], None, "max") for run in net if "val_accuracy" in run]


def _measure(values: list[float], errors: list[float] | None, mode: Any) -> Measured:
    best = int(np.argmin(values) if mode == "min" else np.argmax(values))
    observations = [
        Observation(
            step=i, val={"m": v}, sampling=None if errors is None else Sampling(n=100, standard_error=errors[i])
        )
        for i, v in enumerate(values)
    ]
    choice = MetricChoice(val="m", mode=mode)
    return measure(Diagnosis(verdict="healthy", best_step=best, best_value=values[best], metrics=choice), observations)


def _best(runs: list[list[dict[str, Any]]], name: str, best: Callable[[list[float]], float]) -> list[list[float]]:
    return [[best(run[name]) for run in net] for net in runs]


def _mean(group: Group) -> float:
    return float(np.mean([m.value for m in group]))


def _beyond_the_curve(a: Group, b: Group) -> bool:
    noise = math.hypot(*(m.noise or 0.0 for m in (a[0], b[0])))
    return abs(_mean(b) - _mean(a)) > 2.0 * noise


RULES: dict[str, Rule] = {
    "ours": lambda a, b: bool(compare(a, b).sure),
    "any difference": lambda a, b: _mean(a) != _mean(b),
    "10 %": lambda a, b: abs(_mean(b) - _mean(a)) > 0.1 * abs(_mean(a)),
    "2 sd of the curve": _beyond_the_curve,
}


if __name__ == "__main__":
    main()
