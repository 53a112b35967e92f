"""Tables to check by hand: what each rule makes of facts that differ in one point."""

import pytest

from overfit_monitor.advice.augmentation import Augmentation
from overfit_monitor.advice.dropout import Dropout
from overfit_monitor.advice.early_stopping import EarlyStopping
from overfit_monitor.advice.input_noise import InputNoise
from overfit_monitor.advice.label_smoothing import LabelSmoothing
from overfit_monitor.advice.more_data import MoreData
from overfit_monitor.advice.smaller_model import SmallerModel
from overfit_monitor.advice.weight_decay import WeightDecay
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts, OptimizerFacts
from overfit_monitor.testing.sample_runs import BARE, OVERFIT, dense_network


def overfit(*, best_step=12, step=39, **evidence):
    """An overfitting run; the evidence given replaces the usual one."""
    finding = OVERFIT.findings[0]
    finding = finding.model_copy(update={"evidence": finding.evidence | evidence})
    return OVERFIT.model_copy(update={"best_step": best_step, "step": step, "findings": (finding,)})


def layers(*kinds, width=512, rate=None):
    """Layers named 0, 1, 2 ...; normalization and dropout have no width."""
    return tuple(
        LayerFacts(name=str(i), kind=kind, rate=rate)
        if kind == "dropout"
        else LayerFacts(name=str(i), kind=kind, parameters=width * width, width=width)
        for i, kind in enumerate(kinds)
    )


@pytest.mark.parametrize(
    ("diagnosis", "patience"),
    [
        # half of 13 evaluations to the best is 6.5; rising by 2 x 0.01 of 0.25 in 27 evaluations takes 2.2
        (overfit(), 7),
        (overfit(best_step=0), 5),
        (overfit(best_step=39, step=79), 20),
        (overfit(best_step=5000, step=9999), 100),
        # 2 x 0.05 of 0.25 in 27 evaluations takes 10.8
        (overfit(noise=0.05), 11),
        (overfit(noise=None), 7),
        (overfit(rise=None), 7),
        # an evaluation every 100 steps: 40 to the best at step 3999
        (overfit(best_step=3999, step=8000, evaluations=80), 20),
    ],
)
def test_patience(diagnosis, patience):
    assert EarlyStopping().advise(diagnosis, Facts()).change == {"patience": patience, "restore_best_weights": True}


@pytest.mark.parametrize(("present", "speaks"), [(True, False), (False, True), (None, True)])
def test_early_stopping_in_place(present, speaks):
    answer = EarlyStopping().advise(OVERFIT, Facts(early_stopping=present))
    assert (answer is not None) == speaks
    assert answer is None or ("not known" in answer.why) == (present is None)


def test_early_stopping_needs_a_best_step():
    assert EarlyStopping().advise(BARE, Facts()) is None


ADAMW = {"name": "AdamW", "learning_rate": 0.001, "weight_decay": 0.01, "decoupled": True}


@pytest.mark.parametrize(
    ("optimizer", "data", "best_step", "change"),
    [
        # 1 / (2 x 0.001 x 10 x 20 steps) = 2.5
        ({}, {"steps_per_epoch": 20}, 9, {"weight_decay": 2.5}),
        ({}, {"n_train": 625, "batch_size": 32}, 9, {"weight_decay": 2.5}),
        # two significant digits: 1 / (2 x 0.001 x 13 x 20) = 1.923
        ({}, {"steps_per_epoch": 20}, 12, {"weight_decay": 1.9}),
        ({}, {"steps_per_epoch": 1}, 9, {"weight_decay": 30.0}),
        ({"weight_decay": 0.0}, {"steps_per_epoch": 100_000}, 99, {"weight_decay": 0.01}),
        ({}, {"steps_per_epoch": 100_000}, 99, None),
        ({"weight_decay": 2.5}, {"steps_per_epoch": 20}, 9, None),
        ({"weight_decay": 2.4}, {"steps_per_epoch": 20}, 9, {"weight_decay": 2.5}),
        ({"weight_decay": 5.0}, {"steps_per_epoch": 20}, 9, None),
        ({}, {}, 9, {"weight_decay": 0.3}),
        ({"learning_rate": None}, {"steps_per_epoch": 20}, 9, {"weight_decay": 0.3}),
        ({"decoupled": None}, {"steps_per_epoch": 20}, 9, {"weight_decay": 2.5}),
        (
            {"name": "Adam", "weight_decay": 0.0001, "decoupled": False},
            {"steps_per_epoch": 20},
            9,
            {"weight_decay": 2.5, "optimizer": "AdamW"},
        ),
        ({"name": "Adam", "decoupled": None}, {}, 9, {"weight_decay": 0.3, "optimizer": "AdamW"}),
        ({"name": "Adam", "decoupled": True}, {"steps_per_epoch": 20}, 9, {"weight_decay": 2.5}),
        ({"name": "SGD", "weight_decay": 0.0, "decoupled": False}, {}, 9, {"weight_decay": 0.0005}),
        ({"name": "SGD", "weight_decay": 0.0005, "decoupled": False}, {}, 9, None),
        ({"name": "SGD", "weight_decay": 0.01, "decoupled": False}, {}, 9, None),
        # (1 - 0.9) / (2 x 0.001 x 200 steps) = 0.25; the momentum is taken to be 0.9 where it is not known
        ({"name": "SGD", "weight_decay": 0.0, "momentum": 0.9}, {"steps_per_epoch": 20}, 9, {"weight_decay": 0.25}),
        ({"name": "SGD", "weight_decay": 0.0}, {"steps_per_epoch": 20}, 9, {"weight_decay": 0.25}),
        ({"name": "SGD", "weight_decay": 0.0, "momentum": 0.0}, {"steps_per_epoch": 2000}, 9, {"weight_decay": 0.025}),
        ({"name": "LBFGS", "weight_decay": None, "decoupled": None}, {}, 9, None),
    ],
)
def test_weight_decay(optimizer, data, best_step, change):
    facts = Facts(framework="torch", optimizer=OptimizerFacts(**{**ADAMW, **optimizer}), data=DataFacts(**data))
    answer = WeightDecay().advise(overfit(best_step=best_step), facts)
    assert (answer and answer.change) == change


