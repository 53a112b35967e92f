"""Detection beside the rules that people use, on networks whose true test loss is known: how often, and how late.

usage: python benchmarks/detection.py [--histories FILE.jsonl] [--runs 240] [--seed 2]
                                      [--rates 0.01 0.02 0.05 0.1 0.2] [--resamples 1000] [--jobs 2]

Truth: a run overfits if its smoothed test loss ends at least 8 % above its smoothed minimum, and does
not if it ends at most 3 % above; what lies between is left out. Without ``--histories`` the nets of
``benchmarks/nets.py`` are used, of a seed that nothing was tuned on. A file of histories holds JSON lines with
``train_loss``, ``val_loss`` and ``test_loss``; or with ``train``, ``val`` (``{"loss": [...]}``) and ``label``
(``overfit``, ``not``, ``unclear``) where only a judgement is known.

Streamed means at any time in the run. The onset is the step from which the smoothed test loss stays above its
minimum; the detection delay is that from the onset to the first alarm, 0 where the alarm came before, infinite where
none came. Intervals are 95 %: for F1 percentiles of a bootstrap over runs (Efron and Tibshirani 1993, chapter 13),
for shares the exact ones (Clopper and Pearson 1934), since a bootstrap calls a share of 0 certain.
"""

from __future__ import annotations

import argparse
import json
import math
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import nets
import numpy as np
import numpy.typing as npt
from rules import OURS, RULES, Rule, observations, ours, patience, times_best
from tables import interval, progress, show, upper_limit

from overfit_monitor.records import Sampling

DEFAULT_RATE = 0.05
PATIENCES = (*range(1, 20), *range(20, 60, 2), *range(60, 201, 5))
FACTORS = (*np.round(np.arange(1.01, 1.3, 0.01), 2), *np.round(np.arange(1.3, 3.0, 0.1), 1), 4.0, 6.0, 10.0, 20.0)
MEASURES = ("F1", "recall", "false alarms")

Matrix = npt.NDArray[np.float64]


class Alarms(NamedTuple):
    """What one rule said on every run: at its end, at any time, and how late (NaN without a true onset)."""

    at_end: npt.NDArray[np.bool_]
    ever: npt.NDArray[np.bool_]
    delay: Matrix


