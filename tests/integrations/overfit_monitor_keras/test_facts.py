"""What is read from real Keras models, optimizers, losses and calls of fit."""

# ruff: noqa: E402 - Keras may not be there, and the integration imports it

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from keras import layers, losses, optimizers

from overfit_monitor_keras import OverfitMonitor
from overfit_monitor_keras.facts import read_facts


def facts(model, **arguments):
    return read_facts(model, arguments, steps=None, early_stopping=True)


def rows(model):
    return [(one.name, one.kind, one.parameters, one.width, one.rate) for one in facts(model).layers]


def compiled(optimizer="sgd", loss="mse"):
    model = keras.Sequential([keras.Input((2,)), layers.Dense(1)])
    model.compile(optimizer, loss)
    return model


@pytest.mark.parametrize(
    ("shape", "layer", "expected"),
    [
        ((3,), layers.Dense(5, name="a"), [("a", "linear", 20, 5, None)]),
        ((8, 8, 3), layers.Conv2D(4, 3, name="a"), [("a", "conv", 112, 4, None)]),
        ((8, 3), layers.SeparableConv1D(4, 3, name="a"), [("a", "conv", 25, 4, None)]),
        ((6, 3), layers.LSTM(2, name="a"), [("a", "recurrent", 48, 2, None)]),
        (
            (6, 3),
            layers.GRU(2, dropout=0.25, name="a"),
            [("a", "recurrent", 42, 2, None), ("a.dropout", "dropout", 0, None, 0.25)],
        ),
        ((6, 3), layers.Bidirectional(layers.LSTM(2), name="a"), [("a", "recurrent", 96, 2, None)]),
        ((6,), layers.Embedding(10, 4, name="a"), [("a", "embedding", 40, 4, None)]),
        ((3,), layers.BatchNormalization(name="a"), [("a", "norm", 6, None, None)]),
        ((3,), layers.LayerNormalization(name="a"), [("a", "norm", 6, None, None)]),
        ((3,), layers.Dropout(0.3, name="a"), [("a", "dropout", 0, None, 0.3)]),
        ((6, 3), layers.SpatialDropout1D(0.2, name="a"), [("a", "dropout", 0, None, 0.2)]),
        ((3,), layers.Dense(5, trainable=False, name="a"), [("a", "linear", 0, 5, None)]),
        ((3,), layers.Activation("relu", name="a"), []),
        ((6, 3), layers.TimeDistributed(layers.Dense(5, name="b"), name="a"), [("a/b", "linear", 20, 5, None)]),
        ((3,), layers.PReLU(name="a"), [("a", "other", 3, None, None)]),
    ],
)
def test_layers(shape, layer, expected):
    assert rows(keras.Sequential([keras.Input(shape), layer])) == expected


def test_attention_with_its_dropout():
    inputs = keras.Input((6, 4))
    attention = layers.MultiHeadAttention(num_heads=2, key_dim=3, dropout=0.1, name="a")
    model = keras.Model(inputs, attention(inputs, inputs))
    # query, key, value: 4 x 2 x 3 + 6 each; output: 2 x 3 x 4 + 4
    assert rows(model) == [("a", "attention", 3 * 30 + 28, None, None), ("a.dropout", "dropout", 0, None, 0.1)]


def test_nested_models_are_flattened_and_shared_layers_count_once():
    shared = layers.Dense(3, name="shared")
    inner = keras.Sequential([keras.Input((3,)), shared, layers.Dropout(0.5, name="drop")], name="inner")
    inputs = keras.Input((3,))
    model = keras.Model(inputs, layers.Dense(1, name="head")(shared(inner(inputs))))
    assert rows(model) == [
        ("inner/shared", "linear", 12, 3, None),
        ("inner/drop", "dropout", 0, None, 0.5),
        ("head", "linear", 4, 1, None),
    ]
    assert facts(model).parameters == sum(np.prod(w.shape) for w in model.trainable_weights)


