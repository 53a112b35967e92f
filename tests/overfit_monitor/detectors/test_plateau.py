"""Plateau: standing still, and what the learning rate says about it."""

import pytest

from overfit_monitor.detectors import Plateau
from overfit_monitor.facts import Facts
from overfit_monitor.history import Evaluation
from overfit_monitor.signals import Signals
from overfit_monitor.testing.detector_checks import results, signals

# The level (median of five) is at 0.5 from step 7 on, so the twentieth evaluation after it is at step 27.
FALL = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]


def last(values, rates):
    stream, detector = Signals(mode="min"), Plateau()
    for step, (value, rate) in enumerate(zip(values, rates, strict=True)):
        detector.update(stream.update(Evaluation(step, value, value, rate)))
    return detector.result(Facts())


@pytest.mark.parametrize(
    ("val", "train", "alarm"),
    [
        pytest.param([*FALL] + [0.5] * 21, [*FALL] + [0.5] * 21, None, id="nineteen evaluations"),
        pytest.param([*FALL] + [0.5] * 22, [*FALL] + [0.5] * 22, 27, id="twenty evaluations"),
        pytest.param([*FALL] + [0.5] * 22, None, 27, id="without train"),
        pytest.param([*FALL] + [0.5] * 30, [1.0 - 0.1 * i for i in range(36)], None, id="train still falls"),
        pytest.param([*FALL] + [0.5] * 5 + [0.9] * 30, [*FALL] + [0.5] * 35, None, id="worse is not still"),
    ],
)
def test_table(val, train, alarm):
    result = results(Plateau(), signals(val, train))[-1]
    assert (result and result.alarm_step) == alarm


@pytest.mark.parametrize(
    ("rates", "alarm", "words"),
    [
        pytest.param([0.1] * 40, 27, "still 0.1 of at most 0.1: a drop may bring more", id="constant and high"),
        pytest.param([0.1] * 10 + [0.01] * 30, 30, "0.1 of its highest: another drop may bring more", id="dropped"),
        pytest.param([0.1] * 10 + [0.001] * 30, 30, "another drop can bring little", id="dropped a hundredfold"),
        pytest.param([None] * 40, 27, "Whether a learning-rate drop is due is not known", id="unknown"),
        pytest.param([0.1] * 30 + [0.01] * 10, None, None, id="a drop starts the count anew"),
        pytest.param([0.01] * 30 + [0.1] * 10, None, None, id="so does a warm restart"),
        pytest.param([0.1] * 30 + [0.09] * 10, 27, "of at most 0.1", id="a small change does not"),
    ],
)
def test_learning_rate(rates, alarm, words):
    result = last([*FALL] + [0.5] * 34, rates)
    assert (result and result.alarm_step) == alarm
    assert words is None or words in result.message


def test_what_is_not_known_speaks_against_it():
    result = results(Plateau(), signals([*FALL] + [0.5] * 30))[-1]
    assert [clause.split(" is ")[0] for clause in result.speaks_against] == ["the learning rate", "the train metric"]
    assert result.severity == "info"


def test_too_few_are_not_judged():
    assert results(Plateau(), signals([0.5] * 20))[-1].reason == "it needs more than 20 evaluations and has seen 20"
