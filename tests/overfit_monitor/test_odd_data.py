"""Scarce and odd data: few points, uneven logging, missing values, restarts, phases."""

import math

import numpy as np
import pytest

from overfit_monitor import Facts, Monitor, diagnose
from overfit_monitor.facts import DataFacts
from overfit_monitor.testing import curves

RISING = curves.overfit(60, seed=3)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_few_points_get_an_answer_and_it_is_that_nothing_can_be_said(n):
    diagnosis = diagnose(val=[1.0 - 0.1 * i for i in range(n)])
    assert diagnosis.verdict == "inconclusive"
    assert diagnosis.best_step == n - 1
    reason = next(item.reason for item in diagnosis.not_judged if item.id == "overfitting")
    assert reason == f"it needs at least 6 finite validation values and has {n}"


def test_no_points_get_an_answer():
    assert diagnose(val=[]).verdict == "inconclusive"


def test_train_every_fifty_steps_and_validation_every_five_hundred():
    monitor = Monitor()
    for step in range(0, 30_000, 50):
        epoch = step // 500
        val = {"loss": RISING.val[epoch]} if step % 500 == 0 else None
        diagnosis = monitor.log(step=step, train={"loss": RISING.train[epoch]}, val=val)
    assert diagnosis.verdict == "overfitting"
    assert diagnosis.metrics.train == "loss"
    expected = diagnose(train=RISING.train, val=RISING.val)
    assert (diagnosis.onset_step, diagnosis.alarm_step) == (500 * expected.onset_step, 500 * expected.alarm_step)


def test_endless_data_with_a_hundred_thousand_steps_is_judged_all_along():
    rng = np.random.default_rng(0)
    monitor = Monitor()
    for step in range(20_000):
        monitor.log(step=step, val={"loss": 2.0 / (1.0 + step / 500) + 1.0 + 0.02 * rng.normal()})
    assert monitor.diagnosis.verdict == "healthy"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_missing_values_in_between_change_little(bad):
    whole = diagnose(train=RISING.train, val=RISING.val)
    val = [bad if i % 7 == 3 else v for i, v in enumerate(RISING.val)]
    train = [bad if i % 5 == 1 else v for i, v in enumerate(RISING.train)]
    found = diagnose(train=train, val=val).finding("overfitting")
    assert found is not None
    assert abs(found.onset_step - whole.onset_step) <= 10


def test_a_restart_in_the_middle_is_judged_like_a_run_without_one():
    monitor = Monitor()
    for step in [*range(40), *range(25, 60)]:
        monitor.log(step=step, train={"loss": RISING.train[step]}, val={"loss": RISING.val[step]})
    expected = diagnose(train=RISING.train, val=RISING.val)
    assert monitor.diagnosis.alarm_step == expected.alarm_step
    assert "taken as a restart" in monitor.diagnosis.notes[0]


def test_unfreezing_that_makes_validation_worse_for_a_while_is_no_overfitting():
    frozen = [0.4 + 0.6 * math.exp(-i / 6) for i in range(25)]
    unfrozen = [0.25 + 0.3 * math.exp(-i / 4) for i in range(25)]
    monitor = Monitor()
    said = set()
    for step, val in enumerate(frozen + unfrozen):
        rate = 0.001 if step < 25 else 0.01
        said.add(monitor.log(step=step, val={"loss": val}, learning_rate=rate).verdict)
    assert "overfitting" not in said
    assert monitor.best_step == 49


def test_accuracy_alone_is_judged_with_more_as_better():
    accuracy = [1.0 - v / 2 for v in RISING.val]
    diagnosis = diagnose(val=accuracy, metric="accuracy", mode="max")
    assert (diagnosis.verdict, diagnosis.metrics.mode) == ("overfitting", "max")


HOSTILE = {
    "huge, up and down": [1e308 * (-1) ** i for i in range(50)],
    "next to nothing": [5e-324 * i for i in range(50)],
    "everything at once": [(math.nan, 1e308, -1e308, 0.0, 1.0)[i % 5] for i in range(200)],
    "spikes beyond measure": [1.0 if i % 7 else 1e300 for i in range(200)],
    "through zero": [1.0 - 0.05 * i for i in range(60)],
    "twenty orders of magnitude": [10.0 ** (10 - i / 10) for i in range(200)],
}


@pytest.mark.parametrize("train", ["the same", "constant", "none"])
@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_numbers_get_an_answer_and_no_error(name, train):
    known = Facts(data=DataFacts(classes=10, n_val=5, label_noise=0.1))
    monitor = Monitor(strict=True, facts=known)
    for step, value in enumerate(HOSTILE[name]):
        diagnosis = monitor.log(
            step=step,
            train={"the same": {"loss": value, "accuracy": value}, "constant": {"loss": 1.0}, "none": {}}[train],
            val={"loss": value, "accuracy": value, "head_loss": value},
            learning_rate=(0.0, math.nan, 1e-3)[step % 3],
        )
    assert diagnosis.explain()
