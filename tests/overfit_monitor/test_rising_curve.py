"""The rise reckoned value by value is that of the formulas, to the last bit, whatever came before."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor.stats.autocorrelation import autocorrelation, inflation
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.noise import StepNoise
from overfit_monitor.stats.order import Window
from overfit_monitor.stats.rising_curve import RisingCurve, measure_rise
from overfit_monitor.stats.smoothing import running_median

VALUES = st.floats(-1e6, 1e6) | st.sampled_from([0.0, 1.0, 1e150, -1e150])
UNIT = 0.6744897501960817


def scale(values, lag):
    if len(values) < 2 * lag + 3:
        return math.nan
    second = values[2 * lag :] - 2.0 * values[lag:-lag] + values[: -2 * lag]
    return float(np.median(np.abs(second))) / (UNIT * math.sqrt(6.0))


def by_the_formulas(values):
    """Best, its place, level, noise, correlation, wander, recovered rise, statistic: each from all values anew."""
    n = len(values)
    smooth = running_median(values, max(1, n // 20 // 2))
    at = int(np.argmin(smooth))
    best, level = float(smooth[at]), float(np.median(values[-max(3, n // 20) :]))
    first = float(np.median(np.abs(np.diff(values)))) / (UNIT * math.sqrt(2.0))
    noise = max(min(first, scale(values, 1)), 1e-4 * max(abs(best), abs(level)))
    correlation = autocorrelation(scale(values, 1), scale(values, 2))
    recovered = float(np.max(smooth[: at + 1] - np.minimum.accumulate(smooth[: at + 1])))
    rise, wander = level - best, scale(values, 4)
    doubt = min(10.0 ** (2.0 * recovered / rise), 20.0) if rise > recovered else 20.0
    doubt *= 3.0 if at < 3 else 1.0
    inflated = max(2.0, inflation(min(correlation, 0.8)))
    statistic = rise / noise * math.sqrt(n - at) / inflated / doubt if noise > 0.0 else 0.0
    return best, at, level, noise, correlation, 0.0 if math.isnan(wander) else wander, recovered, statistic


@given(st.lists(VALUES, min_size=6, max_size=300))
def test_it_is_that_of_the_formulas_after_every_value(values):
    curve, grown = RisingCurve(), []
    for value in values:
        grown.append(value)
        curve.follow(grown)
        if len(grown) < 6 or (len(grown) % 7 and len(grown) != len(values)):
            continue
        expected = by_the_formulas(np.array(grown))
        assert curve.measure()[:8] == expected
        assert (curve.best, curve.best_at, curve.level, curve.wander) == (*expected[:3], expected[5])


@settings(max_examples=25)  # each grows a curve of hundreds of values
@given(st.lists(VALUES, min_size=300, max_size=700))
def test_it_follows_bins_that_are_merged(values):
    bins, curve = BinnedCurve(), RisingCurve()
    for step, value in enumerate(values):
        bins.update(step, value)
        curve.follow(bins.values)
    assert curve.measure() == measure_rise(bins.values)


@given(st.floats(0.0, 3.0))
def test_the_autocorrelation_is_read_off_as_numpy_interpolates(ratio):
    grid = np.linspace(0.0, 0.95, 96)
    ratios = (1.0 + grid) * (3.0 - grid**2) / (3.0 - grid)
    assert autocorrelation(1.0, ratio) == float(np.interp(min(ratio, 2.0) ** 2, ratios, grid))


@given(st.lists(VALUES, min_size=1), st.integers(1, 9))
def test_a_window_has_the_median_of_the_latest_values(values, size):
    window = Window([], size)
    for count, value in enumerate(values, start=1):
        window.push(value)
        assert window.values == values[max(0, count - size) : count]
        assert window.median == float(np.median(window.values))


@given(st.lists(VALUES, min_size=2, max_size=100), st.integers(1, 30))
def test_the_noise_goes_on_from_a_saved_state(values, half):
    whole, first = StepNoise(window=8), StepNoise(window=8)
    for value in values:
        whole.update(value)
    for value in values[:half]:
        first.update(value)
    second = StepNoise(window=8)
    second.load_state_dict(first.state_dict())
    for value in values[half:]:
        second.update(value)
    assert (second.state, second.scale) == (whole.state, whole.scale)
