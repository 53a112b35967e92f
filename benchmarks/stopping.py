"""When to stop and which checkpoint to keep, beside patience and Prechelt's rules, where the true test loss is known.

usage: python benchmarks/stopping.py [--histories FILE.jsonl] [--runs 600] [--seed 77]

Regret is the test loss of the checkpoint kept over the best possible, minus 1, at most 1; epochs is the share of the
planned epochs used. Every rule is shown over the whole range of its limit, so that the trade-off can be seen. Without
``--histories`` the nets of ``benchmarks/nets.py`` are used, of a seed that ``benchmarks/fit_stopping.py`` never saw;
a file of histories is as in ``benchmarks/detection.py``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import detection
import nets
import numpy as np
from tables import show

from overfit_monitor.analyzer import Analyzer
from overfit_monitor.config import MonitorConfig
from overfit_monitor.records import Observation
from overfit_monitor.signals import Signal
from overfit_monitor.stopping import EvidenceStopping, StoppingPolicy, parse_policy

OTHERS = {
    "patience": ("patience:{}", (5, 10, 15, 20, 30, 40, 60, 80)),
    "GL": ("gl:{}", (1, 2, 5, 10, 20, 50)),
    "PQ": ("pq:{}", (0.5, 1, 2, 3, 10)),
    "UP": ("up:{}", (2, 3, 4, 5, 8)),
}
LIMITS = (-3.0, -2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0)


class Course(NamedTuple):
    """One run: what a policy is shown, and the true loss of every checkpoint."""

    signals: list[Signal]
    alarms: list[bool]
    test: Any
    record: dict[str, Any]


def course(record: dict[str, Any], *, rates: bool) -> Course:
    """Return a run as a policy sees it, with or without its learning rates."""
    analyzer = Analyzer(MonitorConfig(metric="loss", mode="min"))
    signals, alarms = [], []
    for i, value in enumerate(record["val"]):
        train = {} if math.isnan(record["train"][i]) else {"loss": record["train"][i]}
        rate = record["rate"][i] if rates else None
        analyzer.update(Observation(step=i, train=train, val={"loss": value}, learning_rate=rate))
        if analyzer.signal is None:
            raise ValueError("a run without a validation value")
        signals.append(analyzer.signal)
        alarms.append(analyzer.alarm)
    return Course(signals, alarms, np.asarray(record["test"], float), record)


def regret(run: Course, kept: int) -> float:
    """Return how much worse a checkpoint is than the best, relative to it and at most 1."""
    low = np.nanmin(run.test)
    value = float((run.test[kept] - low) / abs(low))
    return min(1.0, value) if math.isfinite(value) else 1.0


def stopped(run: Course, policy: StoppingPolicy) -> tuple[float, float]:
    """Return regret and share of the epochs used under a policy."""
    last = len(run.signals) - 1
    for i, (signal, alarm) in enumerate(zip(run.signals, run.alarms, strict=True)):
        if policy.update(signal, alarm=alarm) is not None:
            last = i
            break
    return regret(run, run.signals[last].best_step or 0), (last + 1) / len(run.signals)


def line(name: str, runs: list[Course], make: Callable[[], StoppingPolicy], within: float) -> list[str]:
    """Return one row of the table of stopping rules."""
    regrets, epochs = map(np.array, zip(*(stopped(run, make()) for run in runs), strict=True))
    return [name, f"{regrets.mean():.4f}", f"{(regrets <= within).mean():.3f}", f"{epochs.mean():.3f}"]


def rules(runs: list[Course], with_rates: list[Course], within: float) -> Iterator[list[str]]:
    """Give the rows of the table of stopping rules, one for each limit of each rule."""
    for name, (text, values) in OTHERS.items():
        for value in values:
            yield line(f"{name} {value:g}", runs, parse_policy(text.format(value)), within)
    yield line("never", runs, parse_policy("never"), within)
    for name, shown in (("evidence", runs), ("evidence, rates known", with_rates)):
        for limit in LIMITS if shown else ():
            mark = " (default)" if limit == 0.0 else ""
            yield line(f"{name} {limit:+g}{mark}", shown, lambda limit=limit: EvidenceStopping(limit=limit), within)


def smoothed(memory: float) -> Callable[[Course], int]:
    """Return the rule: the lowest exponential average."""

    def rule(run: Course) -> int:
        level, levels = run.signals[0].val, []
        for signal in run.signals:
            level += (1.0 - memory) * (signal.val - level) if signal.finite else 0.0
            levels.append(level)
        return int(np.argmin(levels))

    return rule


def earlier(noises: float) -> Callable[[Course], int]:
    """Return the rule: a new checkpoint only where it is better by so many times the curve's noise."""

    def rule(run: Course) -> int:
        kept, value = 0, math.inf
        for signal in run.signals:
            if signal.finite and signal.val < value - noises * (signal.noise or 0.0):
                kept, value = signal.step, signal.val
        return kept

    return rule


