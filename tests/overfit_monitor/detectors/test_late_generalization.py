"""Grokking: validation comes long after train."""

import pytest

from overfit_monitor.detectors import LateGeneralization
from overfit_monitor.records import Finding
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import results, signals

# Train gains 2.0 in five evaluations and stays; validation is 2.5 behind and falls to 0.1 in ten.
TRAIN = [2.0, 1.5, 1.0, 0.5] + [0.0] * 80
POOR = [2.0, 2.1, 2.2, 2.3]
LATE = [2.5 - 0.25 * i for i in range(1, 10)] + [0.1] * 20


@pytest.mark.parametrize(
    ("val", "train", "found"),
    [
        pytest.param(POOR + [2.5] * 40 + LATE, TRAIN, True, id="forty evaluations of nothing, then all"),
        pytest.param(POOR + [2.5] * 10 + LATE, TRAIN, False, id="ten are not long"),
        pytest.param(POOR + [2.5] * 60, TRAIN, False, id="it never comes"),
        pytest.param(POOR + [2.5] * 40 + [1.4] * 20, TRAIN, False, id="it comes half-way"),
        pytest.param([2.0, 1.5, 1.0, 0.6] + [0.3] * 40 + [0.05] * 20, TRAIN, False, id="it was never poor"),
        pytest.param([0.2] * 4 + [2.5] * 40 + LATE, TRAIN, False, id="back to what it was: a double descent"),
        pytest.param(POOR + [2.5] * 40 + LATE, [2.0] * 40 + [0.0] * 44, False, id="train came late as well"),
        pytest.param(POOR + [2.5] * 40 + LATE, None, None, id="without train"),
    ],
)
def test_table(val, train, found):
    result = results(LateGeneralization(), signals(val, train and train[: len(val)]))[-1]
    if found is None:
        assert result.reason == "it needs more than 20 evaluations with both splits and has 0"
    else:
        assert isinstance(result, Finding) == found


def test_it_is_an_info_that_tells_the_wait():
    val = POOR + [2.5] * 40 + LATE
    result = results(LateGeneralization(), signals(val, TRAIN[: len(val)]))[-1]
    assert result.severity == "info"
    assert result.evidence["best_before"] == 2.0
    assert result.evidence["floor"] == 0.0
    # Validation falls from step 44 on; its median of five is below 0.5, a quarter of what train gained, at step 54.
    assert (result.onset_step, result.alarm_step) == (6, 54)
    assert "grokking" in result.message
    assert result.speaks_against[0].startswith("the learning rate is not known")


def test_an_accuracy_is_judged_the_same():
    val = [1.0 - 0.3 * v for v in POOR + [2.5] * 40 + LATE]
    train = [1.0 - 0.3 * v for v in TRAIN[: len(val)]]
    assert isinstance(results(LateGeneralization(), signals(val, train, mode="max"))[-1], Finding)


@pytest.mark.parametrize("make", curves.CATALOGUE[:5])
@pytest.mark.parametrize("seed", range(5))
def test_ordinary_curves_are_not_called_so(make, seed):
    curve = make(100, seed=seed)
    assert not [r for r in results(LateGeneralization(), signals(curve.val, curve.train)) if isinstance(r, Finding)]
