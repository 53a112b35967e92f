"""Thinned curves keep what somebody would look for."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.view.series import Curve, numbers, plain, sparkline, spread, thin


def test_few_points_stay_as_they_are():
    curve = Curve.of([(0, 1.0), (5, math.nan), (6, math.inf)])
    assert curve.plain() == {"steps": [0, 5, 6], "values": [1.0, None, None], "times": None}


@pytest.mark.parametrize("count", [2001, 2999, 10_000])
def test_thinned_curve(count):
    values = np.sin(np.arange(count) / 50)
    values[count // 2] = 99.0
    values[count // 3] = -99.0
    values[count // 4] = math.nan
    kept = thin(values).tolist()
    assert len(kept) <= 2000
    assert kept == sorted(set(kept))
    assert {0, count - 1, count // 2, count // 3, count // 4} <= set(kept)


@given(st.lists(st.floats(width=32), max_size=300), st.integers(5, 60))
def test_the_extremes_are_never_lost(values, most):
    given, kept = np.array(values), thin(np.array(values), most)
    assert len(kept) <= most or len(kept) == len(values)
    finite = given[np.isfinite(given)]
    if len(finite):
        shown = given[kept][np.isfinite(given[kept])]
        assert (shown.min(), shown.max()) == (finite.min(), finite.max())
    assert np.isfinite(given).all() == np.isfinite(given[kept]).all()


def test_a_curve_of_nothing_but_nan():
    assert set(Curve(np.arange(3000), np.full(3000, math.nan)).plain()["values"]) == {None}


@pytest.mark.parametrize(
    ("first", "last", "steps"),
    [(None, None, [0, 10, 20]), (10, None, [10, 20]), (None, 9, [0]), (1, 9, []), (30, 40, []), (20, 10, [])],
)
def test_a_part_of_a_curve(first, last, steps):
    assert Curve.of([(0, 1.0), (10, 2.0), (20, 3.0)], [1.0, 2.0, 3.0]).between(first, last).steps.tolist() == steps


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([1.0, math.nan], [1.0, None]),
        ([1.0, 3.0, math.nan, 5.0, math.inf, math.nan], [2.0, 5.0, None]),
    ],
)
def test_sparkline(values, expected):
    assert sparkline(np.array(values), most=3) == expected


def test_a_sparkline_is_short():
    line = sparkline(np.arange(1000.0))
    assert len(line) == 48
    assert line == sorted(line)


@given(st.integers(0, 5000), st.integers(1, 300))
def test_places_are_spread_equally_and_end_with_the_last(n, most):
    places = spread(n, most).tolist()
    assert len(places) <= most
    assert places[-1:] == list(range(n))[-1:]
    assert len(set(np.diff(places).tolist())) <= 1


def test_numbers_have_as_many_digits_as_are_worth_sending():
    assert numbers([1 / 3, 1e-20, -math.inf, 123456789.0], 4) == [0.3333, 1e-20, None, 123500000.0]


def test_whatever_is_no_number_is_null():
    told = {"a": [math.nan, 1.0, (math.inf,)], 5: None, "b": True, "c": "NaN", "d": object}
    assert plain(told) == {"a": [None, 1.0, [None]], "5": None, "b": True, "c": "NaN", "d": str(object)}
