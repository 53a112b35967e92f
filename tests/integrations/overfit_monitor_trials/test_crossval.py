"""Folds that a reader can check, what they have in common, and the ledger of a validation set."""

import numpy as np
import pytest

pytest.importorskip("joblib")
pytest.importorskip("sklearn")
import toys
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import UsageError
from overfit_monitor_trials import Ledger, compare, crossval
from overfit_monitor_trials.ledger import expected_best

SERIAL = {"engine": "serial", "quiet": True}


def test_every_example_is_held_out_once():
    found = crossval(toys.fold, {}, n=10, folds=5, **SERIAL)
    # Five folds of two of the rows 0 to 9: the means of all folds are those of all rows.
    assert found.mean == pytest.approx(4.5)
    assert [fold.best_step for fold in found.folds] == [1] * 5
    assert found.test_share == pytest.approx(0.25)
    assert found.standard_error == pytest.approx(found.spread * np.sqrt(1 / 5 + 0.25))
    assert "standard error, corrected" in found.summary()


def test_groups_stay_together_and_classes_are_spread():
    groups, labels = np.repeat(np.arange(6), 4), np.tile([0, 0, 0, 1], 6)
    seen = []

    def train(config):
        held = config["val_index"]
        assert not set(groups[held]) & set(groups[config["train_index"]])
        seen.append(labels[held].mean())
        return [1.0]

    crossval(train, {}, n=24, folds=3, labels=labels, groups=groups, **SERIAL)
    assert seen == [0.25] * 3


def test_a_fold_that_fails_is_told():
    def train(config):
        if config["fold"] == 1:
            raise RuntimeError("out of memory")
        return [1.0]

    found = crossval(train, {}, n=9, folds=3, **SERIAL)
    assert found.values == (1.0, None, 1.0)
    assert "fold 1: failed: RuntimeError: out of memory" in found.summary()


def test_folds_are_resumed(tmp_path):
    first = crossval(toys.fold, {}, n=10, run_dir=tmp_path, **SERIAL)
    assert crossval(None, {}, n=10, run_dir=tmp_path, **SERIAL) == first


def test_a_comparison_respects_the_correlation_of_folds():
    one = crossval(lambda c: [1.0 + 0.1 * c["fold"]], {}, n=20, folds=5, **SERIAL)
    other = crossval(lambda c: [0.98 + 0.1 * c["fold"] + 0.02 * (c["fold"] % 2)], {}, n=20, folds=5, **SERIAL)
    found = compare(one, other)
    # differences -0.02, 0, -0.02, 0, -0.02: mean -0.012, deviation 0.01095, error x sqrt(1/5 + 1/4) = 0.00735
    assert found.difference == pytest.approx(-0.012)
    assert found.standard_error == pytest.approx(0.010954 * np.sqrt(0.45), rel=1e-3)
    assert found.within_noise
    assert compare(one, other, compared=3).p == pytest.approx(min(1.0, 3 * found.p))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"folds": 1}, "folds must be between 2 and the 10"),
        ({"labels": [0, 1]}, "labels must have one value"),
        ({"groups": [0] * 10}, "groups must be at least as many"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UsageError, match=message):
        crossval(toys.fold, {}, n=10, **arguments, **SERIAL)


@pytest.mark.parametrize(("n", "expected"), [(1, 0.0), (2, 0.5642), (3, 0.8463), (10, 1.5388), (100, 2.5076)])
def test_the_best_of_n(n, expected):
    """Harter 1961, table of the expected values of normal order statistics."""
    assert expected_best(n) == pytest.approx(expected, abs=2e-4)


@settings(deadline=None, max_examples=20)
@given(st.integers(2, 40), st.integers(0, 1000))
def test_luck_is_what_pure_noise_brings(n, seed):
    ledger = Ledger()
    for i, value in enumerate(np.random.default_rng(seed).normal(size=n)):
        ledger.note(f"trial {i}", 1.0 + 0.01 * value)
        ledger.note(f"trial {i}", 0.0)  # the same again does not count
    luck = ledger.luck(0.01)
    assert luck.n == n
    assert luck.by_luck == pytest.approx(0.01 * expected_best(n))
    assert luck.share is None or 0.0 < luck.share <= 1.0


def test_the_ledger_is_kept_between_programs(tmp_path):
    first = Ledger(tmp_path, name="val-2024")
    first.note({"weight_decay": 1.0}, 0.5)
    again = Ledger(tmp_path, name="val-2024")
    again.note({"weight_decay": 1.0}, 0.5)
    again.note({}, 0.6)
    assert again.n == 2
    assert Ledger(tmp_path, name="another").n == 0
    assert "2 configurations" in str(again.luck(0.1))
    with pytest.raises(UsageError, match="noise must be"):
        again.luck(float("nan"))
