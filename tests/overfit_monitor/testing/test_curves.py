"""Made curves are what they say they are, and a monitor sees on them what it can see."""

import pickle
from collections import Counter

import numpy as np
import pytest

from overfit_monitor import Monitor
from overfit_monitor.detectors import CATALOGUE as DETECTORS
from overfit_monitor.metrics import direction
from overfit_monitor.testing import curves

CAN_BE_SEEN = {detector.id for detector in DETECTORS}
MAKERS = pytest.mark.parametrize("make", curves.CATALOGUE, ids=lambda make: make.__name__)


def level(values, start, end):
    return float(np.median(values[start:end]))


@MAKERS
def test_every_curve_is_whole_and_finite(make):
    curve = make(50, sd=0.01, seed=3)
    columns = [curve.train, curve.val, *(values for pair in curve.others.values() for values in pair)]
    columns += [curve.learning_rate] if curve.learning_rate else []
    assert all(len(column) == 50 and np.isfinite(column).all() for column in columns)
    assert all(direction(name) for name in curve.others)
    assert curve.onset_step is None or 0 < curve.onset_step < 49
    assert len(curve.observations()) == 50


@MAKERS
def test_the_same_arguments_give_the_same_curve_and_another_seed_another(make):
    assert make(40, seed=5) == make(40, seed=5) == pickle.loads(pickle.dumps(make(40, seed=5)))
    assert make(40, seed=5).val != make(40, seed=6).val


@MAKERS
def test_a_monitor_reaches_the_truth(make):
    reached = Counter()
    for seed in range(4):
        curve = make(100, seed=seed)
        diagnosis = Monitor(facts=curve.facts).replay(curve.observations())
        reached["verdict"] += diagnosis.verdict == curve.verdict
        reached["finding"] += curve.finding is None or diagnosis.finding(curve.finding) is not None
    assert reached["verdict"] == 4
    # A standstill is a matter of luck: a new lowest value begins it anew.
    assert reached["finding"] >= (1 if make is curves.standstill else 4)


@pytest.mark.parametrize("name", [name for name in curves.NULLS if "0.9" not in name])
def test_a_monitor_raises_nothing_on_a_null(name):
    for seed in range(2):
        monitor = Monitor()
        for observation in curves.NULLS[name](100, seed=seed).observations():
            diagnosis = monitor.replay([observation])
            assert all(finding.severity == "info" for finding in diagnosis.findings), f"seed {seed}"


def test_there_is_a_curve_for_every_phenomenon_but_broken_numbers():
    named = {make().finding for make in curves.CATALOGUE} - {None}
    assert CAN_BE_SEEN - {"non_finite"} <= named


def test_every_null_is_healthy():
    assert len(curves.NULLS) == 18
    for make in curves.NULLS.values():
        curve = make(60, seed=1)
        assert (curve.verdict, curve.finding, curve.onset_step) == ("healthy", None, None)


@pytest.mark.parametrize(
    ("options", "correlation"), [({}, 0.0), ({"correlation": 0.7}, 0.7), ({"correlation": 0.9, "tails": 5.0}, 0.9)]
)
def test_noise_has_the_variance_and_the_correlation_asked_for(options, correlation):
    values = curves.noise(100_000, np.random.default_rng(0), **options)
    assert abs(values.mean()) < 0.05
    assert values.std() == pytest.approx(1.0, abs=0.05)
    assert np.corrcoef(values[:-1], values[1:])[0, 1] == pytest.approx(correlation, abs=0.01)


def test_noise_is_heavy_tailed_and_uneven_where_asked():
    rng = np.random.default_rng(0)
    assert np.mean(np.abs(curves.noise(100_000, rng, tails=3.0)) > 4.0) > 0.004  # 0.00006 for a Gaussian
    uneven = curves.noise(100_000, rng, uneven=10.0)
    assert uneven[:1000].std() / uneven[-1000:].std() == pytest.approx(10.0, rel=0.1)


