"""Real small networks, trained here, whose true test loss is known from a large hidden sample.

usage: python benchmarks/nets.py [--runs 120] [--seed 0]

Eight kinds of generated data, MLPs of random width, depth, dropout and batch normalization, three
optimizers, three learning-rate schedules. Written to ``benchmarks/.cache`` once and read from there
afterwards; the same seed gives the same nets.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(__file__).parent / ".cache"
TASKS = ("moons", "rings", "checkers", "linear", "waves", "mixture", "teacher", "curve")
INPUTS = 8
HIDDEN_SAMPLE = 4000


def data(task: str, n: int, rng: np.random.Generator, label_noise: float) -> tuple[Any, Any]:
    """Return inputs (n, 8) and targets (n,): labels from 0, or for ``curve`` a number to regress on."""
    x = rng.normal(size=(n, INPUTS))
    if task == "moons":
        x[:, 1] += 0.8 * x[:, 0] ** 2 - 0.8
        y = x[:, 1] > 0.3 * np.sin(3 * x[:, 0])
    elif task == "rings":
        y = np.hypot(x[:, 0], x[:, 1]) > 1.2
    elif task == "checkers":
        y = np.floor(1.5 * x[:, 0]) % 2 == np.floor(1.5 * x[:, 1]) % 2
    elif task == "linear":
        y = x @ np.linspace(1.0, -1.0, INPUTS) + 0.5 * rng.normal(size=n) > 0
    elif task == "waves":
        y = np.sin(3 * x[:, 0]) + 0.5 * x[:, 1] > 0
    elif task == "mixture":
        y = rng.random(n) < 0.5
        x[:, :3] += np.where(y, 0.6, -0.6)[:, None]
    elif task == "teacher":
        fixed = np.random.default_rng(0)
        hidden = np.tanh(x @ fixed.normal(size=(INPUTS, 12)))
        y = np.argmax(hidden @ fixed.normal(size=(12, 4)), axis=1)
        return x.astype(np.float32), np.where(rng.random(n) < label_noise, rng.integers(4, size=n), y)
    else:
        y = np.sin(2 * x[:, 0]) + x[:, 1] * x[:, 2] + (0.3 + 2 * label_noise) * rng.normal(size=n)
        return x.astype(np.float32), y.astype(np.float32)
    flip = rng.random(n) < label_noise
    return x.astype(np.float32), (y ^ flip).astype(np.int64)


def settings(task: str, rng: np.random.Generator) -> dict[str, Any]:
    """Return what is drawn at random for one net."""
    return {
        "task": task,
        "label_noise": float(rng.choice([0.0, 0.0, 0.1, 0.2])),
        "n_train": int(rng.choice([60, 150, 400, 1000])),
        "n_val": int(rng.choice([40, 100, 250, 600])),
        "width": int(rng.choice([4, 16, 64, 256])),
        "depth": int(rng.integers(1, 4)),
        "dropout": float(rng.choice([0.0, 0.0, 0.2, 0.5])),
        "batch_norm": bool(rng.random() < 0.2),
        "optimizer": str(rng.choice(["sgd", "adam", "adamw"])),
        "learning_rate": float(10 ** rng.uniform(-3.5, -1.7)),
        "weight_decay": float(rng.choice([0.0, 1e-4, 0.01, 0.3])),
        "schedule": str(rng.choice(["constant", "constant", "cosine", "steps"])),
        "epochs": int(rng.choice([30, 60, 100, 200])),
        "batch_size": int(rng.choice([16, 64])),
    }


def train(
    index: int,
    seed: int,
    *,
    fixed: Mapping[str, Any] | None = None,
    record_type: type[Record] | None = None,
    start: int | None = None,
) -> dict[str, Any]:
    """Train one net and return its record; ``test_loss`` is from 4,000 examples that no rule sees.

    Args:
        index: Number of the net.
        seed: Seed of all nets.
        fixed: Settings that are not drawn.
        record_type: What keeps the columns.
        start: Seed of the weights and of the order of the examples, on the same data; None draws it.
    """
    import torch
    from torch import nn

    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, index])
    drawn_start = int(rng.integers(2**31))
    torch.manual_seed(drawn_start if start is None else start)
    drawn = settings(TASKS[index % len(TASKS)], rng) | dict(fixed or {})
    sizes = {"train": drawn["n_train"], "val": drawn["n_val"], "test": HIDDEN_SAMPLE}
    sets = {
        name: tuple(map(torch.from_numpy, data(drawn["task"], n, rng, drawn["label_noise"])))
        for name, n in sizes.items()
    }
    model = _model(drawn, nn)
    optimizer, schedule = _optimizer(drawn, model, torch.optim)
    per_example = partial(_losses, functional=nn.functional)
    record = (record_type or Record)(drawn | {"id": f"{drawn['task']}-{seed}-{index}"})
    x, y = sets["train"]
    for _ in range(drawn["epochs"]):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(drawn["batch_size"]):
            if len(rows) == 1 and drawn["batch_norm"]:
                continue
            loss = per_example(model(x[rows]), y[rows]).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        model.eval()
        with torch.no_grad():
            said = {name: model(sets[name][0]) for name in ("val", "test")}
            losses = {name: per_example(said[name], sets[name][1]).double().numpy() for name in said}
        rate = optimizer.param_groups[0]["lr"]
        schedule.step()
        record.add(total / len(x), rate, losses)
        if drawn["task"] != "curve":
            record.add_accuracy({n: float((said[n].argmax(1) == sets[n][1]).double().mean()) for n in said})
    return record.columns


class Record:
    """The columns of one run, with the paired comparison to its best epoch."""

    def __init__(self, drawn: dict[str, Any]) -> None:
        """Begin with the settings of the run."""
        self.columns = drawn
        self._best = np.array([np.inf])

    def add(self, train_loss: float, rate: float, losses: dict[str, Any]) -> None:
        """Take in an epoch; ``losses`` are per example, of ``val`` and ``test``."""
        val = losses["val"]
        if val.mean() < self._best.mean():
            self._best = val
        change = val - self._best
        row = {
            "train_loss": train_loss,
            "val_loss": float(val.mean()),
            "test_loss": float(losses["test"].mean()),
            "rate": rate,
            "val_error": float(val.std(ddof=1) / np.sqrt(len(val))),
            "change_error": float(change.std(ddof=1) / np.sqrt(len(val))),
        }
        for name, value in row.items():
            self.columns.setdefault(name, []).append(value)

    def add_accuracy(self, values: dict[str, float]) -> None:
        """Take in accuracies by split."""
        for name, value in values.items():
            self.columns.setdefault(f"{name}_accuracy", []).append(value)


def _model(drawn: dict[str, Any], nn: Any) -> Any:
    layers: list[Any] = []
    for k in range(drawn["depth"]):
        layers.append(nn.Linear(INPUTS if k == 0 else drawn["width"], drawn["width"]))
        layers += [nn.BatchNorm1d(drawn["width"])] if drawn["batch_norm"] else []
        layers += [nn.ReLU(), nn.Dropout(drawn["dropout"])]
    return nn.Sequential(*layers, nn.Linear(drawn["width"], {"teacher": 4, "curve": 1}.get(drawn["task"], 2)))


def _optimizer(drawn: dict[str, Any], model: Any, optim: Any) -> tuple[Any, Any]:
    rate, decay, epochs = drawn["learning_rate"], drawn["weight_decay"], drawn["epochs"]
    if drawn["optimizer"] == "sgd":
        optimizer = optim.SGD(model.parameters(), lr=3 * rate, momentum=0.9, weight_decay=min(decay, 0.01))
    else:
        kind = optim.Adam if drawn["optimizer"] == "adam" else optim.AdamW
        optimizer = kind(model.parameters(), lr=rate, weight_decay=decay if kind is optim.AdamW else min(decay, 0.01))
    if drawn["schedule"] == "cosine":
        return optimizer, optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    drops = [epochs // 2, 3 * epochs // 4] if drawn["schedule"] == "steps" else []
    return optimizer, optim.lr_scheduler.MultiStepLR(optimizer, drops)


def _losses(said: Any, target: Any, *, functional: Any) -> Any:
    if target.dtype.is_floating_point:
        return (said[:, 0] - target) ** 2
    return functional.cross_entropy(said, target, reduction="none")


def load(
    runs: int,
    seed: int,
    *,
    name: str = "nets",
    fixed: Mapping[str, Any] | None = None,
    record_type: type[Record] | None = None,
) -> list[dict[str, Any]]:
    """Return the records of so many nets, trained now if they are not in the cache under this name."""
    path = CACHE / f"{name}-{seed}-{runs}.jsonl"
    if not path.exists():
        print(f"training {runs} small networks into {path} (once)", flush=True)
        one = partial(train, seed=seed, fixed=fixed, record_type=record_type)
        with ProcessPoolExecutor() as pool:
            lines = [json.dumps(record) for record in pool.map(one, range(runs), chunksize=4)]
        CACHE.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(len(load(asked.runs, asked.seed)), "nets")
