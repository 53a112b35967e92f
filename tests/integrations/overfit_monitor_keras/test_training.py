"""Recommendations tried on real Keras fits."""

import numpy as np
import pytest

keras = pytest.importorskip("keras")
pytest.importorskip("joblib")

from overfit_monitor import UsageError  # noqa: E402
from overfit_monitor.records import Recommendation  # noqa: E402
from overfit_monitor_keras import Parts, Training  # noqa: E402
from overfit_monitor_trials import verify  # noqa: E402

X = np.random.default_rng(0).normal(size=(240, 20)).astype("float32")
Y = (X[:, 0] + np.random.default_rng(1).normal(size=240) > 0).astype("int64")


def make(seed):
    model = keras.Sequential(
        [keras.Input(shape=(20,)), keras.layers.Dense(64, activation="relu"), keras.layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss=loss)
    return Parts(model, X[:60], Y[:60], X[60:], Y[60:])


def advised(id, code, **change):
    return Recommendation(id=id, title="", why="", change=change, code=code)


def test_a_change_is_tried_beside_the_fit_as_it_was():
    decay = advised("weight_decay", "model.optimizer.weight_decay = 1.0", weight_decay=1.0)
    advice = [decay, advised("nothing", "pass", nothing=True)]
    result = verify(Training(make, advice, epochs=12), advice, epochs=12, seeds=(0,), engine="serial", quiet=True)
    rows = {row.id: row for row in result.tried}
    assert rows["nothing"].outcome == "not applied"
    assert rows["weight_decay"].ratio != 1.0


def test_what_the_validation_loss_cannot_judge_is_refused():
    with pytest.raises(UsageError, match="changes the validation loss"):
        Training(make, epochs=1)({"label_smoothing": 0.1})
    with pytest.raises(UsageError, match="epochs must be at least 1"):
        Training(make, epochs=0)


def test_another_set_is_evaluated_in_the_form_the_targets_have_by_then():
    code = "y_train, y_val = np.eye(2)[y_train], np.eye(2)[y_val]\n"
    code += "model.compile(optimizer=model.optimizer, loss=keras.losses.CategoricalCrossentropy(from_logits=True))"
    coded = advised("coded", f"import keras\nimport numpy as np\n{code}", coded=True)
    train = Training(make, [coded], epochs=2, also={"again": (X[60:], Y[60:])})
    for config in ({}, {"coded": True}):
        history = train({"seed": 0, **config})
        assert history["again"] == pytest.approx(history["val"], rel=1e-5)