def test_weight_decay_of_an_unknown_optimizer_says_so():
    answer = WeightDecay().advise(OVERFIT, Facts())
    assert answer.change == {"weight_decay": 0.3, "optimizer": "AdamW"}
    assert "optimizer is not known" in answer.why
    assert "1 / (2 * learning_rate * optimizer_steps_to_the_best_epoch)" in answer.why


def test_weight_decay_of_keras_is_decoupled_whatever_the_optimizer():
    optimizer = OptimizerFacts(name="Adam", learning_rate=0.001)
    answer = WeightDecay().advise(OVERFIT, Facts(framework="keras", optimizer=optimizer))
    assert answer.change == {"weight_decay": 0.3}


def test_weight_decay_shows_its_reckoning():
    facts = Facts(optimizer=OptimizerFacts(**ADAMW), data=DataFacts(steps_per_epoch=20))
    why = WeightDecay().advise(overfit(best_step=9), facts).why
    assert "200 optimizer steps at learning rate 0.001" in why
    assert "forgotten over 400 steps; the aim is 2 times" in why


@pytest.mark.parametrize(
    ("classification", "classes", "best_value", "value"),
    [
        # 1 / (t x 0.001 x 200 steps) with t = 2; 4 for a regression; 8 below a quarter of ln(classes)
        (True, 10, 1.0, 2.5),
        (True, 10, 0.58, 2.5),
        (True, 10, 0.57, 0.62),
        (True, 2, 0.17, 0.62),
        (True, 2, 0.18, 2.5),
        (True, None, 0.01, 2.5),
        (False, None, 0.01, 1.2),
        (None, 10, 0.01, 2.5),
    ],
)
def test_weight_decay_minds_how_low_the_loss_is(classification, classes, best_value, value):
    loss = LossFacts(name="loss", classification=classification)
    data = DataFacts(steps_per_epoch=20, classes=classes)
    facts = Facts(optimizer=OptimizerFacts(**ADAMW), loss=loss, data=data)
    diagnosis = overfit(best_step=9).model_copy(update={"best_value": best_value})
    assert WeightDecay().advise(diagnosis, facts).change == {"weight_decay": value}


HEAD = (LayerFacts(name="head", kind="linear", parameters=10, width=2),)


@pytest.mark.parametrize(
    ("found", "rate", "places"),
    [
        (layers("linear", "linear", "linear"), 0.3, ["1", "2"]),
        (layers("conv", "linear", "linear"), 0.3, ["1", "2"]),
        (layers("conv", "norm", "linear", "linear"), 0.3, ["2", "3"]),
        (layers("linear", "norm", "linear", "norm", "linear"), 0.3, ["4"]),
        (layers("embedding", "recurrent", "linear", "linear"), 0.3, ["3"]),
        (layers("embedding", "attention", "norm", "linear"), 0.1, ["3"]),
        (layers("linear", "dropout", "linear", rate=0.1), 0.3, ["1"]),
        (layers("linear", "linear", "norm"), None, None),
        (layers("linear"), None, None),
        (layers("conv", "conv"), None, None),
        (layers("linear", "dropout", "linear", rate=0.3), None, None),
        (layers("linear", "dropout", "linear", rate=0.5), None, None),
        (layers("attention", "dropout", "linear", rate=0.1), None, None),
        # the dropout inside a recurrent layer is not raised; a layer is added
        ((*layers("recurrent"), LayerFacts(name="0.dropout", kind="dropout", rate=0.1), *HEAD), 0.3, ["head"]),
        ((*layers("recurrent"), LayerFacts(name="0.dropout", kind="dropout", rate=0.3), *HEAD), None, None),
        # layers of a nested Keras model are out of reach
        ((*layers("linear"), LayerFacts(name="block/dense", kind="linear", parameters=10, width=2)), None, None),
        ((*layers("linear"), LayerFacts(name="block/drop", kind="dropout", rate=0.1), *HEAD), None, None),
    ],
)
def test_dropout(found, rate, places):
    answer = Dropout().advise(OVERFIT, Facts(framework="torch", layers=found))
    assert (answer and answer.change) == (rate and {"dropout": rate})
    if places is not None:
        assert "[" + ", ".join(f'"{name}"' for name in places) + "]" in answer.code


