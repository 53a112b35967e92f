"""Recommendations on a live `fit`: changed, read back, in force at the next step, and undone."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")

from overfit_monitor import MonitorWarning, UsageError  # noqa: E402
from overfit_monitor.records import Recommendation  # noqa: E402
from overfit_monitor_keras import OverfitMonitor  # noqa: E402

X = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
Y = (X[:, 0] > 0).astype("int64")


def advised(**change):
    return Recommendation(id="advice", title="", why="", change=change, code="")


def compiled(learning_rate=0.01):
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(16, activation="relu"), keras.layers.Dropout(0.1), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input(shape=(8,)), *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(learning_rate), loss=loss)
    return model


class At(keras.callbacks.Callback):
    """Calls functions at the end of epochs, by their number."""

    def __init__(self, calls):
        super().__init__()
        self.calls = calls

    def on_epoch_end(self, epoch, logs=None):
        self.calls.get(epoch, lambda: None)()


def fitted(model, monitor, calls, epochs=3):
    model.fit(
        X, Y, validation_data=(X, Y), epochs=epochs, batch_size=16, verbose=0, callbacks=[monitor, At(calls)]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "before"),
    [
        ({"learning_rate": 0.001}, {"learning_rate": pytest.approx(0.01)}),
        ({"weight_decay": 0.5}, {"weight_decay": 0.0}),
        ({"dropout": 0.4}, {"dropout": 0.1}),
    ],
    ids="+".join,
)
def test_a_change_is_made_read_back_and_undone(change, before):
    model, monitor, seen = compiled(), OverfitMonitor(strict=True), []
    calls = {0: lambda: seen.append(monitor.apply(advised(**change))), 1: lambda: seen.append(monitor.undo("advice"))}
    fitted(model, monitor, calls)
    applied, undone = seen
    assert applied.before == before
    assert applied.after == pytest.approx(change)
    assert (applied.step, undone.undone_step) == (0, 1)
    (name,) = change
    read = {"learning_rate": model.optimizer.learning_rate, "weight_decay": model.optimizer.weight_decay or 0.0}
    assert float(read.get(name, model.layers[1].rate)) == before[name]


def test_the_decay_acts_on_the_very_next_step_and_on_matrices_only():
    """With a learning rate of 0.01 and a decay of 10, one step takes a tenth of every matrix; biases stay."""
    model, monitor = compiled(), OverfitMonitor(strict=True, restore_best_weights=False)
    kept = {}

    def strong():
        monitor.apply(advised(weight_decay=10.0))
        kept["norm"] = float(np.linalg.norm(model.layers[0].get_weights()[0]))
        kept["bias"] = np.ones(16, "float32")
        model.layers[0].set_weights([model.layers[0].get_weights()[0], kept["bias"]])

    fitted(model, monitor, {0: strong}, epochs=2)
    matrix, bias = model.layers[0].get_weights()
    assert float(np.linalg.norm(matrix)) < 0.8 * kept["norm"]  # 0.9^4 = 0.66
    assert np.abs(bias - 1.0).max() < 0.1


def test_what_cannot_be_changed_is_told():
    model, monitor = compiled(), OverfitMonitor(probe=False)
    with pytest.raises(UsageError, match="before the first epoch"):
        monitor.apply(advised(dropout=0.2))
    with pytest.warns(MonitorWarning, match="label_smoothing cannot be changed on a live model"):
        fitted(model, monitor, {0: lambda: monitor.apply(advised(label_smoothing=0.1))})


def test_limits_that_cannot_be_right():
    with pytest.raises(UsageError, match="Did you mean 'dropout'"):
        OverfitMonitor(auto_apply={"dropuot": 0.2})
