"""The best weights come back however training ended, before the caller sees the exception."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import inspect
import signal

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from overfit_monitor_keras import OverfitMonitor
from overfit_monitor_keras.fitting import install

EPOCHS = 14


class Interrupt(keras.callbacks.Callback):
    """Calls ``act`` at the end of the first batch after epoch ``at``, or at the end of that epoch."""

    def __init__(self, act, *, at=11, batch=True):
        super().__init__()
        self.act, self.at, self.batch, self.epoch = act, at, batch, 0

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_end(self, batch, logs=None):
        if self.batch and self.epoch == self.at:
            self.act()

    def on_epoch_end(self, epoch, logs=None):
        if not self.batch and epoch == self.at:
            self.act()


class Broken(keras.utils.PyDataset):
    """The training data, in one batch, which cannot be read any more after 11 epochs."""

    def __init__(self, x, y):
        super().__init__()
        self.x, self.y, self.epochs = x, y, 0

    def __len__(self):
        return 1

    def __getitem__(self, index):
        if self.epochs >= 11:
            raise OSError("the disk is gone")
        return self.x, self.y

    def on_epoch_end(self):
        self.epochs += 1


def fail(error):
    raise error


WAYS = {
    "Ctrl-C": (KeyboardInterrupt, Interrupt(lambda: signal.raise_signal(signal.SIGINT))),
    "exception in a batch": (RuntimeError, Interrupt(lambda: fail(RuntimeError("batch")))),
    "exception at an epoch's end": (ZeroDivisionError, Interrupt(lambda: fail(ZeroDivisionError()), batch=False)),
    "sys.exit": (SystemExit, Interrupt(lambda: fail(SystemExit(3)))),
}


def check_restored(model, callback, data, *, at_least=10):
    history = model.history.history["val_loss"]
    assert len(history) >= at_least
    best = int(np.argmin(history))
    assert best < len(history) - 1, "the problem must overfit for this test to mean anything"
    assert callback.restored_step == best
    assert model.evaluate(*data["validation_data"], verbose=0)[0] == pytest.approx(history[best], rel=1e-5)


def never():
    """Never stops by itself within these tests, so that the interruption comes first."""
    return OverfitMonitor(patience=1000, strict=True)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("first", [True, False], ids=["before the other callback", "after it"])
def test_restored_in_the_except_block(build, data, way, first):
    kind, other = WAYS[way]
    model, callback = build(), never()
    callbacks = [callback, other] if first else [other, callback]
    with pytest.raises(kind) as raised:
        try:
            model.fit(**data, epochs=EPOCHS, callbacks=callbacks)
        except kind:
            check_restored(model, callback, data)
            raise
    assert not hasattr(raised.value, "__notes__")


def test_restored_after_the_data_fails(build, data):
    model, callback = build(), never()
    arguments = data | {"x": Broken(data["x"], data["y"])}
    del arguments["y"]
    with pytest.raises(Exception, match="the disk is gone"):
        model.fit(**arguments, epochs=EPOCHS, callbacks=[callback])
    check_restored(model, callback, data)


def test_an_instance_made_in_the_call_itself_is_enough(build, data):
    model = build()
    with pytest.raises(RuntimeError, match="batch"):
        model.fit(**data, epochs=EPOCHS, callbacks=[OverfitMonitor(patience=1000), WAYS["exception in a batch"][1]])
    best = min(model.history.history["val_loss"])
    assert model.evaluate(*data["validation_data"], verbose=0)[0] == pytest.approx(best, rel=1e-5)


def test_interrupted_before_any_validation_nothing_is_restored(build, data):
    model, callback = build(), never()
    with pytest.raises(RuntimeError):
        model.fit(**data, epochs=3, callbacks=[callback, Interrupt(lambda: fail(RuntimeError()), at=0)])
    assert callback.restored_step is None


def test_not_restored_where_not_asked_for(build, data):
    model = build()
    callback = OverfitMonitor(patience=1000, restore_best_weights=False)
    with pytest.raises(RuntimeError):
        model.fit(**data, epochs=EPOCHS, callbacks=[callback, WAYS["exception in a batch"][1]])
    history = model.history.history["val_loss"]
    assert callback.restored_step is None
    assert model.evaluate(*data["validation_data"], verbose=0)[0] > min(history) + 0.01


def test_the_users_exception_gets_through_when_restoring_fails(build, data, monkeypatch):
    model, callback = build(), never()
    monkeypatch.setattr(type(model), "set_weights", lambda *_: fail(OSError("no memory")))
    with pytest.raises(RuntimeError, match="batch") as raised:
        model.fit(**data, epochs=EPOCHS, callbacks=[callback, WAYS["exception in a batch"][1]])
    assert raised.value.__notes__ == ["overfit-monitor: while ending the fit: OSError: no memory"]
    assert callback.restored_step is None


def test_a_fit_inside_a_fit(build, data):
    outer, inner = build(), build()
    ours, theirs = never(), never()

    def fit_inner():
        with pytest.raises(RuntimeError):
            inner.fit(**data, epochs=EPOCHS, callbacks=[theirs, WAYS["exception in a batch"][1]])
        check_restored(inner, theirs, data)
        assert ours.restored_step is None

    outer.fit(**data, epochs=EPOCHS, callbacks=[ours, Interrupt(fit_inner, batch=False)])
    check_restored(outer, ours, data)


def test_a_model_with_its_own_fit(data):
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.hidden, self.out = keras.layers.Dense(64, activation="relu"), keras.layers.Dense(1)

        def call(self, inputs):
            return self.out(self.hidden(inputs))

        def fit(self, *args, **kwargs):
            return super().fit(*args, **kwargs)

    keras.utils.set_random_seed(1)
    model, callback = Own(), never()
    model.compile(keras.optimizers.Adam(0.02), keras.losses.BinaryCrossentropy(from_logits=True))
    with pytest.raises(RuntimeError, match="batch"):
        model.fit(**data, epochs=EPOCHS, callbacks=[callback, WAYS["exception in a batch"][1]])
    assert callback.restored_step == int(np.argmin(model.history.history["val_loss"]))


def test_a_loop_that_is_not_fit(build):
    model = build()
    with pytest.raises(RuntimeError), OverfitMonitor(patience=1000) as guard:
        callbacks = keras.callbacks.CallbackList([guard], model=model, epochs=9, steps=1)
        callbacks.on_train_begin()
        for epoch, value in enumerate([3.0, 1.0, 2.0]):
            model.layers[-1].bias.assign([epoch, epoch])
            callbacks.on_epoch_end(epoch, {"loss": 1.0, "val_loss": value})
        raise RuntimeError("the loop broke")
    assert guard.restored_step == 1
    assert model.layers[-1].bias.numpy().tolist() == [1.0, 1.0]


def test_fit_looks_as_before_and_is_wrapped_once():
    wrapped = keras.Model.fit
    install()
    assert keras.Model.fit is wrapped
    assert wrapped.__name__ == "fit"
    assert list(inspect.signature(wrapped).parameters)[:3] == ["self", "x", "y"]


def test_a_wrong_call_of_fit_is_worded_by_python_and_keras(build, data):
    with pytest.raises(TypeError, match="epoch"):
        build().fit(**data, epoch=3)
