"""Stopping: tables a reader can check by hand, and properties."""

import math
import re
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Monitor
from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UsageError
from overfit_monitor.records import StopDecision
from overfit_monitor.stopping import CATALOGUE, EvidenceStopping, build_policy, parse_policy
from overfit_monitor.stopping.generalization_loss import GeneralizationLoss
from overfit_monitor.stopping.never import NeverStopping
from overfit_monitor.stopping.patience import PatienceStopping
from overfit_monitor.stopping.progress import Progress
from overfit_monitor.stopping.weights import WEIGHTS
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import signals
from overfit_monitor.testing.policy_checks import CHECKS

NAN = math.nan


def stop_step(policy, val, mode="min", train=None):
    for signal in signals(val, train, mode=mode):
        if policy.update(signal):
            return signal.step
    return None


def built(mode="min", **settings):
    return build_policy(MonitorConfig(**settings), mode)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CATALOGUE)
def test_every_policy_passes_the_common_checks(name, check):
    check(parse_policy(name))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(
    "settings",
    [{"min_delta": 0.01}, {"start_from_epoch": 20}, {"stopping_threshold": -1.0}, {"patience": 3, "min_delta": 0.01}],
    ids=str,
)
def test_wrapped_policies_pass_the_common_checks(settings, check):
    check(lambda: built(**settings))


class _Broken(NeverStopping):
    """Stops where ``wrong`` says so, from what it keeps for ever."""

    def __init__(self, wrong):
        super().__init__()
        self.wrong, self.state = wrong, _Kept()

    def update(self, signal, *, alarm=False):
        self.state.seen.append(signal.val)
        if not self.wrong(signal, self.state.seen):
            return None
        return StopDecision(rule="broken", step=signal.step, value=1.0, message="stopped.")


@dataclass
class _Kept:
    seen: list = field(default_factory=list)


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        (lambda signal, seen: len(seen) == 1, "at the first value"),
        (lambda signal, seen: len(seen) > 5 and signal.val <= signal.best, "a new best"),
        (lambda signal, seen: signal.mode == "max" and len(seen) > 60, "^(plateau|falling|step_schedule|overfit)$"),
        (lambda signal, seen: False, "grows with the run"),
        (lambda signal, seen: len(seen) - seen.index(min(seen)) > 10, "put the stop off|kept it from stopping"),
        (lambda signal, seen: signal.val > signal.best + 0.1, "does not say its limit"),
    ],
    ids=["at once", "at a best", "mode", "state", "minus infinity is a best", "limit"],
)
def test_the_common_checks_see_what_is_wrong(wrong, complaint):
    said = []
    for check in CHECKS:
        try:
            check(lambda: _Broken(wrong))
        except AssertionError as error:
            said.append(str(error))
    # Where the package is installed from its wheel, pytest adds lines of its own to what an assertion says.
    assert any(re.search(complaint, message, re.MULTILINE) for message in said)


@pytest.mark.parametrize(
    ("settings", "mode", "val", "step"),
    [
        ({"patience": 2}, "min", [3, 2, 1, 1, 1], 4),
        ({"patience": 2}, "min", [3, 2, 1, 1, 0.5, 1, 1], 6),
        ({"patience": 0}, "min", [3, 2, 2], 2),
        ({"patience": 2, "min_delta": 0.5}, "min", [3, 2.6, 2.5, 2.4, 2.3], 2),
        ({"patience": 1}, "max", [1, 2, 3, 3], 3),
        ({"patience": 2, "baseline": 1.0}, "min", [3, 2.9, 2.8, 2.7, 2.7], 4),
        ({"patience": 2, "baseline": 1.0}, "min", [0.9, 0.8, 0.7], None),
        ({"patience": 2, "baseline": 1.0}, "max", [0.5, 0.4, 0.3], 1),
        ({"patience": 2}, "min", [3, NAN, NAN, 2], 2),
        ({"patience": 2}, "min", [-1, -2, -3, -2, -2], 4),
        ({"patience": 3}, "min", [1, 2], None),
        ({"patience": 1, "start_from_epoch": 3}, "min", [1, 2, 3, 4, 5], 4),
    ],
)
def test_patience(settings, mode, val, step):
    assert stop_step(built(mode, **settings), val, mode) == step


