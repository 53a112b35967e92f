"""Whether one group of runs is worse than another by more than the noise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor.comparison import Measured, compare, measure
from overfit_monitor.monitor import Monitor
from overfit_monitor.records import Diagnosis, MetricChoice, Observation, Sampling
from overfit_monitor.testing import curves


def seeds(*values, mode="min", metric="loss"):
    return [Measured(metric=metric, mode=mode, value=value) for value in values]


def alone(value, noise=0.001, noise_from="curve", near=10, mode="min"):
    return [Measured(metric="loss", mode=mode, value=value, noise=noise, noise_from=noise_from, near=near)]


@pytest.mark.parametrize(
    ("base", "other", "difference", "error", "sure"),
    [
        # Welch, by hand: variances 0.01 and 0.01 over 3 each: sqrt(0.02 / 3), 4 degrees of freedom, quantile 2.776.
        (seeds(1.0, 1.1, 1.2), seeds(1.3, 1.4, 1.5), 0.3, 0.08165, True),
        (seeds(1.0, 1.1, 1.2), seeds(1.2, 1.3, 1.4), 0.2, 0.08165, False),
        (seeds(1.3, 1.4, 1.5), seeds(1.0, 1.1, 1.2), -0.3, 0.08165, True),
        (seeds(1.0, 1.1, 1.2, mode="max"), seeds(1.3, 1.4, 1.5, mode="max"), -0.3, 0.08165, True),
        # Several on one side: 0.1 sqrt(1 + 1/3), 2 degrees of freedom, quantile 4.303.
        (seeds(1.0, 1.1, 1.2), seeds(1.65), 0.55, 0.11547, True),
        (seeds(1.0, 1.1, 1.2), seeds(1.55), 0.45, 0.11547, False),
        (seeds(1.65), seeds(1.0, 1.1, 1.2), -0.55, 0.11547, True),
        # One a side: 5 % of each value, 4 degrees of freedom: 2.776 * 0.0707 = 0.196.
        (alone(1.0, 0.0), alone(1.15, 0.0), 0.15, 0.05 * math.hypot(1.0, 1.15), False),
        (alone(1.0, 0.0), alone(1.25, 0.0), 0.25, 0.05 * math.hypot(1.0, 1.25), True),
        (alone(1.0, 0.1, "examples"), alone(1.25, 0.1, "examples"), 0.25, 0.1625, False),
    ],
)
def test_by_hand(base, other, difference, error, sure):
    found = compare(base, other)
    assert found.difference == pytest.approx(difference)
    assert found.standard_error == pytest.approx(error, rel=1e-3)
    assert found.sure is sure
    assert ("more than" if sure else "within") in found.reason


@pytest.mark.parametrize(
    ("base", "other", "reason"),
    [
        ([], seeds(1.0), "not comparable, because there is no finite validation value on one side."),
        (seeds(None), seeds(None), "not comparable, because there is no finite value at all."),
        (
            seeds(1.0),
            seeds(1.0, metric="acc", mode="max"),
            "not comparable, because the runs were judged by different metrics: 'acc' (max) and 'loss' (min).",
        ),
    ],
)
def test_what_cannot_be_compared(base, other, reason):
    found = compare(base, other)
    assert found.reason == reason
    assert (found.difference, found.relative, found.standard_error, found.limit, found.sure) == (None,) * 5


@pytest.mark.parametrize(
    ("base", "other", "why"),
    [
        (seeds(1.0), seeds(2.0), "too few evaluations"),
        (alone(-1.0), alone(-0.5), "values of 0 or below"),
        (seeds(1.0, 1.0), seeds(2.0, 2.0), "the values of all seeds are the same"),
    ],
)
def test_where_nothing_tells_the_noise(base, other, why):
    found = compare(base, other)
    assert found.difference is not None
    assert (found.standard_error, found.sure) == (None, None)
    assert why in found.reason


def test_the_best_of_many_is_too_good_and_the_difference_of_that_is_in_the_limit():
    few, many = alone(1.0, 0.1, near=1), alone(1.0, 0.1, near=100)
    assert compare(few, many).limit == pytest.approx(compare(few, few).limit + 0.1 * 2.507, abs=0.01)


def test_what_a_run_tells_of_itself():
    curve = curves.plateau(200, sd=0.02, seed=3)
    observations = curve.observations()
    found = measure(Monitor().replay(observations), observations)
    assert (found.metric, found.mode, found.value) == ("loss", "min", min(curve.val))
    assert found.noise == pytest.approx(0.01, rel=0.35)
    assert found.noise_from == "curve"
    assert 50 <= found.near <= 150


def test_per_example_losses_go_before_the_curve_and_a_restart_forgets():
    def at(step, value):
        return Observation(step=step, val={"m": value}, sampling=Sampling(n=50, standard_error=step / 100))

    observations = [at(0, 3.0), at(1, 0.1), at(1, 2.0), at(2, 1.0), at(3, 1.5)]
    diagnosis = Diagnosis(verdict="healthy", best_step=2, best_value=1.0, metrics=MetricChoice(val="m"))
    found = measure(diagnosis, observations)
    assert (found.noise, found.noise_from) == (0.02, "examples")
    few = measure(diagnosis, [o.model_copy(update={"sampling": None}) for o in observations])
    assert (few.noise, few.noise_from) == (None, None)
    assert measure(Diagnosis(verdict="inconclusive"), []) == Measured()


def test_equal_truth_is_seldom_called_different():
    rng = np.random.default_rng(0)
    for sizes in ((2, 2), (5, 3), (4, 1), (1, 8)):
        wrong = 0
        for _ in range(600):
            scales = rng.uniform(0.5, 2.0) if min(sizes) == 1 else rng.uniform(0.5, 2.0, 2)
            a, b = (
                rng.normal(1.0, 0.05 * scale, n) for n, scale in zip(sizes, np.broadcast_to(scales, 2), strict=True)
            )
            wrong += bool(compare(seeds(*a), seeds(*b)).sure)
        assert wrong / 600 <= 0.08, sizes


def test_single_runs_of_equal_truth_are_seldom_called_different():
    # Noise between seeds as of small networks (benchmarks/comparing.py): log-normal, 3 % in the middle.
    rng = np.random.default_rng(1)
    wrong = 0
    for i in range(60):
        spread = min(0.15, 0.03 * math.exp(rng.normal(0.0, 0.9)))
        runs = []
        for k in range(2):
            curve = curves.plateau(60, sd=0.01, seed=10 * i + k)
            level = 1.0 + spread * rng.normal()
            observations = [Observation(step=s, val={"loss": v * level}) for s, v in enumerate(curve.val)]
            best = min(range(60), key=lambda s: observations[s].val["loss"])
            diagnosis = Diagnosis(
                verdict="healthy",
                best_step=best,
                best_value=observations[best].val["loss"],
                metrics=MetricChoice(val="loss"),
            )
            runs.append([measure(diagnosis, observations)])
        wrong += bool(compare(*runs).sure)
    assert wrong <= 6


VALUES = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=5)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(VALUES, VALUES, st.sampled_from(["min", "max"]))
def test_turned_round_it_says_the_opposite(a, b, mode):
    there, back = (compare(seeds(*x, mode=mode), seeds(*y, mode=mode)) for x, y in ((a, b), (b, a)))
    assert there.difference == -back.difference
    assert (there.sure, there.standard_error, there.limit) == (back.sure, back.standard_error, back.limit)
    looser = compare(seeds(*a, mode=mode), seeds(*b, mode=mode), false_alarm_rate=0.5)
    assert not (there.sure and looser.sure is False)
