"""Overfitting: curves small enough to check by hand, and curves with known truth."""

import pytest

from overfit_monitor.detectors import Overfitting
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import results, signals

FALL = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]
LEARNING = [1.0 - 0.01 * i for i in range(100)]

# validation, train, onset step, alarm step. Validation stands at its best of 0.2 from step 8 to 12, so that 12 is the
# likeliest onset; the level is the median of the last three values and sees the rise from step 14 on. Of a curve that
# stands still the noise is its floor, so that the statistic is beyond every limit at once.
TABLE = [
    pytest.param(FALL + [0.2] * 20, LEARNING, None, None, id="falls and stays: no alarm"),
    pytest.param(FALL + [0.2] * 5 + [0.8] * 10, LEARNING, 12, 14, id="four times as bad, and stays there"),
    pytest.param(FALL + [0.2] * 5 + [0.21] * 10, LEARNING, None, None, id="5 % worse: not worth an alarm"),
    pytest.param(FALL + [0.2] * 5 + [0.9] + [0.2] * 9, LEARNING, None, None, id="one spike"),
    pytest.param(FALL + [0.2] * 5 + [0.8] * 10, [1.0] * 13 + [2.0] * 10, None, None, id="train got worse as well"),
    pytest.param(FALL + [0.2] * 5 + [0.8] * 10, None, 12, 14, id="without train"),
    pytest.param(FALL + [0.2] * 5 + [0.8] * 10 + [0.15] * 5, LEARNING, None, None, id="a new best ends it"),
    pytest.param([v - 5.0 for v in FALL + [0.2] * 5 + [1.2] * 10], LEARNING, 12, 14, id="negative losses"),
]


@pytest.mark.parametrize(("val", "train", "onset", "alarm"), TABLE)
def test_table(val, train, onset, alarm):
    result = results(Overfitting(), signals(val, train))[-1]
    assert (result and result.onset_step, result and result.alarm_step) == (onset, alarm)


def test_too_few_points_are_not_judged():
    result = results(Overfitting(), signals([1.0] * 5))[-1]
    assert result == NotJudged(id="overfitting", reason="it needs at least 6 finite validation values and has 5")


@pytest.mark.parametrize("seed", range(10))
def test_a_clear_rise_is_found_after_its_onset_and_with_its_size(seed):
    curve = curves.overfit(100, seed=seed)
    found = results(Overfitting(), signals(curve.val, curve.train))
    alarm = next(i for i, result in enumerate(found) if isinstance(result, Finding))
    assert curve.onset_step < alarm <= curve.onset_step + 30
    assert found[-1].evidence["rise_relative"] == pytest.approx(0.5, abs=0.15)
    assert found[-1].evidence["train_change"] < 0.0
    first, last = found[-1].onset_range
    assert first <= found[-1].onset_step <= last
    assert abs(found[-1].onset_step - curve.onset_step) <= 15


@pytest.mark.parametrize("make", [curves.plateau, curves.falling, curves.step_schedule, curves.diverging])
@pytest.mark.parametrize("seed", range(5))
def test_what_is_no_overfitting_is_not_called_so(make, seed):
    curve = make(100, seed=seed)
    assert not [r for r in results(Overfitting(), signals(curve.val, curve.train)) if isinstance(r, Finding)]


def test_the_message_names_rise_best_step_and_onset():
    val = FALL + [0.2] * 5 + [0.8] * 10
    message = results(Overfitting(), signals(val, LEARNING))[-1].message
    assert message.startswith("validation is 0.6 (300%) worse than its best around step 12, and has been rising since.")


# A cosine schedule with a warm restart at step 13: what follows is a phase of its own.
RATES = [1.0 - 0.07 * i for i in range(13)] + [1.0 - 0.07 * i for i in range(20)]


@pytest.mark.parametrize(
    ("after", "verdict"),
    [
        pytest.param([0.8] * 10, None, id="worse after the restart, and stays there"),
        pytest.param([0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2], None, id="worse, and comes back"),
        pytest.param([0.8, 0.6, 0.4, 0.3, 0.3, 0.3] + [0.9] * 10, "overfitting", id="rises within the new phase"),
    ],
)
def test_a_warm_restart_begins_a_new_phase(after, verdict):
    val = FALL + [0.2] * 5 + after
    stream = [signal._replace(learning_rate=RATES[signal.step]) for signal in signals(val, LEARNING)]
    result = results(Overfitting(), stream)[-1]
    assert (result.id if isinstance(result, Finding) else None) == verdict


def test_a_smaller_false_alarm_rate_asks_for_more():
    limits = [Overfitting(false_alarm_rate=rate).limit for rate in (0.01, 0.03, 0.05, 0.1, 0.2)]
    assert limits == sorted(limits, reverse=True)
    assert len(set(limits)) == len(limits)
