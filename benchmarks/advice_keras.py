"""Does the first recommendation help a Keras fit? Its code, pasted in, beside the same fit stopped early.

usage: python benchmarks/advice_keras.py [--tasks 8] [--seed 7]

Dense networks in Keras on the data of `advice_tasks`, 40 epochs; what is measured, and how, is as in `advice`.
"""

from __future__ import annotations

import argparse
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import Any

import numpy as np
from advice import COLUMNS, JUDGED, MOST_DRAWN, row, summary
from advice_tasks import Task, task
from tables import show

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

EPOCHS = 40
KINDS = ("generated", "wide", "sklearn", "digits", "friedman")


def parts(seed: int, *, drawn: Task) -> Any:
    """Return the parts of a fit of the task."""
    import keras

    from overfit_monitor_keras import Parts

    layers: list[Any] = []
    for _ in range(drawn.depth):
        layers += [keras.layers.Dense(drawn.width, activation="relu")]
        layers += {"batch": [keras.layers.BatchNormalization()], "layer": [keras.layers.LayerNormalization()]}.get(
            drawn.norm, []
        )
    outputs = drawn.outputs
    sets = {name: tuple(part.numpy() for part in drawn.parts[name]) for name in ("train", "val")}
    model = keras.Sequential([keras.Input(shape=sets["train"][0].shape[1:]), *layers, keras.layers.Dense(outputs)])
    kind = {"adamw": keras.optimizers.AdamW, "adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}
    momentum = {"momentum": 0.9} if drawn.optimizer == "sgd" else {}
    rate = drawn.learning_rate * (10 if momentum else 1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True) if drawn.classification else "mse"
    model.compile(optimizer=kind[drawn.optimizer](rate, **momentum), loss=loss)
    return Parts(model, *sets["train"], *sets["val"], batch_size=drawn.batch_size)


def judge(number: int, *, seed: int) -> dict[str, Any] | None:
    """Return what the first recommendation did to a task, None where the fit does not overfit."""
    import keras

    from overfit_monitor import diagnose
    from overfit_monitor_keras import Training
    from overfit_monitor_keras.facts import read_facts
    from overfit_monitor_trials.verify import candidates

    drawn = task(number, seed=seed)
    if drawn.kind not in KINDS:
        return None
    x_test, y_test = (part.numpy() for part in drawn.parts["test"])
    make = partial(parts, drawn=drawn)
    before = Training(make, epochs=EPOCHS)({"seed": 0})
    made = make(0)
    arguments = {"x": made.x_train, "y": made.y_train, "batch_size": made.batch_size}
    arguments["validation_data"] = (made.x_val, made.y_val)
    known = read_facts(made.model, arguments, steps=-(-len(made.x_train) // made.batch_size), early_stopping=True)
    found = diagnose(train=before["train"], val=before["val"], facts=known)
    advised = [one for one in candidates(found, 5) if one.id != "label_smoothing"]
    if found.verdict != "overfitting" or not advised:
        return None
    train = Training(make, found, epochs=EPOCHS, also={"test": (x_test, y_test)})
    losses = {
        name: [_kept(train({**change, "seed": s})) for s in JUDGED]
        for name, change in (("before", {}), ("after", advised[0].change))
    }
    keras.backend.clear_session()
    return {"first": advised[0].id, "ratio": float(np.mean(losses["after"]) / np.mean(losses["before"]))}


def _kept(history: dict[str, list[float]]) -> float:
    return history["test"][int(np.nanargmin(history["val"]))]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=8)
    parser.add_argument("--seed", type=int, default=7)
    asked = parser.parse_args()
    records: list[dict[str, Any]] = []
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # TensorFlow does not survive a fork
        for record in pool.map(partial(judge, seed=asked.seed), range(MOST_DRAWN * asked.tasks)):
            records += [record] if record else []
            if len(records) >= asked.tasks:
                pool.shutdown(wait=False, cancel_futures=True)
                break
    rows = [row("the first recommendation", summary(r["ratio"] for r in records))]
    ids = sorted({r["first"] for r in records})
    rows += [row(f"  {id}", summary(r["ratio"] for r in records if r["first"] == id)) for id in ids]
    show("Keras fits that overfit", ["advice", *COLUMNS], rows)