def test_layers_of_a_users_own_block_are_found():
    class Block(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.dense, self.drop = layers.Dense(2, name="dense"), layers.Dropout(0.4, name="drop")

        def build(self, shape):
            self.dense.build(shape)
            self.scale = self.add_weight(shape=(2,), name="scale")

        def call(self, inputs):
            return self.drop(self.dense(inputs)) * self.scale

    model = keras.Sequential([keras.Input((3,)), Block(name="block")])
    assert rows(model) == [
        ("block/dense", "linear", 8, 2, None),
        ("block/drop", "dropout", 0, None, 0.4),
        ("block", "other", 2, None, None),
    ]


@pytest.mark.parametrize(
    ("optimizer", "expected"),
    [
        (optimizers.SGD(0.5), ("SGD", 0.5, 0.0, True)),
        (optimizers.Adam(0.25, weight_decay=0.125), ("Adam", 0.25, 0.125, True)),
        (optimizers.AdamW(0.25), ("AdamW", 0.25, 0.004, True)),
        (optimizers.LossScaleOptimizer(optimizers.Adam(0.25)), ("Adam", 0.25, 0.0, True)),
        (
            optimizers.SGD(optimizers.schedules.PiecewiseConstantDecay([5], [0.5, 0.25])),
            ("SGD", 0.5, 0.0, True),
        ),
    ],
)
def test_optimizer(optimizer, expected):
    seen = facts(compiled(optimizer)).optimizer
    assert (seen.name, seen.learning_rate, seen.weight_decay, seen.decoupled) == expected


@pytest.mark.parametrize("kind", [optimizers.SGD, optimizers.Adam, optimizers.AdamW, optimizers.RMSprop])
def test_weight_decay_is_decoupled_in_every_keras_optimizer(kind):
    """Without a gradient one step multiplies the weights by 1 - learning rate x decay."""
    optimizer = kind(learning_rate=0.5, weight_decay=0.25)
    variable = keras.Variable([8.0])
    optimizer.build([variable])
    optimizer.apply([keras.ops.zeros(1)])
    assert float(variable[0]) == pytest.approx(8.0 * (1 - 0.5 * 0.25))


def own_loss(y_true, y_pred):
    return keras.ops.mean(y_pred - y_true)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", ("mean_squared_error", False, 0.0)),
        ("categorical_crossentropy", ("categorical_crossentropy", True, 0.0)),
        (losses.binary_crossentropy, ("binary_crossentropy", True, 0.0)),
        (losses.CategoricalCrossentropy(label_smoothing=0.1), ("CategoricalCrossentropy", True, 0.1)),
        (losses.SparseCategoricalCrossentropy(), ("SparseCategoricalCrossentropy", True, 0.0)),
        (losses.Huber(), ("Huber", False, 0.0)),
        (losses.KLDivergence(), ("KLDivergence", None, None)),
        (own_loss, ("own_loss", None, None)),
        (["binary_crossentropy"], ("binary_crossentropy", True, 0.0)),
    ],
)
def test_loss(loss, expected):
    seen = facts(compiled(loss=loss)).loss
    assert (seen.name, seen.classification, seen.label_smoothing) == expected


def test_loss_of_several_outputs():
    inputs = keras.Input((2,))
    model = keras.Model(inputs, {"a": layers.Dense(1)(inputs), "b": layers.Dense(1)(inputs)})
    model.compile("sgd", {"a": "mse", "b": losses.BinaryCrossentropy(label_smoothing=0.1)})
    seen = facts(model).loss
    assert seen.name == "mean_squared_error, BinaryCrossentropy"
    assert seen.classification is None
    assert seen.label_smoothing is None


def test_a_model_that_is_not_compiled():
    seen = facts(keras.Sequential([keras.Input((2,)), layers.Dense(1)]))
    assert (seen.optimizer, seen.loss) == (None, None)


X, Y = np.zeros((50, 2), "float32"), np.zeros(50, "float32")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"x": X, "y": Y, "validation_data": (X[:7], Y[:7])}, (50, 7, 32, 2)),
        ({"x": X, "y": Y, "validation_split": 0.25}, (37, 13, 32, 2)),
        ({"x": X, "y": Y, "validation_data": (X[:7], Y[:7]), "batch_size": 20}, (50, 7, 20, 3)),
        ({"x": X, "y": Y, "validation_data": (X[:7], Y[:7]), "steps_per_epoch": 5}, (50, 7, 10, 5)),
    ],
)
def test_sizes_of_arrays_as_fit_uses_them(arguments, expected):
    callback = OverfitMonitor(strict=True)
    compiled().fit(**arguments, epochs=1, verbose=0, callbacks=[callback])
    data = callback.core.facts.data
    assert (data.n_train, data.n_val, data.batch_size, data.steps_per_epoch) == expected
    assert callback.core.facts.early_stopping is True


def test_sizes_of_a_dataset_are_not_guessed():
    import tensorflow as tf

    dataset = tf.data.Dataset.from_tensor_slices((X, Y)).batch(20)
    callback = OverfitMonitor(strict=True)
    compiled().fit(dataset, validation_data=dataset, shuffle=False, epochs=1, verbose=0, callbacks=[callback])
    data = callback.core.facts.data
    assert (data.n_train, data.n_val, data.batch_size, data.steps_per_epoch) == (None, None, None, 3)


@pytest.mark.parametrize(
    ("stack", "image", "augmented"),
    [
        ([keras.Input((8, 8, 3)), layers.Flatten()], True, None),
        ([keras.Input((8, 8, 3)), layers.RandomFlip(), layers.Flatten()], True, True),
        ([keras.Input((8, 8, 3)), keras.Sequential([layers.RandomZoom(0.1)]), layers.Flatten()], True, True),
        ([keras.Input((8, 3)), layers.Flatten()], False, None),
        ([keras.Input((8,))], False, None),
    ],
)
def test_images_and_augmentation(stack, image, augmented):
    data = facts(keras.Sequential([*stack, layers.Dense(1)])).data
    assert (data.image, data.augmented) == (image, augmented)


def test_image_by_the_data_where_the_model_does_not_say():
    class Own(keras.Model):
        def call(self, inputs):
            return inputs

    assert facts(Own(), x=np.zeros((4, 8, 8, 1))).data.image is True
    assert facts(Own()).data.image is None
