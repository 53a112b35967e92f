"""The Keras code of every recommendation, run as it stands and read back."""

import numpy as np
import pytest

from overfit_monitor.advice import CATALOGUE
from overfit_monitor.advice.wording import KERAS_HEADING
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts, OptimizerFacts
from overfit_monitor.testing.sample_runs import OVERFIT

keras = pytest.importorskip("keras")
RULES = {rule.id: rule for rule in CATALOGUE}
X = np.random.default_rng(0).normal(size=(32, 8)).astype("float32")
Y = np.arange(32) % 3


def compiled(layers, *, loss="sparse_categorical_crossentropy", optimizer="adam", shape=(8,)):
    model = keras.Sequential([keras.Input(shape=shape), *layers])
    model.compile(optimizer=optimizer, loss=loss)
    return model


def dense(*, rate=None, functional=False, **settings):
    drop = [] if rate is None else [keras.layers.Dropout(rate, name="drop")]
    layers = [
        keras.layers.Dense(32, activation="relu", name="first"),
        *drop,
        keras.layers.Dense(3, activation="softmax", name="last"),
    ]
    if not functional:
        return compiled(layers, **settings)
    x = inputs = keras.Input(shape=(8,))
    for layer in layers:
        x = layer(x)
    model = keras.Model(inputs, x)
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy")
    return model


def facts_of(model, **known):
    kinds = {keras.layers.Dense: "linear", keras.layers.Dropout: "dropout"}
    return Facts(
        framework="keras",
        layers=tuple(
            LayerFacts(
                name=layer.name,
                kind=kinds[type(layer)],
                parameters=layer.count_params(),
                width=getattr(layer, "units", None),
                rate=getattr(layer, "rate", None),
            )
            for layer in model.layers
            if type(layer) in kinds
        ),
        **known,
    )


def run(id, facts, **names):
    answer = RULES[id]().advise(OVERFIT, facts)
    code = answer.code.split(KERAS_HEADING)[-1]
    exec(compile(code, id, "exec"), names)
    return answer, names


def test_early_stopping_is_in_the_fit():
    model = dense()
    answer, names = run(
        "early_stopping", Facts(framework="keras"), model=model, x_train=X, y_train=Y, x_val=X, y_val=Y, epochs=2
    )
    assert names["early_stopping"].patience == answer.change["patience"]
    assert names["early_stopping"].restore_best_weights
    assert names["early_stopping"].best < np.inf


@pytest.mark.parametrize(
    ("optimizer", "value"),
    [("Adam", 5.5), ("AdamW", 5.5), ("SGD", 5.5), (None, 0.3)],
)
def test_weight_decay_leaves_biases_out(optimizer, value):
    model = dense(optimizer=getattr(keras.optimizers, optimizer or "Adam")(0.001))
    known = (
        {}
        if optimizer is None
        else {"optimizer": OptimizerFacts(name=optimizer, learning_rate=0.001), "data": DataFacts(steps_per_epoch=7)}
    )
    answer, _ = run("weight_decay", facts_of(model, **known), model=model)
    assert answer.change["weight_decay"] == value
    assert model.optimizer.weight_decay == value
    assert type(model.optimizer).__name__ == (optimizer or "AdamW")
    assert float(model.optimizer.learning_rate) == pytest.approx(0.001)
    model.fit(X, Y, epochs=1, verbose=0)
    decayed = {v.path: model.optimizer._use_weight_decay(v) for v in model.trainable_variables}
    assert decayed == {v.path: len(v.shape) > 1 for v in model.trainable_variables}


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        ("sparse_categorical_crossentropy", "sparse_categorical_crossentropy"),
        ("SparseCategoricalCrossentropy", keras.losses.SparseCategoricalCrossentropy()),
        ("CategoricalCrossentropy", keras.losses.CategoricalCrossentropy()),
        ("categorical_crossentropy", "categorical_crossentropy"),
    ],
    ids=["sparse name", "sparse object", "one-hot object", "one-hot name"],
)
def test_label_smoothing_is_in_the_loss(name, loss):
    model = dense(loss=loss)
    one_hot = np.eye(3, dtype="float32")[Y]
    run("label_smoothing", Facts(framework="keras", loss=LossFacts(name=name, classification=True)), model=model)
    wanted = keras.losses.CategoricalCrossentropy(label_smoothing=0.1)(one_hot, model(X))
    found = model.evaluate(X, Y if "parse" in name else one_hot, verbose=0)[0]
    assert found == pytest.approx(float(wanted), rel=1e-5)


def test_label_smoothing_keeps_logits():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    model = compiled([keras.layers.Dense(1)], loss=loss)
    run(
        "label_smoothing",
        Facts(framework="keras", loss=LossFacts(name=type(loss).__name__, classification=True)),
        model=model,
    )
    assert model.loss.from_logits
    assert model.loss.get_config()["label_smoothing"] == 0.1


@pytest.mark.parametrize("functional", [False, True], ids=["sequential", "functional"])
@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_dropout_is_put_in_front_of_dense_layers(functional, known):
    model = dense(functional=functional)
    _, names = run("dropout", facts_of(model) if known else Facts(), model=model)
    dropped = names["model"].get_layer("dropped_last")
    assert dropped.layers[0].rate == 0.3
    assert [layer.name for layer in names["model"].layers if layer.name.startswith("dropped")] == ["dropped_last"]
    names["model"].fit(X, Y, epochs=1, verbose=0)


def test_dropout_is_raised():
    model = dense(rate=0.1)
    _, names = run("dropout", facts_of(model), model=model)
    assert names["model"].get_layer("drop").rate == 0.3
    names["model"].fit(X, Y, epochs=1, verbose=0)


@pytest.mark.parametrize("functional", [False, True], ids=["sequential", "functional"])
def test_smaller_model_halves_the_hidden_layers_only(functional):
    model = dense(functional=functional)
    _, names = run("smaller_model", facts_of(model, data=DataFacts(n_train=10)), model=model)
    assert [names["model"].get_layer(name).units for name in ("first", "last")] == [16, 3]
    names["model"].fit(X, Y, epochs=1, verbose=0)


def test_images_are_shifted_in_training_only():
    model = compiled([keras.layers.Identity()], shape=(20, 20, 1), loss="mse")
    _, names = run("augmentation", Facts(framework="keras", data=DataFacts(image=True)), model=model)
    images = np.zeros((64, 20, 20, 1), "float32")
    images[:, 10, 10] = 1.0
    assert names["shift"].get_config()["height_factor"] == 0.1
    assert not np.array_equal(names["model"](images, training=True), images)
    assert np.array_equal(names["model"](images, training=False), images)


def test_inputs_are_noisy_in_training_only():
    model = compiled([keras.layers.Identity()], shape=(100,), loss="mse")
    _, names = run("input_noise", Facts(framework="keras", data=DataFacts(image=False)), model=model)
    x = np.zeros((100, 100), "float32")
    assert np.std(names["model"](x, training=True)) == pytest.approx(0.1, rel=0.05)
    assert np.array_equal(names["model"](x, training=False), x)


def test_more_data_doubles_the_examples():
    _, names = run("more_data", Facts(framework="keras"), x_train=X, y_train=Y, x_new=X, y_new=Y)
    assert len(names["x_train"]) == len(names["y_train"]) == 64