def test_dropout_of_an_unknown_model_says_so():
    assert "not known" in Dropout().advise(OVERFIT, Facts()).why


@pytest.mark.parametrize(
    ("name", "classification", "smoothing", "framework", "speaks"),
    [
        ("CrossEntropyLoss", True, 0.0, "torch", True),
        ("cross_entropy", True, None, "torch", True),
        ("CrossEntropyLoss", True, 0.0, None, True),
        ("CrossEntropyLoss", True, 0.05, "torch", False),
        ("CrossEntropyLoss", None, 0.0, "torch", False),
        ("BCEWithLogitsLoss", True, 0.0, "torch", False),
        ("MSELoss", False, None, "torch", False),
        ("CategoricalCrossentropy", True, 0.0, "keras", True),
        ("categorical_crossentropy", True, None, "keras", True),
        ("BinaryCrossentropy", True, 0.0, "keras", True),
        ("sparse_categorical_crossentropy", True, None, "keras", True),
        ("SparseCategoricalCrossentropy", True, None, None, True),
        ("MeanSquaredError", False, None, "keras", False),
    ],
)
def test_label_smoothing(name, classification, smoothing, framework, speaks):
    loss = LossFacts(name=name, classification=classification, label_smoothing=smoothing)
    answer = LabelSmoothing().advise(OVERFIT, Facts(framework=framework, loss=loss))
    assert (answer and answer.change) == ({"label_smoothing": 0.1} if speaks else None)


def test_label_smoothing_needs_a_known_loss():
    assert LabelSmoothing().advise(OVERFIT, Facts(framework="torch")) is None


@pytest.mark.parametrize(
    ("found", "n_train", "speaks"),
    [
        (layers("linear", "linear"), 100, True),
        # two times 100 x 100 parameters are ten for each of 2,000 examples
        (layers("linear", "linear", width=100), 2_000, False),
        (layers("linear", "linear", width=100), 1_999, True),
        (layers("linear", "linear"), None, False),
        (layers("linear", "linear", width=10), 100, False),
        (layers("linear"), 100, False),
        (layers("linear", "dropout", "linear"), 100, True),
        (layers("linear", "norm", "linear"), 100, False),
        (layers("conv", "linear"), 100, False),
        ((), 100, False),
        # a branch: the third layer does not read the second
        ((*layers("linear", "linear"), LayerFacts(name="2", kind="linear", parameters=300, width=3)), 100, False),
        # a frozen layer
        ((LayerFacts(name="9", kind="linear", width=512), *layers("linear", "linear")), 100, False),
        # a nested Keras model
        (tuple(one.model_copy(update={"name": f"block/{one.name}"}) for one in layers("linear", "linear")), 100, False),
    ],
)
def test_smaller_model(found, n_train, speaks):
    answer = SmallerModel().advise(OVERFIT, Facts(layers=found, data=DataFacts(n_train=n_train)))
    assert (answer and answer.change) == ({"width_factor": 0.5} if speaks else None)


@pytest.mark.parametrize(
    ("image", "augmented", "shift", "noise"),
    [
        (True, False, True, False),
        (True, None, True, False),
        (True, True, False, False),
        (False, False, False, True),
        (False, None, False, True),
        (False, True, False, False),
        (None, None, False, False),
        (None, False, False, False),
    ],
)
def test_augmentation_and_noise(image, augmented, shift, noise):
    facts = Facts(data=DataFacts(image=image, augmented=augmented))
    shifted, noisy = Augmentation().advise(OVERFIT, facts), InputNoise().advise(OVERFIT, facts)
    assert (shifted and shifted.change) == ({"augmentation": "shift", "shift": 0.1} if shift else None)
    assert (noisy and noisy.change) == ({"augmentation": "noise", "noise_scale": 0.1} if noise else None)


def test_no_noise_on_token_ids():
    facts = Facts(layers=layers("embedding", "linear"), data=DataFacts(image=False))
    assert InputNoise().advise(OVERFIT, facts) is None


def test_more_data_counts():
    answer = MoreData().advise(OVERFIT, dense_network())
    assert answer.title == "Train on 2 times as many examples (400 instead of 200)"
    assert MoreData().advise(OVERFIT, Facts()).title == "Train on 2 times as many examples"
