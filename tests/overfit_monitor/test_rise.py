"""The numbers under the overfitting test: bins, running medians, noise, autocorrelation, the rise, its limits."""

import json
import math
from statistics import median

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.stats.autocorrelation import (
    autocorrelation,
    first_difference_scale,
    inflation,
    second_difference_scale,
)
from overfit_monitor.stats.binned import MOST_BINS, BinnedCurve
from overfit_monitor.stats.limits import LIMITS, limit_for
from overfit_monitor.stats.rising_curve import measure_rise
from overfit_monitor.stats.smoothing import running_median
from overfit_monitor.testing.curves import noise

VALUES = st.lists(st.floats(-1e6, 1e6), min_size=6, max_size=60)


@given(st.integers(1, 2000))
def test_bins_are_means_of_equally_many_neighbours(n):
    curve = BinnedCurve()
    for step in range(n):
        curve.update(step, float(step))
    size, bins = curve.state.per_bin, len(curve.values)
    assert bins < MOST_BINS
    assert n - size < bins * size <= n
    assert curve.values == [size * b + (size - 1) / 2 for b in range(bins)]
    assert [curve.step_of(b) for b in range(bins)] == [size * (b + 1) - 1 for b in range(bins)]


def test_bins_continue_from_their_state():
    first, second = BinnedCurve(), BinnedCurve()
    for step in range(777):
        first.update(step, float(step))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for curve in (first, second):
        for step in range(777, 1500):
            curve.update(step, float(step))
    assert first.state == second.state


@given(VALUES, st.integers(0, 5))
def test_the_running_median_is_that_of_what_is_in_the_window(values, half):
    found = running_median(np.array(values), half)
    for i, value in enumerate(found):
        window = sorted(values[max(0, i - half) : i + half + 1])
        assert value in (window[(len(window) - 1) // 2], window[len(window) // 2])
        assert len(window) % 2 == 0 or value == median(window)


# Steps of 1 all along: the median step is 1 and no second difference is anything.
@pytest.mark.parametrize(
    ("values", "first", "second"),
    [
        (list(range(10)), 1.0 / (0.6745 * math.sqrt(2)), 0.0),
        ([0.0, 1.0] * 5, 1.0 / (0.6745 * math.sqrt(2)), 2.0 / (0.6745 * math.sqrt(6))),
        ([0.0] * 9 + [5.0], 0.0, 0.0),
    ],
)
def test_difference_scales(values, first, second):
    assert first_difference_scale(np.array(values, float)) == pytest.approx(first, abs=1e-4)
    assert second_difference_scale(np.array(values, float), 1) == pytest.approx(second, abs=1e-4)


@pytest.mark.parametrize("lag", [1, 2, 4])
def test_too_few_values_have_no_second_differences(lag):
    assert math.isnan(second_difference_scale(np.zeros(2 * lag + 2), lag))


@pytest.mark.parametrize("correlation", [0.0, 0.3, 0.5, 0.7, 0.9])
def test_noise_and_autocorrelation_are_found_again_under_a_trend(correlation):
    moves = noise(100_000, np.random.default_rng(5), correlation=correlation)
    values = 0.05 * np.arange(len(moves)) + moves
    lags = [second_difference_scale(values, lag) for lag in (1, 2)]
    found = autocorrelation(*lags)
    assert found == pytest.approx(correlation, abs=0.06)
    long_run = math.sqrt((1 + correlation) / (1 - correlation))
    assert lags[0] * inflation(correlation) == pytest.approx(long_run, rel=0.2)


# Falls to 1, stays for five, rises to 2: the running median of three is 1 from 3 to 7, the end is 2.
HAND = [4.0, 3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]


def test_the_rise_by_hand():
    found = measure_rise(np.array(HAND))
    assert (found.best, found.best_at, found.level, found.rise, found.fall) == (1.0, 3, 2.0, 1.0, 2.0)
    assert found.recovered == 0.0
    assert found.begins == (3, 7, 7)
    # Of ten steps six are 0, so that the noise is its floor of 1e-4 times the level; eight values since the best.
    assert found.noise == pytest.approx(2e-4)
    assert found.statistic == pytest.approx(1.0 / 2e-4 * math.sqrt(8) / 2.0)


def test_a_rise_that_was_made_good_lowers_the_statistic():
    again = measure_rise(np.array([3.0, 3.0, 2.0, 2.0, 2.0, 2.5, 2.5, 2.5, 1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0]))
    assert (again.recovered, again.rise) == (0.5, 1.0)
    alone = again.rise / again.noise * math.sqrt(16 - again.best_at) / inflation(0.8)  # smooth: as correlated as can be
    assert again.statistic == pytest.approx(alone / 10.0)


@given(VALUES, st.integers(-20, 20))
def test_the_statistic_does_not_depend_on_the_unit(values, power):
    unit = 2.0**power
    one, other = measure_rise(np.array(values)), measure_rise(unit * np.array(values))
    assert other.statistic == pytest.approx(one.statistic)
    assert other.rise == pytest.approx(unit * one.rise)
    assert other.best_at == one.best_at


@given(VALUES)
def test_begins_are_in_order_and_hold_the_best(values):
    found = measure_rise(np.array(values))
    first, likeliest, last = found.begins
    assert 0 <= first <= found.best_at <= likeliest <= last < len(values)
    assert all(math.isfinite(value) for value in found[:8])


@pytest.mark.parametrize(("rate", "limit"), LIMITS)
def test_limits_at_the_calibrated_rates(rate, limit):
    assert limit_for(rate) == pytest.approx(limit)


def test_between_them_the_limit_falls_as_the_rate_grows():
    limits = [limit_for(rate) for rate in np.linspace(0.01, 0.2, 50)]
    assert limits == sorted(limits, reverse=True)
