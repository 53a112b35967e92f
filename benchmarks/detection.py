"""Detection beside the rules that people use, on networks whose true test loss is known.

usage: python benchmarks/detection.py [--histories FILE.jsonl] [--runs 120] [--seed 0]

Truth: a run overfits if its smoothed test loss ends at least 8 % above its smoothed minimum, and does
not if it ends at most 3 % above; what lies between is left out. Without ``--histories`` the nets of
``benchmarks/nets.py`` are used. A file of histories holds JSON lines with ``train_loss``, ``val_loss``
and ``test_loss``; or with ``train``, ``val`` (``{"loss": [...]}``) and ``label`` (``overfit``, ``not``,
``unclear``) where only a judgement is known.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import nets
import numpy as np
from rules import RULES
from tables import show


def true_rise(test: Sequence[float]) -> float:
    """Return the relative rise of the smoothed end of a curve above its smoothed minimum."""
    values, k = np.asarray(test), max(1, len(test) // 20) | 1
    smooth = np.array([np.median(values[max(0, i - k // 2) : i + k // 2 + 1]) for i in range(len(values))])
    return float((smooth[-max(1, len(values) // 20) :].mean() - smooth.min()) / abs(smooth.min()))


def from_net(record: dict[str, Any]) -> dict[str, Any]:
    """Return train, val, test and truth of a net whose test loss is known."""
    rise = true_rise(record["test_loss"])
    truth = None if 0.03 < rise < 0.08 else rise >= 0.08
    return {"train": record["train_loss"], "val": record["val_loss"], "test": record["test_loss"], "truth": truth}


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


def verdicts(rule: str, run: dict[str, Any]) -> tuple[bool, bool]:
    """Return whether the rule calls the run overfit at its end, and at any time."""
    said = RULES[rule](run["train"], run["val"])
    return said[-1], any(said)


def figures(truth: Sequence[bool], said: Sequence[bool]) -> list[str]:
    """Return F1, recall and share of false positives."""
    t, s = np.asarray(truth), np.asarray(said)
    f1 = 2 * (t & s).sum() / max(1, 2 * (t & s).sum() + (t ^ s).sum())
    return [f"{f1:.3f}", f"{(t & s).sum() / max(1, t.sum()):.2f}", f"{(~t & s).sum() / max(1, (~t).sum()):.3f}"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=Path, help="JSON lines to use instead of our own nets")
    parser.add_argument("--runs", type=int, default=120, help="nets to train")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    runs = read(given.histories) if given.histories else list(map(from_net, nets.load(given.runs, given.seed)))
    judged = [run for run in runs if run["truth"] is not None]
    truth = [run["truth"] for run in judged]
    with ProcessPoolExecutor() as pool:
        rows = []
        for rule in RULES:
            at_end, ever = zip(*pool.map(partial(verdicts, rule), judged, chunksize=8), strict=True)
            rows.append([rule, *figures(truth, at_end), *figures(truth, ever)])
        show(
            f"Detection: {sum(truth)} overfit and {len(truth) - sum(truth)} healthy runs",
            ["rule", "F1 at the end", "recall", "false alarms", "F1 streamed", "recall", "false alarms"],
            rows,
        )


if __name__ == "__main__":
    main()
