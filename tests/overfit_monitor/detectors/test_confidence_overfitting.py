"""Over-confidence: the loss is up, and answers are as often right as before."""

import json

import pytest

from overfit_monitor.detectors import ConfidenceOverfitting
from overfit_monitor.facts import Facts, LossFacts
from overfit_monitor.records import Finding
from overfit_monitor.testing import curves

# The loss stands at 0.4 for ten evaluations and then rises by 0.02 at each; the step that the noise is measured by is
# the median of nine zeros and rising steps, and the level is at least 10 % up from step 20 on.
FLAT = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5] + [0.4] * 10
UP = FLAT + [0.4 + 0.02 * i for i in range(1, 31)]
LEARNED = [0.5, 0.55, 0.6, 0.65, 0.7, 0.75] + [0.8] * 10
GOOD = LEARNED + [0.8] * 30

CLASSIFIER = Facts(loss=LossFacts(name="CrossEntropyLoss", classification=True))
REGRESSION = Facts(loss=LossFacts(name="MSELoss", classification=False))


@pytest.mark.parametrize(
    ("val", "others", "found"),
    [
        pytest.param(UP, {"accuracy": GOOD}, True, id="loss up, accuracy the same"),
        pytest.param(
            UP, {"accuracy": LEARNED + [0.8 + 0.001 * i for i in range(30)]}, True, id="accuracy still better"
        ),
        pytest.param(UP, {"accuracy": LEARNED + [0.8 - 0.01 * i for i in range(30)]}, False, id="accuracy lost"),
        pytest.param(FLAT + [0.4] * 30, {"accuracy": GOOD}, False, id="loss stands"),
        pytest.param(FLAT + [0.43] * 30, {"accuracy": GOOD}, False, id="8 % worse: not worth a warning"),
        pytest.param(UP + [0.4] * 5, {"accuracy": [*GOOD, *[0.8] * 5]}, False, id="the loss comes back"),
        pytest.param(UP, {"psnr": GOOD}, None, id="a metric that counts no right answers"),
        pytest.param(UP, {"mae": GOOD}, None, id="another loss"),
        pytest.param(UP, {}, None, id="nothing beside"),
    ],
)
def test_table(joint, last, val, others, found):
    result = last(ConfidenceOverfitting(), joint(val, **others), CLASSIFIER)
    if found is None:
        assert result.reason == "it needs an accuracy-like metric beside a validation loss"
    else:
        assert isinstance(result, Finding) == found


def test_it_is_a_warning_that_tells_both_metrics_and_what_to_do(joint, last):
    result = last(ConfidenceOverfitting(), joint(UP, accuracy=GOOD), CLASSIFIER)
    assert (result.severity, result.evidence["metric_at_best"], result.evidence["metric_now"]) == ("warning", 0.8, 0.8)
    assert result.message.startswith("the validation loss is 140% worse than around step 8, and accuracy is not: 0.8")
    assert "Temperature scaling" in result.message
    assert result.onset_step == 18 <= result.alarm_step
    assert result.speaks_against == ()
    assert result.experiment


def test_facts_qualify(joint, last):
    stream = joint(UP, accuracy=GOOD)
    assert last(ConfidenceOverfitting(), stream, REGRESSION).reason == "the loss is known not to be one of a classifier"
    unknown = last(ConfidenceOverfitting(), stream)
    assert unknown.speaks_against == ("it is not known that the loss is one of a classifier",)
    smoothed = Facts(loss=LossFacts(name="CrossEntropyLoss", classification=True, label_smoothing=0.1))
    assert "smoothed by 0.1 already" in last(ConfidenceOverfitting(), stream, smoothed).speaks_against[0]


def test_what_counts_right_answers_is_preferred(joint, last):
    result = last(ConfidenceOverfitting(), joint(UP, auc=GOOD, f1=GOOD, top1=GOOD), CLASSIFIER)
    assert result.evidence["metric"] == "top1"


@pytest.mark.parametrize("make", [curves.plateau, curves.falling, curves.step_schedule])
@pytest.mark.parametrize("seed", range(5))
def test_silent_on_healthy_losses(joint, make, seed):
    curve, detector = make(100, seed=seed), ConfidenceOverfitting()
    for signal in joint(curve.val, curve.train, accuracy=[1.0 - 0.4 * v for v in curves.plateau(100, seed=seed).val]):
        detector.update(signal)
        assert not isinstance(detector.result(CLASSIFIER), Finding)


def test_it_goes_on_from_a_saved_state(joint, last):
    stream = joint(UP, accuracy=GOOD)
    first, second = ConfidenceOverfitting(), ConfidenceOverfitting()
    last(first, stream[:22])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert last(second, stream[22:]) == last(ConfidenceOverfitting(), stream)
