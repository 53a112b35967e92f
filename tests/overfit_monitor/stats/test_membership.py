"""Membership: areas counted by hand, an interval that covers, and orders that must not matter."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.stats.membership import membership

UP = np.arange(100.0)


@pytest.mark.parametrize(
    ("train", "val", "auc", "tpr"),
    [
        (UP, UP + 1000.0, 1.0, 1.0),
        (UP + 1000.0, UP, 0.0, 0.0),
        (UP * 0.0, UP * 0.0, 0.5, 0.0),  # every pair is a tie
        (UP, UP, 0.5, 0.01),  # one validation loss in a hundred may be below: the limit is 1, and 0 is below it
        (np.where(UP < 20.0, -1.0, 1000.0), UP, 0.2, 0.2),  # a fifth is known by heart, the others are harder
    ],
)
def test_by_hand(train, val, auc, tpr):
    found = membership(train, val)
    assert (found.auc, found.tpr) == pytest.approx((auc, tpr))
    assert found.low <= found.auc <= found.high


@pytest.mark.parametrize("n", [0, 1, 19])
def test_too_few_examples_tell_nothing(n):
    assert membership(UP[:n], UP) is None
    assert membership(UP, UP[:n]) is None


def test_the_interval_covers_the_truth_in_about_95_percent():
    # Two normals 0.5 apart: the area is Phi(0.5 / sqrt 2) = 0.6382.
    rng = np.random.default_rng(0)
    samples = [membership(rng.normal(size=60), rng.normal(0.5, size=80)) for _ in range(600)]
    assert np.mean([found.low <= 0.6382 <= found.high for found in samples]) == pytest.approx(0.95, abs=0.025)


def test_many_examples_are_thinned_evenly():
    rng = np.random.default_rng(0)
    found = membership(np.sort(rng.normal(size=100_000)), np.sort(rng.normal(size=100_000)))
    assert found.auc == pytest.approx(0.5, abs=0.01)


@given(seed=st.integers(0, 1000), scale=st.floats(0.1, 10.0))
def test_only_the_order_of_losses_matters(seed, scale):
    rng = np.random.default_rng(seed)
    train, val = rng.exponential(size=30), rng.exponential(size=40)
    found = membership(train, val)
    again = membership(rng.permutation(train) * scale, rng.permutation(val) * scale)
    assert again.model_dump() == pytest.approx(found.model_dump())
    assert membership(val, train).auc == pytest.approx(1.0 - found.auc)
