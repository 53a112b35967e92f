"""The Keras code of the rules that change more than one line, run as it stands; the model still fits afterwards."""

import numpy as np
import pytest

from overfit_monitor.advice import CATALOGUE
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts, OptimizerFacts
from overfit_monitor.records import Finding
from overfit_monitor.testing.sample_runs import OVERFIT

keras = pytest.importorskip("keras")
RULES = {rule.id: rule for rule in CATALOGUE}
X = np.random.default_rng(0).normal(size=(600, 8)).astype("float32")
Y = np.arange(600) % 3
KINDS = {"Dense": "linear", "Dropout": "dropout", "Embedding": "embedding", "Conv2D": "conv"}
UNDER = OVERFIT.model_copy(update={"verdict": "underfitting", "best_step": 39})


def against(id, **evidence):
    finding = Finding(id=id, severity="warning", message="It is seen.", evidence=evidence)
    return OVERFIT.model_copy(update={"findings": (finding,)})


def dense(hidden=2, rate=None, embedding=False):
    layers = [keras.layers.Embedding(10, 4, name="embed"), keras.layers.Flatten()] if embedding else []
    layers += [keras.layers.Dense(32, activation="relu", name=f"hidden{i}") for i in range(hidden)]
    layers += [] if rate is None else [keras.layers.Dropout(rate, name="drop")]
    shape = keras.Input(shape=(8,), dtype="int32" if embedding else "float32")
    model = keras.Sequential([shape, *layers, keras.layers.Dense(3, activation="softmax", name="last")])
    model.compile(optimizer=keras.optimizers.Adam(0.01), loss="sparse_categorical_crossentropy")
    return model


def facts_of(model, data=None, **known):
    layers = tuple(
        LayerFacts(
            name=layer.name,
            kind=KINDS[type(layer).__name__],
            parameters=layer.count_params(),
            width=getattr(layer, "units", None),
            rate=getattr(layer, "rate", None),
        )
        for layer in model.layers
        if type(layer).__name__ in KINDS
    )
    usual = {
        "optimizer": OptimizerFacts(name="Adam", learning_rate=0.01, weight_decay=0.0, decoupled=True, schedule="none"),
        "loss": LossFacts(name="sparse_categorical_crossentropy", classification=True, label_smoothing=0.0),
        "data": DataFacts(
            n_train=300, n_val=100, batch_size=128, steps_per_epoch=3, image=False, kind="tabular", features=40,
            **(data or {}),
        ),
    }  # fmt: skip
    return Facts(framework="keras", layers=layers, **{**usual, **known})


def run(id, model, diagnosis=OVERFIT, facts=None, **names):
    names = {"model": model, "x_train": X, "y_train": Y, "x_val": X[:64], "y_val": Y[:64], "epochs": 1, **names}
    answer = RULES[id]().advise(diagnosis, facts or facts_of(model))
    exec(compile(answer.code, id, "exec"), names)
    return answer, names


def fits(names, **given):
    call = {"x": names["x_train"], "y": names["y_train"], "validation_data": (names["x_val"], names["y_val"])}
    history = names["model"].fit(**{**call, **given}, epochs=1, verbose=0).history
    assert np.isfinite(history["loss"][0])
    return history


def test_weights_are_averaged():
    answer, names = run("weight_averaging", dense())
    fits(names, callbacks=names["callbacks"])
    optimizer = names["model"].optimizer
    assert optimizer.use_ema
    assert optimizer.ema_momentum == answer.change["weight_averaging"]


def test_mixup_draws_soft_labels():
    model = dense()
    _, names = run("mixup", model)
    x, y = names["train_data"][0]
    assert x.shape == (32, 8)
    assert np.allclose(y.sum(1), 1.0)
    assert ((y > 0) & (y < 1)).any()
    fits({**names, "x_train": None, "y_train": None}, x=names["train_data"], y=None)


def test_tokens_are_dropped_whole():
    model = dense(embedding=True)
    tokens = np.random.default_rng(0).integers(10, size=(64, 8)).astype("int32")
    facts = facts_of(model)
    facts = facts.model_copy(update={"data": facts.data.model_copy(update={"kind": "text"})})
    _, names = run("token_dropout", model, facts=facts, x_train=tokens, y_train=Y[:64], x_val=tokens, y_val=Y[:64])
    fits(names)
    vectors = np.asarray(names["model"].get_layer("dropped_embed")(tokens, training=True))
    gone = (vectors == 0).all(-1)
    assert 0.02 < gone.mean() < 0.25
    assert ((vectors == 0).any(-1) == gone).all()