def smoothed(test: Sequence[float]) -> Matrix:
    """Return the running median over a twentieth of the curve."""
    values, k = np.asarray(test, float), max(1, len(test) // 20) | 1
    return np.array([np.median(values[max(0, i - k // 2) : i + k // 2 + 1]) for i in range(len(values))])


def true_rise(test: Sequence[float]) -> float:
    """Return the relative rise of the smoothed end of a curve above its smoothed minimum."""
    smooth = smoothed(test)
    return float((smooth[-max(1, len(smooth) // 20) :].mean() - smooth.min()) / abs(smooth.min()))


def true_onset(test: Sequence[float]) -> int:
    """Return the step from which the smoothed test loss stays above its minimum."""
    smooth = smoothed(test)
    return int(np.flatnonzero(smooth == smooth.min())[-1]) + 1


def from_net(record: dict[str, Any]) -> dict[str, Any]:
    """Return train, val, test and truth of a net whose test loss is known."""
    rise = true_rise(record["test_loss"])
    truth = None if 0.03 < rise < 0.08 else rise >= 0.08
    curves = {name: record[f"{name}_loss"] for name in ("train", "val", "test")}
    return curves | {"truth": truth, "onset": true_onset(record["test_loss"]), "record": record}


def trained(runs: int, seed: int) -> list[dict[str, Any]]:
    """Return generated nets; one whose true loss is no number has no truth and is left out."""
    return [from_net(net) for net in nets.load(runs, seed) if np.isfinite(net["test_loss"]).all()]


def from_judged(record: dict[str, Any]) -> dict[str, Any]:
    """Return train, val and truth of a run that experts judged; train is brought to the length of val."""
    numbers = partial(map, lambda v: math.nan if v is None or isinstance(v, str) else float(v))
    val, train = list(numbers(record["val"]["loss"])), list(numbers(record["train"].get("loss", [])))
    places = np.linspace(0, 1, len(val))
    fitted = np.interp(places, np.linspace(0, 1, len(train)), train).tolist() if train else [math.nan] * len(val)
    truth = {"overfit": True, "not": False}.get(record["label"])
    return {"train": fitted, "val": val, "test": val, "truth": truth}


def read(path: Path) -> list[dict[str, Any]]:
    """Read a file of histories, without runs shorter than 20 evaluations or with a test loss that is no number."""
    records = [json.loads(line) for line in path.read_text().splitlines()]
    if "test_loss" not in records[0]:
        return [from_judged(record) for record in records]
    usable = [r for r in records if len(r["val_loss"]) >= 20 and np.all(np.isfinite(r["test_loss"]))]
    return [from_net(record) for record in usable]


def with_sampling(run: dict[str, Any]) -> list[Any]:
    """Return the observations of a net with what its per-example validation losses tell."""
    record, told, best = run["record"], [], 0
    for i, seen in enumerate(observations(run["train"], run["val"])):
        change: dict[str, Any] = {}
        better = run["val"][i] < run["val"][best]
        if i and ("change" in record or not better):  # else a new best was compared with itself, which tells nothing
            change = {"compared_to": best, "change": run["val"][i] - run["val"][best]}
            change["change_error"] = record["change_error"][i]
        best = i if better else best
        sampling = Sampling(n=record["n_val"], standard_error=record["val_error"][i], **change)
        told.append(seen.model_copy(update={"sampling": sampling}))
    return told


def said_by_us(run: dict[str, Any], *, rate: float, sampling: bool) -> npt.NDArray[np.bool_]:
    """Return at which steps our verdict is ``overfitting``."""
    seen = with_sampling(run) if sampling else observations(run["train"], run["val"])
    return ours(seen, false_alarm_rate=rate)


def alarms(said: Sequence[npt.NDArray[np.bool_]], runs: Sequence[dict[str, Any]]) -> Alarms:
    """Reduce what was said at every step to what is measured."""
    first = [np.argmax(steps) if steps.any() else math.inf for steps in said]
    onset = [run.get("onset", math.nan) for run in runs]
    delay = [max(0.0, f - o) if o == o else math.nan for f, o in zip(first, onset, strict=True)]  # noqa: PLR0124
    return Alarms(np.array([s[-1] for s in said]), np.array([s.any() for s in said]), np.array(delay))


def by_rule(rule: Rule, runs: Sequence[dict[str, Any]]) -> Alarms:
    """Return what a rule of others said on every run."""
    return alarms([rule(run["train"], run["val"]) for run in runs], runs)


def measure(truth: Any, said: Any) -> Matrix:
    """Return F1, recall and share of false alarms; over the last axis, so that resamples can come as rows."""
    hits, wrong = (truth & said).sum(-1), (truth ^ said).sum(-1)
    f1 = 2 * hits / np.maximum(1, 2 * hits + wrong)
    false = (~truth & said).sum(-1) / np.maximum(1, (~truth).sum(-1))
    return np.array([f1, hits / np.maximum(1, truth.sum(-1)), false])


def figures(truth: Any, said: Any, resamples: int) -> list[str]:
    """Return F1, recall and share of false alarms with their intervals."""
    drawn = np.random.default_rng(0).integers(len(truth), size=(resamples, len(truth)))
    of_f1 = np.percentile(measure(truth[drawn], said[drawn])[0], [2.5, 97.5])
    of_shares = [interval(int((kind & said).sum()), int(kind.sum())) for kind in (truth, ~truth)]
    found = zip(measure(truth, said), (of_f1, *of_shares), strict=True)
    return [f"{value:.3f} ({low:.2f} to {high:.2f})" for value, (low, high) in found]


def delays(found: Alarms, runs: Sequence[dict[str, Any]], truth: Any) -> list[str]:
    """Return the median delay on overfit runs in evaluations and as a share of the run."""
    delay, length = found.delay[truth], np.array([len(run["val"]) for run in runs])[truth]
    return [_number(_median(delay), ".1f"), _number(_median(delay / length), ".2f")]


def at_equal_rate(
    family: Sequence[Alarms], limits: Sequence[float], truth: Any, rate: float
) -> tuple[float, float, float] | None:
    """Return limit, median delay and recall of a family of rules where its false-alarm rate is this one.

    Between the two neighbouring limits everything is linear in the rate; without a limit strict enough, None.
    """
    # Limits with the same rate: the first is the least strict, hence the quickest.
    points: dict[float, tuple[float, float, float]] = {}
    for limit, found in zip(limits, family, strict=True):
        own = float(found.ever[~truth].mean())
        points.setdefault(own, (float(limit), _median(found.delay[truth]), float(found.ever[truth].mean())))
    above = min((own for own in points if own >= rate), default=None)
    below = max((own for own in points if own <= rate), default=None)
    if below is None:
        return None
    if above is None or above == below:
        return points[below]
    part = (rate - below) / (above - below)
    low, high = np.array(points[below]), np.array(points[above])
    limit, delay, recall = (1 - part) * low + part * high
    return float(limit), float(delay), float(recall)


def _median(values: Matrix) -> float:
    return float(np.percentile(values, 50, method="lower")) if len(values) and not np.isnan(values).any() else math.nan


def _number(value: float, form: str) -> str:
    return "not known" if math.isnan(value) else "over half missed" if math.isinf(value) else format(value, form)


def show_detection(named: dict[str, Alarms], runs: Any, truth: Any, resamples: int) -> None:
    """Print how often each rule is right, at the end of the run and streamed, and how late."""
    rows = [
        [
            name,
            *figures(truth, found.at_end, resamples),
            *figures(truth, found.ever, resamples),
            *delays(found, runs, truth),
        ]
        for name, found in named.items()
    ]
    kinds = [f"{name}, {when}" for when in ("at the end", "streamed") for name in MEASURES]
    title = f"Detection: {truth.sum()} overfit and {(~truth).sum()} healthy runs"
    show(title, ["rule", *kinds, "median delay", "share of run"], rows)


def show_trade_off(curve: dict[float, Alarms], families: dict[str, Any], runs: Any, truth: Any) -> None:
    """Print our streamed figures over the rates asked for, and what others reach at these and at the achieved."""
    rows, beside = [], []
    for asked, found in curve.items():
        f1, recall, false = measure(truth, found.ever)
        healthy = int((~truth).sum())
        limit = upper_limit(int((found.ever & ~truth).sum()), healthy)
        own = delays(found, runs, truth)
        rows.append([f"{asked:g}", f"{false:.3f} (≤ {limit:.3f})", f"{recall:.3f}", f"{f1:.3f}", *own])
        for at, (name, (limits, family)) in product(sorted({float(false), asked}), families.items()):
            equal = at_equal_rate(family, limits, truth, at)
            ours_now = [f"{asked:g}", f"{false:.3f}", own[0], f"{recall:.3f}", name, f"{at:.3f}"]
            if equal is None:
                beside.append([*ours_now, "none", "never so few", "-", "-"])
                continue
            its = [f"{equal[0]:.2f}", _number(equal[1], ".1f"), f"{equal[2]:.3f}"]
            beside.append([*ours_now, *its, _ratio(_median(found.delay[truth]), equal[1])])
    header = ["asked", "false alarms", "recall", "F1", "median delay", "share of run"]
    show(f"{OURS} over false_alarm_rate, streamed", header, rows)
    header = ["asked", "false alarms", "our delay", "our recall", "rule", "at", "its limit", "its delay", "its recall"]
    show(
        "Beside rules whose limit gives as many false alarms as we raise, and as were asked for, on the same runs",
        [*header, "our delay / its delay"],
        beside,
    )


def _ratio(own: float, other: float) -> str:
    """Return how the delays compare; there is no ratio where either rule misses over half of the runs."""
    return f"{own / other:.2f}" if math.isfinite(own) and math.isfinite(other) and other else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--histories", type=Path, help="JSON lines to use instead of our own nets")
    parser.add_argument("--runs", type=int, default=240, help="nets to train")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--rates", type=float, nargs="+", default=[0.01, 0.02, 0.05, 0.1, 0.2])
    parser.add_argument("--resamples", type=int, default=1000, help="of the bootstrap")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args(arguments)
    every = read(asked.histories) if asked.histories else trained(asked.runs, asked.seed)
    runs = [run for run in every if run["truth"] is not None]
    truth = np.array([run["truth"] for run in runs])
    curve: dict[float, Alarms] = {}
    with ProcessPoolExecutor(asked.jobs) as pool:
        for rate in sorted({*asked.rates, DEFAULT_RATE}):
            work = partial(said_by_us, rate=rate, sampling=False)
            curve[rate] = alarms(list(pool.map(work, runs, chunksize=8)), runs)
            progress(f"false_alarm_rate {rate:g}: {len(runs)} runs")
        named = {OURS: curve[DEFAULT_RATE]}
        if all("change_error" in run.get("record", {}) for run in runs):
            work = partial(said_by_us, rate=DEFAULT_RATE, sampling=True)
            named["with per-example losses"] = alarms(list(pool.map(work, runs, chunksize=8)), runs)
    named |= {rule: by_rule(RULES[rule], runs) for rule in RULES}
    show_detection(named, runs, truth, asked.resamples)
    families = {
        "patience": (PATIENCES, [by_rule(patience(k), runs) for k in PATIENCES]),
        "val > limit x best": (FACTORS, [by_rule(times_best(factor), runs) for factor in FACTORS]),
    }
    show_trade_off(curve, families, runs, truth)


if __name__ == "__main__":
    main()