def later(noises: float) -> Callable[[Course], int]:
    """Return the rule: the latest checkpoint within so many times the curve's noise of the best so far."""

    def rule(run: Course) -> int:
        near = (s.step for s in run.signals if s.finite and s.val <= s.best + noises * (s.noise or 0.0))
        return max(near, default=0)

    return rule


def with_train(share: float) -> Callable[[Course], int]:
    """Return the rule: the lowest sum of validation and a share of train."""

    def rule(run: Course) -> int:
        return int(np.nanargmin([s.val + share * (s.train or 0.0) if s.finite else math.nan for s in run.signals]))

    return rule


def paired(errors: float) -> Callable[[Course], int]:
    """Return the rule: a new checkpoint only where the same examples are better by so many standard errors."""

    def rule(run: Course) -> int:
        kept = 0
        pairs = zip(run.record["change"], run.record["change_error"], strict=True)
        for step, (change, error) in enumerate(pairs):
            if change is not None and change < -errors * error:
                kept = step
        return kept

    return rule


def argmin(run: Course) -> int:
    """Return the lowest validation value: the rule in use."""
    return run.signals[-1].best_step or 0


def checkpoints(runs: list[Course]) -> Iterator[list[str]]:
    """Give the rows of the table of checkpoint rules, each against the lowest value; all runs go to their end."""
    chosen: dict[str, Callable[[Course], int]] = {"lowest value (default)": argmin}
    chosen |= {f"exponential average, memory {m:g}": smoothed(m) for m in (0.3, 0.5, 0.8)}
    chosen |= {f"better by {c:g} noise": earlier(c) for c in (0.1, 0.25, 0.5, 1.0)}
    chosen |= {f"latest within {c:g} noise": later(c) for c in (0.1, 0.25, 0.5, 1.0)}
    chosen |= {f"lowest val + {c:g} train": with_train(c) for c in (0.02, 0.05, 0.1, 0.2)}
    if all(run.record.get("change") for run in runs):
        chosen |= {f"better by {c:g} paired errors": paired(c) for c in (0.1, 0.25, 0.5, 1.0)}
    base = np.array([regret(run, argmin(run)) for run in runs])
    for name, rule in chosen.items():
        found = np.array([regret(run, rule(run)) for run in runs])
        more = found - base
        yield [name, f"{found.mean():.4f}", f"{more.mean():+.4f}", f"{more.std() / math.sqrt(len(more)):.4f}"]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--histories", type=Path, help="JSON lines to use instead of our own nets")
    parser.add_argument("--runs", type=int, default=600, help="nets to train")
    parser.add_argument("--seed", type=int, default=77)
    given = parser.parse_args()
    if given.histories:
        records, rates = detection.read(given.histories), False
    else:
        own = [r for r in nets.load(given.runs, given.seed) if np.all(np.isfinite(r["test_loss"]))]
        kept = ("rate", "change", "change_error")
        records, rates = [detection.from_net(r) | {name: r.get(name) for name in kept} for r in own], True
    judged = records[0]["test"] is records[0]["val"]
    shown = [r for r in records if len(r["val"]) >= (30 if judged else 20)]
    runs = [course(r, rates=False) for r in shown]
    with_rates = [course(r, rates=True) for r in shown] if rates else []
    within = 0.01 if judged else 0.02
    header = ["rule", "mean regret", f"within {within:.0%}", "share of epochs"]
    show(f"When to stop: {len(runs)} runs", header, list(rules(runs, with_rates, within)))
    if not judged:
        rows = list(checkpoints(runs))
        show(
            "Which checkpoint to keep, runs to their end",
            ["rule", "mean regret", "more than the lowest", "its error"],
            rows,
        )


if __name__ == "__main__":
    main()