def test_inputs_are_standardized():
    model = dense()
    raw = X * 50.0 + 300.0
    raw[:, 3] = 1234.567  # its mean in single precision is another number
    facts = facts_of(model, data={"unscaled": 7, "constant": 1})
    _, names = run("standardize_inputs", model, facts=facts, x_train=raw, x_val=raw[:64])
    out = np.asarray(names["standardize"](raw))
    assert np.allclose(out.mean(0), 0.0, atol=1e-3)
    assert np.allclose(out.std(0)[[0, 1, 2, 4, 5, 6, 7]], 1.0, atol=1e-2)
    seen_later = raw.copy()
    seen_later[:, 3] += 1.0  # a column that had one value in training must not blow up
    assert np.abs(np.asarray(names["standardize"](seen_later))[:, 3]).max() < 10.0
    fits(names)


def test_the_l1_penalty_is_on_the_first_layer():
    answer, names = run("l1_penalty", dense())
    assert float(names["model"].get_layer("hidden0").kernel_regularizer.l1) == pytest.approx(answer.change["l1"])
    assert names["model"].get_layer("hidden1").kernel_regularizer is None
    fits(names)


def test_hidden_layers_are_normalized_before_their_activation():
    _, names = run("normalization", dense(hidden=3))
    parts = [type(layer).__name__ for layer in names["model"].get_layer("normalized_hidden1").layers]
    assert parts == ["Dense", "LayerNormalization", "Activation"]
    fits(names)


def test_a_temperature_is_fitted():
    model = dense()
    model.get_layer("last").set_weights([3.0 * w for w in model.get_layer("last").get_weights()])
    _, names = run("temperature", model, against("confidence_overfitting"))
    assert 0.05 < names["temperature"] < 20.1


def test_the_learning_rate_and_its_schedule():
    model = dense()
    run("learning_rate", model, OVERFIT.model_copy(update={"best_step": 1}))
    assert float(model.optimizer.learning_rate) == pytest.approx(0.003)
    answer, names = run("schedule", dense(), against("noisy_validation"))
    assert float(names["rate"](names["steps"])) == 0.0
    assert names["epochs"] == answer.change["epochs"] == 20
    fits(names)


def test_sizes():
    assert run("batch_size", dense())[1]["batch_size"] == 64
    _, names = run("larger_validation_set", dense(), against("noisy_validation", examples_factor=3.0))
    assert (len(names["x_val"]), len(names["x_train"])) == (300, 364)
    fits(names)


def test_layers_are_frozen():
    model = dense(hidden=3)
    _, names = run("freeze_layers", model, facts=facts_of(model, pretrained=True))
    assert [layer.trainable for layer in names["model"].layers] == [False, False, True, True]
    fits(names)


def test_copies_leave_validation():
    model = dense()
    facts = facts_of(model, data={"duplicates": 64})
    _, names = run("remove_duplicates", model, facts=facts, x_val=np.concatenate([X[:5], X[:3] + 1]), y_val=Y[:8])
    assert len(names["x_val"]) == len(names["y_val"]) == 3


def test_decay_and_dropout_come_together():
    answer, names = run("weight_decay_with_dropout", dense())
    model = names["model"]
    assert model.optimizer.weight_decay == answer.change["weight_decay"]
    assert model.get_layer("dropped_last").layers[0].rate == 0.2
    fits(names)
    assert {len(v.shape): model.optimizer._use_weight_decay(v) for v in model.trainable_variables} == {
        2: True,
        1: False,
    }


def test_the_opposite_for_underfitting():
    model = dense(rate=0.5)
    run("less_regularization", model, UNDER)
    assert model.get_layer("drop").rate == 0.25
    model = dense()
    facts = facts_of(model)
    facts = facts.model_copy(update={"data": DataFacts(n_train=10_000)})
    _, names = run("larger_model", model, UNDER, facts=facts)
    assert [layer.units for layer in names["model"].layers] == [64, 64, 3]
    assert run("train_longer", model, UNDER)[1]["epochs"] == 2
