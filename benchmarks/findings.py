"""How often the explaining findings appear on simulated healthy runs, on runs that show them, and on real small nets.

usage: python benchmarks/findings.py [--runs 40] [--nets 800]

Noise is 2 % of the loss, 1.6 points of the accuracy and 3 % of the loss of one head, each drawn for itself.
"""

from __future__ import annotations

import argparse
from collections import Counter
from typing import Any, NamedTuple

import nets
import numpy as np

from overfit_monitor import detectors
from overfit_monitor.facts import DataFacts, Facts, LossFacts
from overfit_monitor.history import Evaluation
from overfit_monitor.records import Finding
from overfit_monitor.signals import Signals
from overfit_monitor.testing import curves

WATCHED = (
    detectors.ConfidenceOverfitting,
    detectors.DoubleDescent,
    detectors.LateGeneralization,
    detectors.Memorization,
    detectors.MetricDisagreement,
    detectors.Plateau,
    detectors.Underfitting,
    detectors.NoisyValidation,
    detectors.TrainValShift,
    detectors.LeakageSuspected,
    detectors.MeasurementArtefact,
    detectors.Instability,
)
NULLS = ("plateau", "falling", "step schedule", "AR 0.5", "AR 0.7", "AR 0.9", "heavy tails", "shrinking noise")
SHOWN = ("over-confident", "double descent", "grokking", "interpolating", "one head overfits")


class Run(NamedTuple):
    """The curves of a run; ``others`` holds validation and train values by name."""

    val: Any
    train: Any
    rate: Any
    others: dict[str, tuple[Any, Any]]


def found(run: Run, facts: Facts, every: int = 2) -> set[str]:
    """Return ``id:severity`` of everything that was found at any time of the run, asked at every second evaluation."""
    main, beside = Signals(mode="min"), {n: Signals(mode="max" if n == "accuracy" else "min") for n in run.others}
    watched = [detector() for detector in WATCHED]
    seen = set()
    for i, value in enumerate(run.val):
        rate = float(run.rate[i])
        others = {
            name: stream.update(Evaluation(i, float(val[i]), None if train is None else float(train[i]), rate))
            for (name, (val, train)), stream in zip(run.others.items(), beside.values(), strict=True)
        }
        signal = main.update(Evaluation(i, float(value), float(run.train[i]), rate), others)
        for detector in watched:
            detector.update(signal)
            result = detector.result(facts) if i % every == 0 else None
            if isinstance(result, Finding):
                seen.add(f"{result.id}:{result.severity}")
    return seen


