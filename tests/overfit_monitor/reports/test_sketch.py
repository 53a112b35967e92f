"""Curves as a few columns and as bars."""

import math

import pytest

from overfit_monitor.reports.sketch import WIDTH, Sketch, bars, sketch


@pytest.mark.parametrize(
    ("values", "mode", "shown"),
    [
        ([], "min", ""),
        ([math.nan], "min", ""),
        ([1.0], "min", "▁"),
        ([2.0, 2.0], "min", "▁▁"),
        ([0.0, 100.0, math.nan, 25.0], "min", "▁█ ▅"),  # the square root: a quarter of the distance, half of the height
        ([0.0, 100.0, math.nan, 75.0], "max", "▁█ ▅"),
        ([-1.7e308, 1.7e308], "min", "▁█"),
        ([math.inf, 0.0, 1.0], "min", " ▁█"),
    ],
)
def test_heights(values, mode, shown):
    assert "".join(bars(sketch(range(len(values)), values, mode=mode))) == shown


@pytest.mark.parametrize(
    ("best", "onset", "shown"),
    [
        (None, None, "█▆▁▅"),
        (4, None, "█▆•▅"),
        (5, 6, "█▆•╎▅"),
        (4, 5, "█▆•╎▅"),  # in the same column: the best comes before
        (0, 2, "•╎▆▁▅"),
        (99, -1, "█▆▁•"),
    ],
)
def test_marks(best, onset, shown):
    assert "".join(bars(Sketch((0, 2, 4, 6), (3.0, 2.0, 1.0, 1.5)), best=best, onset=onset)) == shown


@pytest.mark.parametrize("count", [1, 23, 24, 25, 47, 48, 49, 1000, 100_001])
def test_never_too_wide(count):
    curve = sketch(range(count), [1.0] * count)
    assert 1 <= len(curve.values) == len(curve.steps) <= WIDTH
    assert curve.steps[0] == 0
