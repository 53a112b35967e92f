"""Memorization: train below what right answers alone can bring."""

import json
import math

import pytest

from overfit_monitor.detectors import Memorization
from overfit_monitor.detectors.memorization.label_noise import entropy
from overfit_monitor.facts import DataFacts, Facts, LossFacts
from overfit_monitor.records import Finding, NotJudged

CROSS_ENTROPY = LossFacts(name="CrossEntropyLoss", classification=True)
VAL = [0.7] * 40


def known(noise, **data):
    return Facts(loss=CROSS_ENTROPY, data=DataFacts(label_noise=noise, **data))


def to(value, start=0.7):
    """Fall in a straight line from start to value in ten evaluations, and stay there for thirty."""
    return [start + (value - start) * i / 10 for i in range(10)] + [value] * 30


# Two classes and 10 % noise: the entropy is 0.325, nine tenths of it 0.293, the next stricter step of the grid 0.28.
# 20 %: 0.500, 0.450, 0.44. Ten classes and 10 %: 0.545, 0.490, 0.48. A train loss falls by a tenth of its way at a
# time, and its median of five is two steps behind.
@pytest.mark.parametrize(
    ("end", "facts", "alarm"),
    [
        pytest.param(0.2, known(0.1, classes=2), 11, id="below the floor"),
        pytest.param(0.3, known(0.1, classes=2), None, id="within a tenth of the floor"),
        pytest.param(0.4, known(0.1, classes=2), None, id="above the floor"),
        pytest.param(0.4, known(0.2, classes=2), 11, id="more noise, a higher floor"),
        pytest.param(0.4, known(0.1, classes=10), 10, id="more classes, a higher floor"),
        pytest.param(0.4, known(0.1), None, id="unknown classes are taken for two"),
        pytest.param(0.2, known(0.1, classes=2, n_train=60), None, id="sixty examples vary by more"),
        pytest.param(0.2, known(0.1, classes=2, n_train=60_000), 11, id="many do not"),
        pytest.param(0.2, known(0.0, classes=2), None, id="clean labels"),
        pytest.param(
            0.2, Facts(loss=LossFacts(name="MSELoss"), data=DataFacts(label_noise=0.1)), None, id="no entropy"
        ),
        pytest.param(0.2, Facts(), None, id="unknown noise"),
    ],
)
def test_train_loss_against_the_noise_floor(joint, last, end, facts, alarm):
    result = last(Memorization(), joint(VAL, to(end)), facts)
    assert (result and result.alarm_step) == alarm
    assert result is None or result.severity == "warning"


# 90 % of the labels are right; 2 points above that is 92 %.
@pytest.mark.parametrize(
    ("end", "facts", "found"),
    [
        (0.95, Facts(data=DataFacts(label_noise=0.1)), True),
        (0.91, Facts(data=DataFacts(label_noise=0.1)), False),
        (0.95, Facts(data=DataFacts(label_noise=0.1, n_train=60)), False),
        (0.95, Facts(data=DataFacts(label_noise=0.0)), False),
        (0.85, Facts(data=DataFacts(label_noise=0.2)), True),
    ],
)
@pytest.mark.parametrize("unit", [1.0, 100.0])
def test_train_accuracy_against_the_right_labels(joint, last, end, facts, found, unit):
    train = [unit * value for value in to(end, 0.5)]
    result = last(Memorization(), joint(VAL, to(0.5), accuracy=([0.8 * unit] * 40, train)), facts)
    assert isinstance(result, Finding) == found
    if found:
        assert result.evidence["train_accuracy"] == pytest.approx(end)
        assert f"train accuracy is {end:.1%}" in result.message


def test_a_compared_accuracy_is_looked_at_too(joint, last):
    result = last(Memorization(), joint([0.8] * 40, to(0.95, 0.5), mode="max"), Facts(data=DataFacts(label_noise=0.1)))
    assert "it is not known that the compared metric is an accuracy" in result.speaks_against


@pytest.mark.parametrize(
    ("val", "train", "severity"),
    [
        pytest.param(VAL, to(0.001), "info", id="interpolates, validation as good as ever"),
        pytest.param([0.7] * 12 + [0.7 + 0.05 * i for i in range(28)], to(0.001), "warning", id="and it harms"),
        pytest.param(to(0.1), to(0.001), None, id="validation close by"),
        pytest.param(VAL, to(0.02), None, id="train is not at zero"),
        pytest.param(VAL, [v - 5.0 for v in to(0.001)], None, id="a loss without a zero"),
    ],
)
def test_unknown_noise(joint, last, val, train, severity):
    result = last(Memorization(), joint(val, train))
    assert (result and result.severity) == severity
    if severity == "info":
        assert "benign interpolation" in result.message


def test_a_perfect_train_accuracy_far_from_validation_is_told(joint, last):
    result = last(Memorization(), joint(VAL, to(0.3), accuracy=([0.8] * 40, to(1.0, 0.5))))
    assert (result.severity, result.speaks_for) == ("info", ("train accuracy is 100.0%, validation accuracy 80.0%",))
    near = last(Memorization(), joint(VAL, to(0.3), accuracy=([0.97] * 40, to(1.0, 0.5))))
    assert near is None


def test_without_train_it_is_not_judged(joint, last):
    assert last(Memorization(), joint(VAL)) == NotJudged(
        id="memorization", reason="it needs at least 8 finite train values"
    )


@pytest.mark.parametrize(("noise", "classes"), [(0.5, 2), (0.9, 10)])
def test_labels_of_pure_chance_have_the_entropy_of_a_fair_die(noise, classes):
    assert entropy(noise, classes) == pytest.approx(math.log(classes))


def test_it_goes_on_from_a_saved_state(joint, last):
    stream = joint(VAL, to(0.2), accuracy=([0.8] * 40, to(0.95, 0.5)))
    first, second = Memorization(), Memorization()
    last(first, stream[:22])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    facts = known(0.1, classes=2)
    assert last(second, stream[22:], facts) == last(Memorization(), stream, facts)