@pytest.mark.parametrize(
    ("settings", "mode", "val", "step"),
    [
        ({"stopping_threshold": 0.5}, "min", [1, 0.6, 0.5, 0.4], 2),
        ({"stopping_threshold": 0.9}, "max", [0.5, 0.8, 0.91], 2),
        ({"stopping_threshold": -2.0}, "min", [0, -1, -2], 2),
        ({"stopping_threshold": 0.5}, "min", [1, NAN, -math.inf, 0.6], None),
        ({"stopping_threshold": 0.5, "start_from_epoch": 2}, "min", [1, 0.4, 0.6, 0.5], 3),
        ({"stopping_threshold": 0.5, "patience": 1}, "min", [1, 1, 0.4], 1),
        ({"stopping_threshold": 0.5, "patience": 2}, "min", [1, 1, 0.4], 2),
    ],
)
def test_stopping_threshold_goes_with_any_rule(settings, mode, val, step):
    assert stop_step(built(mode, **settings), val, mode) == step


@pytest.mark.parametrize(
    ("val", "step"),
    [
        pytest.param([1.0 - 0.01 * i for i in range(100)], None, id="falls to the end"),
        pytest.param([1.0, 0.9], None, id="too short for a noise scale"),
        pytest.param([1.0, NAN, NAN, NAN], 3, id="three in a row that are no numbers"),
        pytest.param([1.0, NAN, NAN, 1.0, NAN, NAN, 1.0], None, id="never three in a row"),
    ],
)
def test_evidence(val, step):
    assert stop_step(EvidenceStopping(), val) == step


def test_evidence_needs_less_while_the_overfitting_alarm_stands():
    stream = signals(curves.overfit(100).val)
    steps = []
    for alarm in (True, False):
        policy = EvidenceStopping()
        steps.append(next(signal.step for signal in stream if policy.update(signal, alarm=alarm)))
    assert steps[0] < steps[1]


def test_evidence_waits_while_the_learning_rate_is_still_to_fall_and_not_where_it_has_fallen():
    curve = curves.plateau(400)
    schedules = {
        "unknown": [None] * 400,
        "constant": [0.1] * 400,
        "a slow cosine": [0.5 + 0.5 * math.cos(math.pi * i / 4000) for i in range(400)],
        "dropped at 60": [1.0 if i < 60 else 0.1 for i in range(400)],
    }
    stops = {}
    for name, schedule in schedules.items():
        stream = signals(curve.val, curve.train)
        policy = EvidenceStopping()
        known = (signal._replace(learning_rate=rate) for signal, rate in zip(stream, schedule, strict=True))
        stops[name] = next((signal.step for signal in known if policy.update(signal)), 400)
    assert stops["dropped at 60"] < stops["unknown"] == stops["constant"] < stops["a slow cosine"]


def test_evidence_never_stops_where_the_learning_rate_has_just_risen():
    curve = curves.overfit(100)
    rising = [s._replace(learning_rate=0.001 * (1 + s.step)) for s in signals(curve.val)]
    policy = EvidenceStopping()
    assert not any(policy.update(signal) for signal in rising)


@pytest.mark.parametrize(
    ("settings", "step"),
    [
        pytest.param({}, None, id="every value is a new best"),
        # From 0.49 at step 51 on nothing is better by 0.5; the 165th evaluation after it is beyond 60 + 2 x 52.
        pytest.param({"min_delta": 0.5}, 51 + 165, id="only the first and one other are"),
    ],
)
def test_min_delta_with_evidence_takes_a_crawl_for_a_standstill(settings, step):
    crawl = [1.0 - 0.01 * i for i in range(51)] + [0.49 - 1e-4 * i for i in range(300)]
    assert stop_step(built(**settings), crawl) == step


def test_evidence_ends_a_standstill():
    # The best is the first of all evaluations: the first evaluation beyond 60 + 2 x 1 is the 63rd after it.
    assert stop_step(built(), [0.5] * 100) == 63


def test_baseline_without_patience_is_refused_in_one_line():
    with pytest.raises(UsageError, match=r"^baseline must be given together with patience but got 0\.5 without it\.$"):
        Monitor(baseline=0.5)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("patiense:3", "Did you mean 'patience'"),
        ("patience:x", "takes a number but got 'x'"),
        ("patience:2.5", "takes a whole number of at least 0 but got 2.5"),
        ("gl:0", "takes a number above 0 but got 0"),
        ("up:0", "at least 1"),
        ("never:3", "takes no value"),
    ],
)
def test_a_policy_that_cannot_be_right_is_refused_in_one_line(text, message):
    with pytest.raises(UsageError) as raised:
        parse_policy(text)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "val", "train", "step"),
    [
        ("gl:5", [1, 0.5, 0.52, 0.53], None, 3),
        ("gl:5", [-1, -2, -1.95, -1.8], None, 3),
        ("up:2", [5, 4, 3, 2, 1, 5, 5, 5, 5, 2, 5, 5, 5, 5, 3], None, 14),
        ("up:2", [5, 4, 3, 2, 1, 5, 5, 5, 5, 2, 5, 5, 5, 5, 2], None, None),
        # At step 4 the train strip 1.0 to 0.96 has a mean of 0.98: 1000 (0.98 / 0.96 - 1) = 20.8; GL is 100: 4.8.
        ("pq:4", [1, 0.5, 0.6, 0.7, 1.0], [1.0, 0.99, 0.98, 0.97, 0.96], 4),
        ("pq:5", [1, 0.5, 0.6, 0.7, 1.0], [1.0, 0.99, 0.98, 0.97, 0.96], None),
        ("pq:1", [1, 0.5, 0.6, 0.7, 1.0], None, None),
        ("never", [1, 2, 3, 4], None, None),
    ],
)
def test_prechelts_rules(name, val, train, step):
    assert stop_step(parse_policy(name)(), val, train=train) == step


