"""Metrics that part: one gets worse under the cover of the one that is compared."""

import json

import pytest

from overfit_monitor.detectors import MetricDisagreement
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding

TOTAL = [1.0 - 0.01 * i for i in range(50)]
FLAT = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5] + [0.4] * 10
UP = FLAT + [0.4 + 0.02 * i for i in range(1, 35)]
STAYS = FLAT + [0.4] * 34
TRAIN = [1.0 - 0.02 * i for i in range(50)]


@pytest.mark.parametrize(
    ("val", "others", "named"),
    [
        pytest.param(TOTAL, {"head_a_loss": (UP, TRAIN)}, "head_a_loss", id="a head overfits under a falling total"),
        pytest.param(TOTAL, {"head_a_loss": UP}, "head_a_loss", id="its train value is not known"),
        pytest.param(TOTAL, {"head_a_loss": STAYS}, None, id="no head is worse"),
        pytest.param(TOTAL, {"a_loss": UP, "b_loss": UP, "c_loss": STAYS}, "a_loss, b_loss", id="two of three"),
        pytest.param(UP, {"head_a_loss": UP}, None, id="the compared one is worse itself"),
        pytest.param(TOTAL, {"kl_loss": (UP, UP)}, None, id="worse on train as well: a trade-off"),
        pytest.param(TOTAL, {"accuracy": [1.0 - v for v in UP]}, "accuracy", id="an accuracy that falls"),
        pytest.param(TOTAL, {"accuracy": UP}, None, id="an accuracy that rises"),
        pytest.param(TOTAL, {"head_a_loss": FLAT + [0.43] * 34}, None, id="8 % worse: not worth a warning"),
        pytest.param(TOTAL, {"head_a_loss": UP[:40] + [0.4] * 10}, None, id="it comes back"),
    ],
)
def test_table(joint, last, val, others, named):
    result = last(MetricDisagreement(), joint(val, **others))
    assert (result and result.evidence["metrics"]) == named


def test_the_warning_tells_values_in_the_metric_s_own_units(joint, last):
    result = last(MetricDisagreement(), joint(TOTAL, accuracy=[1.0 - v for v in UP]))
    assert (result.severity, result.onset_step) == ("warning", 18)
    assert result.speaks_for[0].startswith("accuracy went from 0.6 at step 8 to -0.04")
    assert result.speaks_against == (
        "the train value of accuracy is not known, so it may be a trade-off and not overfitting",
    )
    assert "checkpoint of step 8" in result.experiment


def test_an_accuracy_on_forty_examples_may_jump(joint):
    # One example weighs 0.025; the accuracy stands still (its noise is 0) and then six more answers are wrong.
    accuracy = [0.9] * 20 + [0.9, 0.9, 0.875, 0.9, 0.9, 0.875, 0.9, 0.9, 0.9, 0.9] + [0.75] * 20
    assert _warned(joint(TOTAL, accuracy=accuracy)) is False
    # The same fall where one example weighs 0.0001 is no chance.
    assert _warned(joint(TOTAL, accuracy=[0.9, 0.9001, *accuracy[2:]])) is True


def _warned(stream):
    detector, warned = MetricDisagreement(), False
    for signal in stream:
        detector.update(signal)
        warned |= isinstance(detector.result(Facts()), Finding)
    return warned


def test_one_metric_is_nothing_to_compare(joint, last):
    assert last(MetricDisagreement(), joint(TOTAL)).reason == "it needs 8 evaluations of two metrics and has 0"


def test_no_more_than_sixteen_are_followed(joint, last):
    detector = MetricDisagreement()
    last(detector, joint(TOTAL, **{f"h{i}_loss": UP for i in range(20)}))
    assert len(detector.state_dict()["levels"]) == 16


def test_it_goes_on_from_a_saved_state(joint, last):
    stream = joint(TOTAL, head_a_loss=(UP, TRAIN), accuracy=TRAIN)
    first, second = MetricDisagreement(), MetricDisagreement()
    last(first, stream[:22])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert last(second, stream[22:]) == last(MetricDisagreement(), stream)
