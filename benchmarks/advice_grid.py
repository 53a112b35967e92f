"""Every change, in several sizes, on overfitting tasks: what the order and the sizes of the advice are learned from.

usage: python benchmarks/advice_grid.py [--tasks 72] [--seeds 2] [--seed 0]

Written to ``benchmarks/.cache`` as it goes and continued from there.
"""

from __future__ import annotations

import argparse
import json
import math
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from advice_tasks import Task, task, train

from overfit_monitor import diagnose

CACHE = Path(__file__).parent / ".cache"
DRAWN_FOR_ONE = 4  # about half of what is drawn overfits


def arms(task: Task, steps_to_best: int, epochs_to_best: int) -> dict[str, dict[str, Any]]:
    """Return the configurations that are tried on a task, by name."""
    sgd = task.optimizer == "sgd"
    rate = 10 * task.learning_rate if sgd else task.learning_rate
    force = rate * steps_to_best * (10 if sgd else 1)  # momentum 0.9 makes ten steps of one
    adamw = {} if sgd else {"optimizer": "adamw"}
    decay = {c: {"weight_decay": c / force, **adamw} for c in (0.125, 0.25, 0.5, 1.0)}
    tried: dict[str, dict[str, Any]] = {f"decay {c:g}": change for c, change in decay.items()}
    more = {
        "dropout 0.1": {"dropout": 0.1},
        "dropout 0.2": {"dropout": 0.2},
        "averaged 1": {"ema_epochs": 1.0},
        "dropout 0.2, averaged 1": {"dropout": 0.2, "ema_epochs": 1.0},
    }
    if task.classification:
        more |= {"smoothing 0.1": {"label_smoothing": 0.1}}
    if task.kind != "tokens":
        more |= {
            "mixup 0.2": {"mixup": 0.2},
            "noise 0.2": {"noise_scale": 0.2},
            "mixup 0.2, averaged 1": {"mixup": 0.2, "ema_epochs": 1.0},
        }
    tried |= more
    for c in (0.125, 0.5, 1.0):
        tried |= {f"decay {c:g}, {name}": decay[c] | change for name, change in more.items()}
    return tried


def run(number: int, *, seeds: int, seed: int) -> dict[str, Any] | None:
    """Return the losses of all arms on a task by arm and seed, None where it does not overfit."""
    torch.set_num_threads(1)
    drawn = task(number, seed=seed)
    first = train(drawn, {"seed": 0})
    if diagnose(train=first["train"], val=first["val"]).verdict != "overfitting":
        return None
    best = int(np.argmin(first["val"])) + 1
    steps = best * math.ceil(len(drawn.parts["train"][0]) / drawn.batch_size)
    tried = arms(drawn, steps, best)
    trained = {"as it was": [first, *(train(drawn, {"seed": i}) for i in range(1, seeds))]}
    for name, config in tried.items():
        trained[name] = [train(drawn, config | {"seed": i}) for i in range(seeds)]
    facts = {k: v for k, v in vars(drawn).items() if k != "parts"}
    return {"task": facts | {"best_epoch": best, "steps": steps}, "configs": tried, "runs": _rounded(trained)}


def _rounded(trained: dict[str, list[dict[str, list[float]]]]) -> dict[str, Any]:
    return {
        name: [{key: [float(f"{v:.6g}") for v in values] for key, values in one.items()} for one in runs]
        for name, runs in trained.items()
    }


def load(tasks: int, seeds: int, *, seed: int = 0) -> list[dict[str, Any]]:
    """Return the records of so many overfitting tasks, trained now where they are not in the cache."""
    path = CACHE / f"advice-grid-{seed}-{seeds}.jsonl"
    done = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    missing = tasks - sum("task" in record for record in done)
    if missing > 0:
        CACHE.mkdir(exist_ok=True)
        numbers = iter(range(len(done), len(done) + DRAWN_FOR_ONE * missing))
        with ProcessPoolExecutor() as pool, path.open("a") as file:
            for number, record in zip(
                numbers,
                pool.map(partial(run, seeds=seeds, seed=seed), list(numbers_copy(len(done), missing))),
                strict=False,
            ):
                done.append(record or {"number": number})
                file.write(json.dumps(done[-1]) + "\n")
                file.flush()
                if sum("task" in one for one in done) >= tasks:
                    pool.shutdown(cancel_futures=True)
                    break
    return [record for record in done if "task" in record][:tasks]


def numbers_copy(start: int, missing: int) -> range:
    return range(start, start + DRAWN_FOR_ONE * missing)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", type=int, default=72)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    print(len(load(asked.tasks, asked.seeds, seed=asked.seed)), "tasks")
