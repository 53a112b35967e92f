"""The train probe and per-example losses in real fits: right, and without a trace in the training."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from keras import layers, ops

from overfit_monitor import MonitorWarning, UsageError
from overfit_monitor_keras import OverfitMonitor, ProbeSettings

EVERYTHING = ProbeSettings(budget=None)
RNG = np.random.default_rng(0)
X = RNG.normal(size=(90, 6)).astype("float32")
LABELS = (X[:, 0] + RNG.normal(size=90) > 0).astype("int32")
VALUES = (X[:, :1] + 0.1 * RNG.normal(size=(90, 1))).astype("float32")
TRAIN, VAL = slice(50), slice(50, 90)


class Kept:
    """A sink that keeps what was logged."""

    def __init__(self):
        self.rows = []

    def write(self, report):
        self.rows.append(report.observation)

    def close(self):
        pass


def compiled(model, loss=None, **settings):
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, **settings)
    return model


def plain():
    return compiled(keras.Sequential([keras.Input((6,)), layers.Dense(16, activation="relu"), layers.Dense(2)]))


def with_everything_that_changes():
    """Dropout, running statistics, noise, a weight penalty and one of activities."""
    stack = [
        keras.Input((6,)),
        layers.GaussianNoise(0.1),
        layers.Dense(16, kernel_regularizer=keras.regularizers.L2(1e-2)),
        layers.BatchNormalization(),
        layers.Dropout(0.5),
        layers.Dense(2, activity_regularizer=keras.regularizers.L2(1e-3)),
    ]
    return compiled(keras.Sequential(stack), metrics=["accuracy"], weighted_metrics=["accuracy"])


class Drawing(layers.Layer):
    """Draws random numbers in inference as well, and counts its calls."""

    def __init__(self):
        super().__init__()
        self.seeds = keras.random.SeedGenerator(1)
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, inputs):
        self.calls.assign_add(1.0)
        return inputs + 1e-3 * keras.random.normal(ops.shape(inputs), seed=self.seeds)


def drawing():
    return compiled(keras.Sequential([keras.Input((6,)), layers.Dense(8), Drawing(), layers.Dense(2)]))


def recurrent():
    stack = [keras.Input((6,), batch_size=10), layers.Reshape((3, 2)), layers.LSTM(4, stateful=True), layers.Dense(2)]
    return compiled(keras.Sequential(stack))


def mixed_precision():
    model = keras.Sequential([keras.Input((6,)), layers.Dense(8, dtype="mixed_float16"), layers.Dense(2)])
    return compiled(model)


def fit(build, *, monitored=True, seed=3, epochs=4, probe=EVERYTHING, **settings):
    keras.utils.set_random_seed(seed)
    model, callback = build(), OverfitMonitor(probe=probe, restore_best_weights=False, patience=100, strict=True)
    data = {"x": X[TRAIN], "y": LABELS[TRAIN], "validation_data": (X[VAL], LABELS[VAL]), "batch_size": 10} | settings
    model.fit(**data, epochs=epochs, verbose=0, callbacks=[callback] if monitored else [])
    return model, callback


def observed(callback):
    return list(callback.core._analyzer.history)


def not_judged(callback):
    return {item.id: item.reason for item in callback.diagnosis.not_judged if item.id in ("probe", "val_losses")}


@pytest.mark.parametrize("build", [plain, with_everything_that_changes, drawing, recurrent, mixed_precision])
def test_training_is_bit_for_bit_that_without_it(build):
    alone, _ = fit(build, monitored=False)
    watched, callback = fit(build)
    assert alone.history.history == watched.history.history
    for ours, theirs in zip(watched.variables, alone.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    for ours, theirs in zip(watched.optimizer.variables, alone.optimizer.variables, strict=True):
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    if build not in (drawing, recurrent):  # what draws or remembers has another loss at every call
        assert observed(callback)[-1].probe is not None
        assert not not_judged(callback)


def two_outputs():
    inputs = keras.Input((6,))
    outputs = {"kind": layers.Dense(2, name="kind")(inputs), "size": layers.Dense(1, name="size")(inputs)}
    losses = {"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"}
    return compiled(keras.Model(inputs, outputs), losses, loss_weights={"kind": 1.0, "size": 0.3})


def two_outputs_in_a_list():
    inputs = keras.Input((6,))
    losses = [keras.losses.SparseCategoricalCrossentropy(from_logits=True), keras.losses.Huber()]
    return compiled(keras.Model(inputs, [layers.Dense(2)(inputs), layers.Dense(1)(inputs)]), losses)


def regression(loss):
    return lambda: compiled(keras.Sequential([keras.Input((6,)), layers.Dense(1)]), loss)


def own_loss(target, prediction):
    return ops.mean(ops.abs(target - prediction), axis=-1)


BOTH = {"kind": LABELS, "size": VALUES}


def of(y, part):
    if isinstance(y, dict):
        return {name: values[part] for name, values in y.items()}
    return [values[part] for values in y] if isinstance(y, list) else y[part]


@pytest.mark.parametrize(
    ("build", "y"),
    [
        (plain, LABELS),
        (with_everything_that_changes, LABELS),
        (two_outputs, BOTH),
        (two_outputs_in_a_list, [LABELS, VALUES]),
        *((regression(loss), VALUES) for loss in ("mse", "mae", keras.losses.LogCosh(), own_loss)),
        (regression(keras.losses.MeanSquaredError(reduction="sum_over_batch_size")), VALUES[:, 0]),
    ],
)
def test_the_losses_are_those_that_keras_reports(build, y):
    data = {"y": of(y, TRAIN), "validation_data": (X[VAL], of(y, VAL))}
    model, callback = fit(build, **data)
    assert not_judged(callback) == {}
    last = observed(callback)[-1]
    reported = model.evaluate(X[TRAIN], of(y, TRAIN), verbose=0, return_dict=True)["loss"]
    assert last.probe.value == pytest.approx(reported, rel=1e-5)
    assert last.probe.sampling.n == 50
    assert last.sampling.n == 40
    assert last.val == pytest.approx(model.history.history["val_loss"][-1])


@pytest.mark.parametrize(
    ("settings", "probe", "val_losses"),
    [
        ({"class_weight": {0: 1.0, 1: 5.0}}, True, True),
        ({"validation_data": None, "validation_split": 0.2}, True, True),
        ({"validation_freq": 2}, True, True),
        ({"shuffle": False}, True, True),
        ({"sample_weight": np.ones(50)}, True, True),
        ({"validation_data": (X[VAL], LABELS[VAL], np.linspace(0.0, 1.0, 40))}, True, False),
    ],
    ids=lambda value: "+".join(value) if isinstance(value, dict) else str(value),
)
def test_what_fit_may_be_told(settings, probe, val_losses):
    _, callback = fit(plain, **settings)
    rows = observed(callback)
    assert (rows[-1].probe is not None, rows[-1].sampling is not None) == (probe, val_losses)
    assert len(rows) == (2 if "validation_freq" in settings else 4)
    assert set(not_judged(callback)) == {name for name, known in (("probe", probe), ("val_losses", val_losses))
                                         if not known}  # fmt: skip


def test_examples_that_validation_split_holds_out_are_not_trained_on():
    model, callback = fit(plain, x=X, y=LABELS, validation_data=None, validation_split=0.3)
    last = observed(callback)[-1]
    assert (last.probe.sampling.n, last.sampling.n) == (62, 28)  # of 90, floor(90 * .7) = 62 as fit reckons it
    assert last.probe.value == pytest.approx(model.evaluate(X[:62], LABELS[:62], verbose=0), rel=1e-5)


def test_several_steps_in_one_execution():
    def build():
        model = plain()
        model.compile(keras.optimizers.Adam(0.01), model.loss, steps_per_execution=3)
        return model

    model, callback = fit(build)
    alone, _ = fit(build, monitored=False)
    assert model.history.history == alone.history.history
    assert observed(callback)[-1].probe is not None


def generated():
    while True:
        yield X[:10], LABELS[:10]


@pytest.mark.parametrize("probe", [EVERYTHING, ProbeSettings(budget=None, data=(X[TRAIN], LABELS[TRAIN]))])
def test_data_from_a_generator(probe):
    _, callback = fit(plain, x=generated(), y=None, batch_size=None, steps_per_epoch=3, shuffle=False, probe=probe)
    last = observed(callback)[-1]
    assert last.sampling.n == 40
    if probe.data is None:
        assert not_judged(callback) == {"probe": "x is a generator, from which examples cannot be picked"}
        assert last.probe is None
    else:
        assert last.probe.sampling.n == 50


class OwnStep(keras.Model):
    def __init__(self):
        super().__init__()
        self.dense = layers.Dense(2)

    def call(self, inputs):
        return self.dense(inputs)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return 2.0 * super().compute_loss(x, y, y_pred, sample_weight, training)


def test_a_model_with_a_loss_of_its_own_is_told_and_can_be_given_a_function():
    _, callback = fit(lambda: compiled(OwnStep()))
    assert not_judged(callback)["probe"] == "the model computes its loss itself"

    def doubled(model, x, y):
        return 2.0 * keras.losses.sparse_categorical_crossentropy(y, model(x, training=False), from_logits=True)

    model, callback = fit(lambda: compiled(OwnStep()), probe=ProbeSettings(budget=None, loss_fn=doubled))
    assert not_judged(callback) == {}
    assert observed(callback)[-1].probe.value == pytest.approx(
        model.evaluate(X[TRAIN], LABELS[TRAIN], verbose=0), rel=1e-5
    )


def test_a_loss_without_a_value_for_each_example_is_told():
    def scalar(target, prediction):
        return ops.mean(ops.square(target - prediction))

    _, callback = fit(regression(scalar), y=VALUES[TRAIN], validation_data=(X[VAL], VALUES[VAL]))
    assert not_judged(callback)["probe"] == "the loss gives no value for each example"


def test_a_loss_that_is_another_mean_is_told():
    def wrong(model, x, y):
        return np.ones(len(y))

    _, callback = fit(plain, probe=ProbeSettings(budget=None, loss_fn=wrong))
    assert "the mean over the examples is 1 but val_loss is" in not_judged(callback)["probe"]
    assert observed(callback)[-1].probe is None


def test_where_another_metric_is_compared_nothing_is_measured():
    keras.utils.set_random_seed(0)
    model, callback = with_everything_that_changes(), OverfitMonitor("val_accuracy", strict=True)
    model.fit(X[TRAIN], LABELS[TRAIN], validation_data=(X[VAL], LABELS[VAL]), epochs=2, verbose=0, callbacks=[callback])
    assert not_judged(callback) == {"probe": "accuracy is compared, and not the loss"}


def test_the_examples_are_known_by_class_and_index():
    _, callback = fit(plain, epochs=6)
    tables = callback.core.examples
    assert {row.label for row in tables.classes} == {0, 1}
    assert all(row.label == LABELS[VAL][row.index] for row in tables.worst)
    assert callback.diagnosis.membership is not None


def test_the_budget_leaves_evaluations_out():
    _, callback = fit(plain, probe=ProbeSettings(budget=1e-6))
    assert all(row.probe is None and row.sampling is None for row in observed(callback))


def test_no_method_is_called_per_batch():
    base = keras.callbacks.Callback
    names = [name for name in dir(base) if name.startswith("on_") and "batch" in name]
    assert len(names) >= 6
    assert all(getattr(OverfitMonitor, name) is getattr(base, name) for name in names)


@pytest.mark.parametrize(
    "target",
    [
        "overfit_monitor_keras.session.ExampleLosses",
        "overfit_monitor_keras.probe.PointwiseLoss.__call__",
        "overfit_monitor_keras.probe.undisturbed",
        "overfit_monitor_keras.probe.training_arrays",
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("injected"), MemoryError("injected")])
def test_a_fault_costs_one_warning_and_the_probe(monkeypatch, target, error):
    alone, _ = fit(plain, monitored=False)

    def boom(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(target, boom)
    keras.utils.set_random_seed(3)
    model, callback = plain(), OverfitMonitor(probe=EVERYTHING, restore_best_weights=False, patience=100)
    with pytest.warns(MonitorWarning, match=f"probe is off after {type(error).__name__}: injected") as told:
        model.fit(X[TRAIN], LABELS[TRAIN], validation_data=(X[VAL], LABELS[VAL]), batch_size=10, epochs=4, verbose=0,
                  callbacks=[callback])  # fmt: skip
    assert len(told) == 1
    assert model.history.history == alone.history.history
    assert callback.diagnosis.step == 3
    assert not_judged(callback)["probe"] == "it failed"
    with pytest.raises(type(error), match="injected"):
        fit(plain)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"size": 1}, "size must be a whole number"),
        ({"budget": 2.0}, "budget must be a share"),
        ({"data": X}, "data must be a pair"),
        ({"loss_fn": "mse"}, "loss_fn must be a function"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(UsageError, match=message):
        ProbeSettings(**settings)
    with pytest.raises(UsageError, match="probe must be True, False or ProbeSettings"):
        OverfitMonitor(probe="yes")
