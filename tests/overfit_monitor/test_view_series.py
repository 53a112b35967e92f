"""Thinned curves keep what somebody would look for."""

import math

import pytest

from overfit_monitor.view.series import sparkline, thin


def test_few_points_stay_as_they_are():
    assert thin([(0, 1.0), (5, math.nan), (6, math.inf)]) == [[0, 1.0], [5, None], [6, None]]


@pytest.mark.parametrize("count", [2001, 2999, 10_000])
def test_thinned_curve(count):
    points = [(i, math.sin(i / 50)) for i in range(count)]
    points[count // 2] = (count // 2, 99.0)
    points[count // 3] = (count // 3, -99.0)
    points[count // 4] = (count // 4, math.nan)
    thinned = thin(points)
    assert len(thinned) <= 2000
    assert [step for step, _ in thinned] == sorted({step for step, _ in thinned})
    assert thinned[0] == [0, 0.0]
    assert thinned[-1][0] == count - 1
    assert [count // 2, 99.0] in thinned
    assert [count // 3, -99.0] in thinned
    assert [count // 4, None] in thinned


def test_a_curve_of_nothing_but_nan():
    assert {value for _, value in thin([(i, math.nan) for i in range(3000)])} == {None}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], []),
        ([1.0, math.nan], [1.0, None]),
        ([1.0, 3.0, math.nan, 5.0, math.inf, math.nan], [2.0, 5.0, None]),
    ],
)
def test_sparkline(values, expected):
    assert sparkline(values, most=3) == expected


def test_a_sparkline_is_short():
    line = sparkline([float(i) for i in range(1000)])
    assert len(line) == 64
    assert line == sorted(line)
