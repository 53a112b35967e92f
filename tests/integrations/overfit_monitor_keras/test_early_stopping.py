"""The same decisions as `keras.callbacks.EarlyStopping`, both driven with the same logs."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor_keras import OverfitMonitor


@pytest.fixture(scope="module")
def model():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False)])
    model.compile("sgd", "mse")
    return model


def drive(callback, model, values):
    """Return the epoch at which the callback stopped and the epoch whose weights are live at the end."""
    callbacks = keras.callbacks.CallbackList([callback], model=model, epochs=len(values), steps=1)
    model.stop_training = False
    callbacks.on_train_begin()
    stopped = None
    for epoch, value in enumerate(values):
        model.set_weights([np.full((1, 1), epoch)])
        callbacks.on_epoch_end(epoch, {"loss": 0.5} if value is None else {"loss": 0.5, "val_loss": value})
        if model.stop_training:
            stopped = epoch
            break
    callbacks.on_train_end()
    return stopped, int(model.get_weights()[0].item())


def both(model, values, **arguments):
    ours = drive(OverfitMonitor(strict=True, **arguments), model, values)
    theirs = drive(keras.callbacks.EarlyStopping(restore_best_weights=True, **arguments), model, values)
    return ours, theirs


# values, arguments, epoch of the stop, epoch of the weights
TABLE = [
    pytest.param([3, 2, 1, 2, 3, 4], {"patience": 2}, 4, 2, id="two epochs without improvement"),
    pytest.param([3, 2, 1, 2, 3, 4], {"patience": 9}, None, 2, id="never stopped, restored all the same"),
    pytest.param([3, 2, 2, 1], {"patience": 0}, 2, 1, id="patience 0 stops at the first epoch that is no better"),
    pytest.param([3, 2, 2, 1], {"patience": 1}, 2, 1, id="patience 1 is as patience 0"),
    pytest.param([1], {"patience": 0}, None, 0, id="the first epoch never stops"),
    pytest.param([2, 2, 2], {"patience": 2}, 2, 0, id="of equals the first"),
    pytest.param([1, 2, 3, 2, 1], {"patience": 2, "mode": "max"}, 4, 2, id="mode max"),
    pytest.param([9, 8, 7, 6], {"patience": 3, "baseline": 5}, None, 3, id="improvements above the baseline"),
    pytest.param([9, 8, 8, 8], {"patience": 3, "baseline": 5}, 2, 1, id="the baseline does not reset the count"),
    pytest.param([9, 4, 6, 6], {"patience": 2, "baseline": 5}, 3, 1, id="beating the baseline resets the count"),
    pytest.param([5, 6, 7, 4], {"patience": 2, "mode": "max", "baseline": 9}, 3, 2, id="baseline, mode max"),
    pytest.param([2, 1, None, 3, None, 3], {"patience": 2}, 5, 1, id="epochs without validation do not count"),
    pytest.param([-1, -3, -2, -2], {"patience": 2}, 3, 1, id="negative values"),
    pytest.param([2, 1, float("nan"), float("nan")], {"patience": 2}, 3, 1, id="NaN is no improvement"),
]


@pytest.mark.filterwarnings("ignore:Early stopping conditioned on metric:UserWarning")
@pytest.mark.parametrize(("values", "arguments", "stopped", "live"), TABLE)
def test_table(model, values, arguments, stopped, live):
    ours, theirs = both(model, values, **arguments)
    assert ours == (stopped, live)
    assert theirs == (stopped, live)


@settings(max_examples=120, deadline=None, derandomize=True)
@given(
    # Multiples of 1/64: exact in the single precision in which Keras compares.
    values=st.lists(st.integers(-40, 40).map(lambda n: n / 64), min_size=1, max_size=14),
    patience=st.integers(0, 4),
    min_delta=st.integers(0, 8).map(lambda n: n / 64),
    baseline=st.none() | st.integers(-30, 30).map(lambda n: n / 64),
    mode=st.sampled_from(["min", "max"]),
    start_from_epoch=st.integers(0, 5),
)
def test_any_history(model, values, mode, **arguments):
    (stopped, live), (keras_stopped, keras_live) = both(model, values, mode=mode, **arguments)
    assert stopped == keras_stopped
    seen = values if stopped is None else values[: stopped + 1]
    assert live == seen.index(min(seen) if mode == "min" else max(seen))
    if arguments["min_delta"] == 0 and arguments["start_from_epoch"] == 0:
        assert live == keras_live


def test_the_best_epoch_does_not_depend_on_min_delta_or_the_start(model):
    """The documented difference: Keras brings back epoch 0 here, and epoch 2 below."""
    assert both(model, [2, 1.5, 3, 3], patience=2, min_delta=1) == ((2, 1), (2, 0))
    assert both(model, [1, 3, 2, 3, 3], patience=2, start_from_epoch=1) == ((4, 0), (4, 2))


def test_nan_in_the_first_epoch_is_not_taken_for_the_best(model):
    """Keras takes NaN for its best and never improves on it."""
    ours, theirs = both(model, [float("nan"), 3, 2, 1], patience=3)
    assert ours == (None, 3)
    assert theirs == (3, 0)


def test_the_arguments_have_the_same_order_and_defaults():
    import inspect

    theirs = inspect.signature(keras.callbacks.EarlyStopping).parameters
    ours = inspect.signature(OverfitMonitor).parameters
    assert list(ours)[: len(theirs)] == list(theirs)
    differing = [name for name in theirs if theirs[name].default != ours[name].default]
    assert differing == ["patience", "restore_best_weights"]