@given(
    val=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    patience=st.integers(0, 10),
    min_delta=st.floats(0, 10),
)
def test_patience_never_stops_earlier_than_it_says(val, patience, min_delta):
    step = stop_step(PatienceStopping(patience=patience, min_delta=min_delta), val)
    assert step is None or step + 1 >= patience


@given(seed=st.integers(0, 10_000))
def test_evidence_stops_an_overfitting_run_but_never_at_a_best(seed):
    curve = curves.overfit(100, seed=seed)
    step = stop_step(EvidenceStopping(), curve.val)
    assert step is not None
    assert curve.val[step] > min(curve.val[: step + 1])


@given(
    val=st.lists(st.floats(-1e12, 1e12), min_size=6, max_size=40),
    train=st.lists(st.floats(-1e12, 1e12), min_size=40, max_size=40),
    rates=st.lists(st.one_of(st.none(), st.floats(-1.0, 10.0)), min_size=40, max_size=40),
)
def test_every_figure_of_progress_is_finite_and_has_a_weight(val, train, rates):
    progress = Progress()
    for signal in signals(val, train[: len(val)]):
        figures = progress.update(signal._replace(learning_rate=rates[signal.step]))
        if figures is not None:
            assert figures.keys() == WEIGHTS.keys()
            assert all(map(math.isfinite, figures.values())), figures


@pytest.mark.parametrize("name", CATALOGUE)
@given(
    val=st.lists(st.floats(), max_size=40),
    train=st.lists(st.floats(), min_size=40, max_size=40),
    rate=st.floats(),
    alarm=st.booleans(),
)
def test_any_numbers_break_no_policy_and_its_value_is_finite(name, val, train, rate, alarm):
    policy = parse_policy(name)()
    for signal in signals(val, train[: len(val)]):
        decision = policy.update(signal._replace(learning_rate=rate), alarm=alarm)
        assert decision is None or math.isfinite(decision.value)


@given(scale=st.sampled_from([1e-6, 1.0, 1e6]), seed=st.integers(0, 100))
def test_evidence_does_not_depend_on_the_unit_of_the_metric(scale, seed):
    curve = curves.overfit(80, seed=seed)
    plain = stop_step(EvidenceStopping(), curve.val, train=curve.train)
    scaled = stop_step(EvidenceStopping(), [scale * v for v in curve.val], train=[scale * v for v in curve.train])
    assert scaled == plain


def test_every_decision_states_rule_metric_step_value_limit_and_what_would_have_changed_it():
    policy = PatienceStopping(patience=1)
    decision = [policy.update(signal) for signal in signals([1.0, 1.0])][-1]
    assert (decision.rule, decision.step, decision.value, decision.limit) == ("patience", 1, 1.0, 1.0)
    assert "would have started the count anew" in decision.message
    rising = GeneralizationLoss(percent=5.0)
    decision = [rising.update(signal) for signal in signals([0.5, 0.8, 0.4], mode="max")][-1]
    assert (decision.rule, decision.step, decision.limit) == ("gl", 2, 5.0)
    assert decision.value == pytest.approx(50.0)


def test_the_monitor_names_the_metric_and_keeps_the_decision(tmp_path):
    monitor = Monitor(run_dir=tmp_path, sinks={}, patience=1, metric="accuracy")
    for step, value in enumerate([0.5, 0.9, 0.8, 0.95]):
        monitor.log(step=step, val={"accuracy": value})
    restored = Monitor(patience=1, metric="accuracy")
    restored.load_state_dict(monitor.state_dict())
    monitor.close()
    assert restored.should_stop
    assert restored.diagnosis.stop_step == 2
    assert restored.state_dict()["stop"]["metric"] == "accuracy"