def null(kind: str, n: int, seed: int) -> Run:
    """Return a healthy run."""
    rng = np.random.default_rng([seed, n, NULLS.index(kind)])
    t = np.arange(n)
    shape, rate, spread = 0.5 + 0.5 * np.exp(-t / (n / 12)), np.full(n, 0.1), np.ones(n)
    if kind == "falling":
        shape = 0.5 + 0.5 / (1.0 + t / (n / 5))
    elif kind == "step schedule":
        shape, rate = shape + np.where(t < n // 2, 0.25, 0.0), np.where(t < n // 2, 0.1, 0.01)
    elif kind == "shrinking noise":
        spread = np.linspace(2.0, 0.2, n)
    correlation = float(kind[3:]) if kind.startswith("AR") else 0.0
    heavy = kind == "heavy tails"
    val, accuracy, head, own = (
        spread * (rng.standard_t(3, size=n) if heavy else curves.noise(n, rng, correlation=correlation))
        for _ in range(4)
    )
    train = (0.4 + 0.5 * np.exp(-t / (n / 4))) * (1.0 + 0.01 * own)
    others = {
        "accuracy": (1.0 - 0.4 * shape + 0.016 * accuracy, None),
        "head_loss": (0.6 * shape * (1.0 + 0.03 * head), 0.6 * train),
    }
    return Run(shape * (1.0 + 0.02 * val), train, rate, others)


def shown(kind: str, n: int, seed: int) -> Run:
    """Return a run that shows a phenomenon, with independent noise."""
    rng = np.random.default_rng([seed, n, 100 + SHOWN.index(kind)])
    x = np.arange(n) / n
    shape, up = 0.5 + 0.5 * np.exp(-12.0 * x), np.clip((x - 0.4) / 0.6, 0.0, 1.0)
    train, accuracy, head = 0.4 + 0.5 * np.exp(-4.0 * x), 1.0 - 0.4 * shape, 0.6 * shape
    if kind == "over-confident":
        shape = shape * (1.0 + 0.5 * up)
    elif kind == "double descent":
        shape = shape + 0.25 * np.exp(-(((x - 0.45) / 0.1) ** 2)) - 0.1 * np.clip((x - 0.5) / 0.5, 0.0, 1.0)
    elif kind == "grokking":
        train, shape = 2.0 * np.exp(-40.0 * x) + 0.01, 2.2 - 2.0 / (1.0 + np.exp(-40.0 * (x - 0.7)))
    elif kind == "interpolating":
        train = 0.9 * np.exp(-12.0 * x) + 0.001
    else:
        head = head * (1.0 + 0.5 * up)
    val, acc, part, own = rng.normal(size=(4, n))
    others = {"accuracy": (accuracy + 0.016 * acc, None), "head_loss": (head * (1.0 + 0.03 * part), 0.6 * train)}
    return Run(shape * (1.0 + 0.02 * val), train * (1.0 + 0.01 * own), np.full(n, 0.1), others)


def from_net(net: dict[str, Any], *, noise_known: bool) -> tuple[Run, Facts, str]:
    """Return run, facts and truth of a trained net: whether its test loss ends > 8 % or < 3 % above its minimum."""
    test = np.array(net["test_loss"])
    over = test[-max(1, len(test) // 20) :].mean() / test.min() - 1.0
    truth = "not overfit" if over < 0.03 else "between" if over < 0.08 else "overfit"
    classifier = "val_accuracy" in net
    if classifier and truth == "overfit":
        accuracy = np.array(net["test_accuracy"])
        lost = accuracy[int(test.argmin())] - accuracy[-5:].mean() > 0.01
        truth += ", accuracy lost" if lost else ", accuracy kept"
    elif truth == "overfit":
        truth += ", regression"
    facts = Facts(
        loss=LossFacts(name="CrossEntropyLoss" if classifier else "MSELoss", classification=classifier),
        data=DataFacts(
            n_train=net["n_train"],
            classes=(4 if net["task"] == "teacher" else 2) if classifier else None,
            label_noise=net["label_noise"] if noise_known else None,
        ),
    )
    others = {"accuracy": (net["val_accuracy"], None)} if classifier else {}
    return Run(net["val_loss"], net["train_loss"], net["rate"], others), facts, truth


def simulated(runs: int) -> None:
    """Print the shares on simulated runs."""
    for make, kinds in ((null, NULLS), (shown, SHOWN)):
        for n in (30, 100, 300):
            for kind in kinds:
                count = Counter(id for seed in range(runs) for id in found(make(kind, n, seed), Facts()))
                print(f"{kind:18} {n:4}", {id: round(count[id] / runs, 3) for id in sorted(count)}, flush=True)


def trained(runs: int) -> None:
    """Print the shares on trained nets, by truth."""
    for known in (False, True):
        count: Counter[tuple[str, str]] = Counter()
        total: Counter[str] = Counter()
        for net in nets.load(runs, 1):
            if known and not ("val_accuracy" in net and net["label_noise"] > 0.0):
                continue
            run, facts, truth = from_net(net, noise_known=known)
            total[truth] += 1
            count.update((id, truth) for id in found(run, facts))
        print("label noise known and above 0:" if known else "label noise unknown:", dict(sorted(total.items())))
        for id in sorted({id for id, _ in count}):
            if not known or id.startswith("memorization"):
                print(f"  {id:34}", {truth: count[id, truth] for truth in sorted(total) if count[id, truth]})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--nets", type=int, default=800)
    asked = parser.parse_args()
    simulated(asked.runs)
    trained(asked.nets)
