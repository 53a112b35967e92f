"""Real small networks, trained here, whose true test loss is known from a large hidden sample.

usage: python benchmarks/nets.py [--runs 120] [--seed 0]

Six kinds of generated data, MLPs of random width, depth, dropout and optimizer. Written to
``benchmarks/.cache`` once and read from there afterwards; the same seed gives the same nets.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

CACHE = Path(__file__).parent / ".cache"
TASKS = ("moons", "rings", "checkers", "linear", "waves", "mixture")


def data(task: str, n: int, rng: np.random.Generator, label_noise: float) -> tuple[Any, Any]:
    """Return inputs (n, 8) and binary labels (n,) of one task; six to seven inputs carry nothing."""
    x = rng.normal(size=(n, 8))
    if task == "moons":
        x[:, 1] += 0.8 * x[:, 0] ** 2 - 0.8
        y = x[:, 1] > 0.3 * np.sin(3 * x[:, 0])
    elif task == "rings":
        y = np.hypot(x[:, 0], x[:, 1]) > 1.2
    elif task == "checkers":
        y = np.floor(1.5 * x[:, 0]) % 2 == np.floor(1.5 * x[:, 1]) % 2
    elif task == "linear":
        y = x @ np.linspace(1.0, -1.0, 8) + 0.5 * rng.normal(size=n) > 0
    elif task == "waves":
        y = np.sin(3 * x[:, 0]) + 0.5 * x[:, 1] > 0
    else:
        y = rng.random(n) < 0.5
        x[:, :3] += np.where(y, 0.6, -0.6)[:, None]
    flip = rng.random(n) < label_noise
    return x.astype(np.float32), (y ^ flip).astype(np.int64)


def train(index: int, seed: int) -> dict[str, Any]:
    """Train one net and return its record; ``test_loss`` is from 8,000 examples that no rule sees."""
    import torch
    from torch import nn

    torch.set_num_threads(1)
    rng = np.random.default_rng([seed, index])
    torch.manual_seed(int(rng.integers(2**31)))
    task, flip = TASKS[index % len(TASKS)], float(rng.choice([0.0, 0.05, 0.15]))
    sizes = {"train": int(rng.choice([60, 150, 400])), "val": int(rng.choice([60, 200, 600])), "test": 8000}
    sets = {k: tuple(map(torch.from_numpy, data(task, n, rng, flip))) for k, n in sizes.items()}
    width, depth, drop = int(rng.choice([8, 64, 256])), int(rng.integers(1, 4)), float(rng.choice([0.0, 0.0, 0.3]))
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [nn.Linear(8 if k == 0 else width, width), nn.ReLU(), nn.Dropout(drop)]
    model = nn.Sequential(*layers, nn.Linear(width, 2))
    rate, decay = float(10 ** rng.uniform(-3.3, -1.7)), float(rng.choice([0.0, 0.01, 0.3]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    epochs, batch = int(rng.choice([30, 60, 150])), int(rng.choice([16, 64]))
    record: dict[str, Any] = {"id": f"{task}-{index}", "train_loss": [], "val_loss": [], "test_loss": []}
    x, y = sets["train"]
    for _ in range(epochs):
        model.train()
        total = 0.0
        for rows in torch.randperm(len(x)).split(batch):
            loss = nn.functional.cross_entropy(model(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        record["train_loss"].append(total / len(x))
        model.eval()
        with torch.no_grad():
            for name in ("val", "test"):
                record[f"{name}_loss"].append(float(nn.functional.cross_entropy(model(sets[name][0]), sets[name][1])))
    return record


def load(runs: int, seed: int) -> list[dict[str, Any]]:
    """Return the records of so many nets, trained now if they are not in the cache."""
    path = CACHE / f"nets-{seed}-{runs}.jsonl"
    if not path.exists():
        print(f"training {runs} small networks into {path} (once)", flush=True)
        with ProcessPoolExecutor() as pool:
            lines = [json.dumps(record) for record in pool.map(partial(train, seed=seed), range(runs))]
        CACHE.mkdir(exist_ok=True)
        path.write_text("\n".join(lines) + "\n")
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=120)
    parser.add_argument("--seed", type=int, default=0)
    settings = parser.parse_args()
    print(len(load(settings.runs, settings.seed)), "nets")
