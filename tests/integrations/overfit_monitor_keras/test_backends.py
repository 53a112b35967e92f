"""The same callback on Keras' other backends, each in a process of its own: the backend is chosen at import."""

import os
import subprocess
import sys

import pytest

pytest.importorskip("keras")

SCRIPT = """
import signal
import keras
import numpy as np
from overfit_monitor_keras import OverfitMonitor, ProbeSettings

rng = np.random.default_rng(0)
x = rng.normal(size=(240, 10)).astype("float32")
y = (x[:, 0] + rng.normal(size=240) > 0).astype("int32")
data = dict(x=x[:40], y=y[:40], validation_data=(x[40:], y[40:]), verbose=0, epochs=100)


def build():
    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(2)])
    model.compile(keras.optimizers.AdamW(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def check(model, callback):
    losses = model.history.history["val_loss"]
    assert callback.restored_step == int(np.argmin(losses)) < len(losses) - 1, (callback.restored_step, losses)
    kept = model.evaluate(*data["validation_data"], verbose=0)
    assert abs(kept - min(losses)) < 1e-4, (kept, min(losses))


class Interrupt(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 12:
            signal.raise_signal(signal.SIGINT)


model, callback = build(), OverfitMonitor(patience=40, strict=True)
model.fit(**data, callbacks=[callback])
assert 0 < callback.stopped_epoch < 99
assert callback.diagnosis.verdict == "overfitting"
assert callback.core.facts.optimizer.name == "AdamW", callback.core.facts.optimizer
check(model, callback)

model, callback = build(), OverfitMonitor(patience=1000, strict=True)
try:
    model.fit(**data, callbacks=[callback, Interrupt()])
except KeyboardInterrupt:
    check(model, callback)


def probed(monitored):
    keras.utils.set_random_seed(2)
    stack = [keras.Input((10,)), keras.layers.Dense(16), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    model = keras.Sequential([*stack, keras.layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.02), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = OverfitMonitor(
        probe=ProbeSettings(budget=None), restore_best_weights=False, patience=1000, strict=True
    )
    model.fit(**data | {"epochs": 5}, callbacks=[callback] if monitored else [])
    return model, callback


model, callback = probed(True)
alone, _ = probed(False)
assert model.history.history == alone.history.history
for ours, theirs in zip(model.variables, alone.variables):
    assert np.array_equal(keras.ops.convert_to_numpy(ours), keras.ops.convert_to_numpy(theirs)), ours.path
gap = callback.diagnosis.gap
assert gap.like_for_like is not None and gap.artefact < 0, gap
train = model.evaluate(data["x"], data["y"], verbose=0)
assert abs(model.history.history["val_loss"][-1] - train - gap.like_for_like) < 1e-4, (train, gap)
print("all is well")
"""


@pytest.mark.slow  # imports Keras and its backend anew: about 5 s
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_backend(backend):
    pytest.importorskip(backend)
    environment = os.environ | {"KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"}
    script = f"{SCRIPT}\nprint(keras.backend.backend())"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.splitlines()[-2:] == ["all is well", backend]
