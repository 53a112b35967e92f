"""Double descent: validation rises and comes back down while train goes on."""

import pytest

from overfit_monitor.detectors import DoubleDescent
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import results, signals

FALL = [1.0, 0.8, 0.6] + [0.4] * 10
RISE = [0.4 + 0.02 * i for i in range(1, 21)]
HALF = [0.8 - 0.02 * i for i in range(1, 15)]
BACK = [0.8 - 0.02 * i for i in range(1, 24)] + [0.34] * 6
LEARNING = [1.0 - 0.005 * i for i in range(100)]


def of(val, train=LEARNING):
    return results(DoubleDescent(), signals(val, None if train is None else train[: len(val)]))[-1]


@pytest.mark.parametrize(
    ("val", "train", "full"),
    [
        pytest.param(FALL + RISE + BACK, LEARNING, True, id="up and below the former best"),
        pytest.param(FALL + RISE + HALF, LEARNING, False, id="half of the way back"),
        pytest.param(FALL + RISE + BACK, None, True, id="without train"),
        pytest.param(FALL + RISE, LEARNING, None, id="up only: overfitting so far"),
        pytest.param(FALL + RISE + HALF[:6], LEARNING, None, id="a quarter of the way back"),
        pytest.param(FALL + RISE + HALF + RISE, LEARNING, None, id="and up again"),
        pytest.param(FALL + [0.4] * 40, LEARNING, None, id="never up"),
        pytest.param(FALL + [0.9] + [0.4] * 20, LEARNING, None, id="one spike"),
        pytest.param(FALL + RISE + BACK, (FALL + RISE + BACK), None, id="train rose as well: instability"),
        pytest.param(FALL + RISE + BACK, [0.4] * 70, None, id="train stands"),
    ],
)
def test_table(val, train, full):
    result = of(val, train)
    assert (isinstance(result, Finding) and ("former best by" in result.message)) == bool(full)
    assert isinstance(result, Finding) == (full is not None)


def test_it_is_an_info_about_the_peak():
    result = of(FALL + RISE + BACK)
    assert result.severity == "info"
    # The highest value is 0.8, at step 32, between two of 0.78: at step 33 the median of five is 0.78.
    assert (result.evidence["former_best"], result.evidence["peak_step"]) == (0.4, 33)
    assert result.evidence["peak"] == pytest.approx(0.78)
    assert "epoch-wise double descent" in result.message
    assert result.onset_step == 15 < result.alarm_step
    assert result.speaks_against == (
        "the learning rate is not known: a drop of it would bring validation down as well",
    )


def test_a_learning_rate_drop_speaks_against_it(joint, last):
    val = FALL + RISE + BACK
    rates = [0.1] * 36 + [0.01] * (len(val) - 36)
    result = last(DoubleDescent(), joint(val, LEARNING[: len(val)], rates=rates))
    assert result.speaks_against == ("the learning rate went from 0.1 to 0.01 since the peak",)


def test_too_few_are_not_judged():
    assert isinstance(results(DoubleDescent(), signals([1.0] * 7))[-1], NotJudged)


@pytest.mark.parametrize("make", [curves.plateau, curves.falling, curves.step_schedule, curves.overfit])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_none_is_not_called_so(make, seed):
    curve = make(100, seed=seed)
    assert not [r for r in results(DoubleDescent(), signals(curve.val, curve.train)) if isinstance(r, Finding)]
