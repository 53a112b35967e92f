"""The noise scale."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.stats.noise import StepNoise


def scale(values, **settings):
    noise = StepNoise(**settings)
    for value in values:
        noise.update(float(value))
    return noise.scale


@pytest.mark.parametrize(
    ("values", "expected"),
    [([1, 2, 1, 2], None), ([1, 2, 1, 2, 1], 1 / 0.954), ([1, 1, 1, 1, 9], 0.0), ([0, 1, 2, 3, 4], 1 / 0.954)],
)
def test_table(values, expected):
    assert scale(values) == (None if expected is None else pytest.approx(expected, rel=1e-3))


@pytest.mark.parametrize("seed", range(5))
def test_it_recovers_gaussian_noise_and_ignores_outliers(seed):
    values = np.random.default_rng(seed).normal(0.0, 0.3, size=1000)
    assert scale(values, window=1000) == pytest.approx(0.3, rel=0.12)
    values[::20] += 100.0
    assert scale(values, window=1000) == pytest.approx(0.3, rel=0.3)


@given(st.lists(st.floats(-1e6, 1e6), min_size=5, max_size=30), st.floats(0.01, 100), st.floats(-100, 100))
def test_it_scales_with_the_curve_and_ignores_its_height(values, factor, height):
    moved = scale([factor * value + height for value in values])
    assert moved == pytest.approx(factor * scale(values), rel=1e-6, abs=1e-6)
