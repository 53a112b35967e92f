"""The level of a curve: medians of five that a reader can check by hand."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.stats.level import Level

FINITE = st.floats(-1e6, 1e6)


def of(values):
    level = Level()
    for step, value in enumerate(values):
        level.update(step, value)
    return level


@pytest.mark.parametrize(
    ("values", "level", "best", "best_step", "onset_step"),
    [
        ([3.0], 3.0, 3.0, 0, None),
        ([3.0, 1.0], 2.0, 2.0, 1, None),
        ([3.0, 1.0, 1.0], 1.0, 1.0, 2, None),
        ([1.0, 1.0, 1.0, 1.0, 1.0, 9.0, 1.0], 1.0, 1.0, 0, None),
        ([1.0, 1.0, 1.0, 2.0, 2.0, 2.0], 2.0, 1.0, 0, 5),
        ([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 0.0, 0.0, 0.0], 0.0, 0.0, 8, None),
    ],
)
def test_table(values, level, best, best_step, onset_step):
    curve = of(values)
    assert (curve.level, curve.best, curve.best_step, curve.onset_step) == (level, best, best_step, onset_step)


def test_nothing_seen_has_not_risen():
    assert (Level().rise, Level().relative, Level().beyond(1.0)) == (0.0, 0.0, False)


@pytest.mark.parametrize(("best", "relative"), [(2.0, 0.5), (-2.0, 0.5), (0.0, math.inf)])
def test_the_rise_is_relative_to_the_size_of_the_best(best, relative):
    assert of([best] * 5 + [best + 1.0] * 5).relative == relative


# 5 values at 0 and 15 at 1: n = 20, k = 20, the mean since the best is 0.75. The limit is
# 2 (0.54 sqrt(2 log 20) + 4 / sqrt(20)) = 4.43 standard deviations: below 0.169 it is beyond.
@pytest.mark.parametrize(("noise", "beyond"), [(0.168, True), (0.170, False), (0.0, True), (None, False)])
def test_beyond_the_noise(noise, beyond):
    assert of([0.0] * 5 + [1.0] * 15).beyond(noise) is beyond


def test_fewer_than_eight_values_are_never_beyond():
    assert not of([0.0] + [9.0] * 6).beyond(1e-6)


@given(st.lists(FINITE, min_size=1, max_size=40))
def test_it_never_rises_below_zero_and_goes_on_from_its_state(values):
    half = len(values) // 2
    first, second = of(values[:half]), Level()
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step, value in enumerate(values[half:], start=half):
        second.update(step, value)
    assert second.state_dict() == of(values).state_dict()
    assert second.rise >= 0.0
    assert min(values) <= second.best <= second.level <= max(values)
