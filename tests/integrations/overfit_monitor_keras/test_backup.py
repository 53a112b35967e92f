"""A fit that was interrupted and goes on with `BackupAndRestore` says what the uninterrupted one says."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import contextlib
import warnings

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from keras import layers

from overfit_monitor import MonitorWarning
from overfit_monitor.journal import FILE_NAME, observations, read_journal
from overfit_monitor_keras import OverfitMonitor, ProbeSettings

EPOCHS = 40
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype("float32")
Y = (X[:, 0] + RNG.normal(size=90) > 0).astype("int32")


class Crash(Exception):
    pass


class Interrupt(keras.callbacks.Callback):
    """Raises in an epoch: at its begin, after a batch, or at its end."""

    def __init__(self, epoch, where):
        super().__init__()
        self.epoch, self.where, self.now = epoch, where, -1

    def on_epoch_begin(self, epoch, logs=None):
        self.now = epoch
        self.act("begin")

    def on_train_batch_end(self, batch, logs=None):
        self.act("batch")

    def on_epoch_end(self, epoch, logs=None):
        self.act("end")

    def act(self, where):
        if (self.now, where) == (self.epoch, self.where):
            raise Crash


def fit(folder, *, interrupt=None, backup_first=False, epochs=EPOCHS, **settings):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(32, activation="relu"), layers.Dense(2)])
    model.compile(keras.optimizers.Adam(0.1), keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    settings = {"run_dir": folder / "run", "patience": 4, "strict": True} | settings
    ours = OverfitMonitor(probe=ProbeSettings(budget=None), **settings)
    backup = keras.callbacks.BackupAndRestore(folder / "backup")
    # No order of the batches, since Keras does not bring that back.
    callbacks = [backup, ours] if backup_first else [ours, backup]
    callbacks.insert(1, interrupt) if interrupt else None
    data = {"x": X[:40], "y": Y[:40], "validation_data": (X[40:], Y[40:]), "batch_size": 20, "shuffle": False}
    model.fit(**data, epochs=epochs, verbose=0, callbacks=callbacks)
    return model, ours


@contextlib.contextmanager
def told():
    # Keras itself warns when it brings its optimizer back, which `pytest.warns` would pass on as an error.
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield warned


def messages(warned):
    return [str(warning.message) for warning in warned if issubclass(warning.category, MonitorWarning)]


def written(folder):
    return repr(observations(read_journal(folder / "run" / FILE_NAME)))


def said(callback):
    return repr((callback.diagnosis, callback.best_step, callback.restored_step, callback.stopped_epoch))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    model, callback = fit(folder)
    assert callback.stopped_epoch == callback.best_step + 4 < EPOCHS - 1
    return said(callback), written(folder), [np.asarray(weight) for weight in model.get_weights()]


@pytest.mark.parametrize(
    ("epoch", "where", "backup_first"),
    [
        (1, "begin", False),
        (1, "begin", True),
        (2, "end", False),
        (3, "batch", True),
        (4, "end", False),
        (5, "batch", False),
    ],
)
def test_interrupted_anywhere(whole, tmp_path, epoch, where, backup_first):
    expected, journal, weights = whole
    with pytest.raises(Crash):
        fit(tmp_path, interrupt=Interrupt(epoch, where), backup_first=backup_first)
    assert (tmp_path / "backup" / "training_metadata.json").exists()
    model, callback = fit(tmp_path)
    assert said(callback) == expected
    assert written(tmp_path) == journal
    for ours, theirs in zip(model.get_weights(), weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert not (tmp_path / "backup").exists()


def test_an_epoch_that_only_keras_has_saved_is_missing_and_the_others_are_there(tmp_path):
    with pytest.raises(Crash):
        fit(tmp_path, interrupt=Interrupt(4, "end"), backup_first=True)
    _, callback = fit(tmp_path)
    steps = [evaluation.step for evaluation in callback.core._analyzer.history]
    assert steps == [0, 1, 2, 3, *range(5, steps[-1] + 1)]


def test_two_states_are_kept_and_no_more_weights_than_they_need(tmp_path):
    with pytest.raises(Crash):
        fit(tmp_path, interrupt=Interrupt(5, "begin"))
    ours = sorted(path.name for path in (tmp_path / "backup").glob("overfit-monitor*"))
    assert [name for name in ours if name.endswith(".json")] == ["overfit-monitor-3.json", "overfit-monitor-4.json"]
    assert len([name for name in ours if name.endswith(".npz")]) in (1, 2)


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_a_state_that_cannot_be_read_costs_what_was_before(tmp_path, damage):
    with pytest.raises(Crash):
        fit(tmp_path, interrupt=Interrupt(4, "begin"), run_dir=None)
    for file in (tmp_path / "backup").glob("overfit-monitor-*.json"):
        file.write_text("{") if damage == "truncated" else file.unlink()
    if damage == "gone":
        _, callback = fit(tmp_path, run_dir=None)
        assert callback.diagnosis.step is not None
        return
    with told() as warned:
        fit(tmp_path, run_dir=None, strict=False)
    (message,) = messages(warned)
    assert "backup is off after JSONDecodeError" in message


def test_a_folder_that_takes_nothing_costs_the_backup_only(tmp_path, monkeypatch):
    def full(*_args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("overfit_monitor_keras.backup._replace", full)
    with told() as warned:
        _, callback = fit(tmp_path, strict=False)
    (message,) = messages(warned)
    assert "backup is off after OSError: [Errno 28] No space left on device; training goes on and everyth" in message
    assert callback.stopped_epoch > 0


def test_without_a_backup_nothing_is_saved(tmp_path):
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((6,)), layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    callback = OverfitMonitor(run_dir=tmp_path, strict=True)
    model.fit(X, Y, validation_split=0.2, epochs=2, verbose=0, callbacks=[callback])
    assert not list(tmp_path.glob("overfit-monitor-*"))