@pytest.mark.parametrize("options", [{"correlation": 1.0}, {"correlation": -0.1}, {"tails": 2.0}, {"uneven": 0.0}])
def test_noise_that_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="no noise has"):
        curves.noise(10, np.random.default_rng(0), **options)


def test_overfit_rises_from_its_onset_by_what_was_asked():
    curve = curves.overfit(100, sd=0.0, onset=0.4, rise=0.5)
    assert curve.onset_step == 40
    assert all(a > b for a, b in zip(curve.val[:40], curve.val[1:41], strict=True))
    assert all(a < b for a, b in zip(curve.val[42:99], curve.val[43:], strict=True))
    assert curve.val[-1] / curve.val[40] == pytest.approx(1.5, abs=0.02)


def test_a_leak_is_below_and_a_shift_above_train_from_the_first_step():
    leak, shift = curves.leak(100, sd=0.0), curves.shift(100, sd=0.0)
    assert np.divide(leak.val, leak.train) == pytest.approx(np.full(100, 0.6))
    assert np.subtract(shift.val, shift.train) == pytest.approx(np.full(100, 0.5))
    assert leak.facts.like_for_like is shift.facts.like_for_like is True


def test_an_artefact_is_small_and_explained_by_dropout():
    curve = curves.artefact(100, sd=0.0)
    assert np.divide(curve.val, curve.train) == pytest.approx(np.full(100, 0.85))
    assert curve.facts.like_for_like is False
    assert [layer.rate for layer in curve.facts.of_kind("dropout")] == [0.5]


def test_double_descent_ends_below_its_first_minimum_and_grokking_ends_far_below_its_start():
    second, late = curves.double_descent(100, sd=0.0), curves.grokking(100, sd=0.0)
    assert max(second.val[40:50]) > 1.4 * min(second.val[:35])
    assert second.val[-1] < min(second.val[:35])
    assert late.train[30] < 0.02 < 2.0 < late.val[30]
    assert late.val[-1] < 0.3


def test_the_overconfident_lose_no_accuracy():
    curve = curves.overconfident(100)
    accuracy = curve.others["accuracy"][1]
    assert level(curve.val, 90, 100) > 1.3 * level(curve.val, 35, 45)
    assert level(accuracy, 90, 100) >= level(accuracy, 35, 45)


def test_memorization_passes_what_right_answers_can_give():
    curve = curves.memorization(100, label_noise=0.2)
    accuracy = curve.others["accuracy"][0]
    assert max(accuracy[:48]) < 0.82 < 0.99 < min(accuracy[95:])
    # 0.8 log(1 / 0.8) + 0.2 log(9 / 0.2) = 0.179 + 0.761
    assert level(curve.train, 40, 48) == pytest.approx(0.94 + 1.36 * np.exp(-12 * 0.44), rel=0.02)
    assert level(curve.train, 95, 100) < 0.02


def test_the_total_of_the_heads_holds_while_one_gets_worse():
    curve = curves.head_disagreement(100)
    box, head = curve.others["box_loss"][1], curve.others["class_loss"][1]
    assert level(head, 95, 100) > 1.4 * level(head, 35, 45)
    assert np.add(box, head) == pytest.approx(np.array(curve.val), rel=0.15)


def test_spikes_come_back_at_the_next_step():
    curve = curves.instability(100, sd=0.0)
    assert curve.val[25] > 2.0 * curve.val[24]
    assert curve.val[26] < 1.01 * curve.val[24]


def test_too_small_a_validation_set_shows_steps_of_one_example():
    curve = curves.noisy(100, examples=30)
    counts = np.array(curve.others["accuracy"][1]) * 30
    assert counts == pytest.approx(np.round(counts))
    assert min(curve.val) > 0.0
    assert curve.facts.data.n_val == 30


def test_underfit_runs_are_stuck_or_still_falling():
    stuck, cut = curves.underfit(100, sd=0.0), curves.cut_short(100, sd=0.0)
    assert min(stuck.train) > 0.989 * np.log(10)
    assert cut.train[-11] - cut.train[-1] == pytest.approx(cut.train[0] - cut.train[10])
