"""Real Keras on the TensorFlow backend, and a small problem on which a network really overfits."""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"

import numpy as np
import pytest


def pytest_configure(config):
    # Keras 3.15 copies weights with a keyword that TensorFlow 2.21 and torch do not take yet; NumPy says so.
    config.addinivalue_line(
        "filterwarnings",
        r"ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:keras\.src\.backend",
    )


@pytest.fixture(scope="session")
def data():
    """40 noisy examples to train on, 200 to validate on."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(240, 10)).astype("float32")
    y = (x[:, 0] + rng.normal(size=240) > 0).astype("int32")
    return {"x": x[:40], "y": y[:40], "validation_data": (x[40:], y[40:]), "validation_batch_size": 200, "verbose": 0}


@pytest.fixture(scope="session")
def build():
    """Return a maker of compiled networks that are far too wide for the data."""
    import keras

    def build(optimizer=None, metrics=("accuracy",), run_eagerly=False):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(2)])
        model.compile(
            optimizer or keras.optimizers.Adam(0.02),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=list(metrics),
            run_eagerly=run_eagerly,
        )
        return model

    return build
