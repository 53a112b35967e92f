"""Divergence and non-finite values: curves small enough to check by hand."""

import math

import pytest

from overfit_monitor.detectors import Divergence, NonFinite
from overfit_monitor.testing.detector_checks import results, signals

NAN, INF = math.nan, math.inf
FALL = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5]


@pytest.mark.parametrize(
    ("val", "severity", "onset", "in_a_row"),
    [
        ([1.0, 0.9, 0.8], None, None, None),
        ([1.0, NAN], "error", 1, 1),
        ([INF, NAN, NAN], "error", 0, 3),
        ([1.0, NAN, 0.8], "warning", 1, 0),
        ([1.0, -INF, 0.8, NAN], "error", 1, 1),
    ],
)
def test_non_finite(val, severity, onset, in_a_row):
    result = results(NonFinite(), signals(val))[-1]
    found = result and (result.severity, result.onset_step, result.evidence["in_a_row"])
    assert found == (None if severity is None else (severity, onset, in_a_row))


def test_a_train_value_that_is_no_number_counts_as_well():
    assert results(NonFinite(), signals([1.0, 1.0], [1.0, NAN]))[-1].severity == "error"


@pytest.mark.parametrize(
    ("train", "onset", "alarm"),
    [
        pytest.param([*FALL, 0.5, 0.5], None, None, id="stands"),
        pytest.param([*FALL, 9.0, 0.5, 0.5], None, None, id="one spike"),
        pytest.param([*FALL, 9.0, 9.0, 9.0], 6, 8, id="three in a row"),
        pytest.param([*FALL, 0.6, 0.6, 0.6], None, None, id="less than half of the gain lost"),
        pytest.param([*FALL, 9.0, 9.0, 9.0, 0.4], None, None, id="it comes back"),
    ],
)
def test_divergence(train, onset, alarm):
    result = results(Divergence(), signals([0.5] * len(train), train))[-1]
    assert (result and result.onset_step, result and result.alarm_step) == (onset, alarm)


def test_divergence_without_train_is_not_judged():
    assert results(Divergence(), signals(FALL))[-1].reason == "it needs at least 5 finite train values"
