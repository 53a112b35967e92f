"""What the callback costs a Keras fit, beside EarlyStopping and a fit without any callback.

usage: python benchmarks/keras_fit.py [--rounds 20] [--epochs 10]

The same fit, compiled anew each time and warmed up before, runs with no callback, with
``EarlyStopping(restore_best_weights=True)``, and with ``OverfitMonitor`` without and with its train probe and
per-example losses; each of them with a patience that never stops. The ways take turns, and a fit is compared with the
fit with EarlyStopping of the same round. Told are seconds an epoch and the ratio to EarlyStopping, the median over
the rounds with its 95 % interval.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import rules  # noqa: F401  # silences the alerts
from overhead import interval
from tables import progress, show

from overfit_monitor_keras import OverfitMonitor

EXAMPLES = {"small: 2,000 examples, MLP 2 x 64": (2_000, 64), "larger: 4,000 examples, MLP 2 x 256": (4_000, 256)}
CLASSES = 10
FOREVER = 10**6


def data(n: int) -> dict[str, Any]:
    """Return the arguments of fit: n examples to train on, a quarter as many to validate on."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(n + n // 4, 32)).astype("float32")
    targets = (inputs @ rng.normal(size=(32, CLASSES)) + 3.0 * rng.normal(size=(len(inputs), CLASSES))).argmax(1)
    return {"x": inputs[:n], "y": targets[:n], "validation_data": (inputs[n:], targets[n:]), "batch_size": 64}


def build(width: int) -> Any:
    """Return a compiled network."""
    keras.utils.set_random_seed(0)
    hidden = [keras.layers.Dense(width, activation="relu") for _ in range(2)]
    model = keras.Sequential([keras.Input((32,)), *hidden, keras.layers.Dense(CLASSES)])
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), metrics=["accuracy"])
    return model


WAYS: dict[str, Callable[[], list[Any]]] = {
    "no callback": list,
    "EarlyStopping": lambda: [keras.callbacks.EarlyStopping(patience=FOREVER, restore_best_weights=True)],
    "OverfitMonitor(probe=False)": lambda: [OverfitMonitor(patience=FOREVER, probe=False, strict=True)],
    "OverfitMonitor()": lambda: [OverfitMonitor(patience=FOREVER, strict=True)],
}


def timed(model: Any, fit: dict[str, Any], epochs: int, callbacks: list[Any]) -> float:
    """Return seconds an epoch."""
    begin = time.perf_counter()
    model.fit(**fit, epochs=epochs, verbose=0, callbacks=callbacks)
    return (time.perf_counter() - begin) / epochs


def compare(name: str, rounds: int, epochs: int) -> list[list[object]]:
    """Let the ways take turns; return a row for each."""
    n, width = EXAMPLES[name]
    fit = data(n)
    models = {way: build(width) for way in WAYS}
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for model in models.values():
        model.fit(**fit, epochs=2, verbose=0)
    for number in range(rounds):
        progress(f"{name}: round {number + 1} of {rounds}")
        for way in np.random.default_rng(number).permutation(list(WAYS)):
            taken[way].append(timed(models[way], fit, epochs, WAYS[way]()))
    peer = np.array(taken["EarlyStopping"])
    rows: list[list[object]] = []
    for way, values in taken.items():
        ratio = interval(np.array(values) / peer)
        rows.append(
            [
                name,
                way,
                f"{1e3 * np.median(values):.1f}",
                "" if way == "EarlyStopping" else f"{ratio[0]:.4f} ({ratio[1]:.4f} to {ratio[2]:.4f})",
            ]
        )
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20, help="fits of each way (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=10, help="epochs of a fit (default: %(default)s)")
    given = parser.parse_args(arguments)
    rows = [row for name in EXAMPLES for row in compare(name, given.rounds, given.epochs)]
    show("Time of a Keras fit", ["fit", "callback", "epoch, ms", "ratio to EarlyStopping (95 %)"], rows)


if __name__ == "__main__":
    main()
