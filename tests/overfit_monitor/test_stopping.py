"""Stopping: tables a reader can check by hand, and properties."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor.config import MonitorConfig
from overfit_monitor.stopping import EvidenceStopping, PatienceStopping, build_policy
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import signals

NAN = math.nan


def stop_step(policy, val, mode="min"):
    for signal in signals(val, mode=mode):
        if policy.update(signal):
            return signal.step
    return None


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
    ],
)
def test_patience(settings, mode, val, step):
    assert stop_step(build_policy(MonitorConfig(**settings), mode), val, mode) == step


@pytest.mark.parametrize(
    ("val", "step"),
    [
        pytest.param([1.0 - 0.01 * i for i in range(100)], None, id="falls to the end"),
        pytest.param([1.0, 0.9, 1.0, 0.9, 1.0, 0.9] * 20, None, id="comes back to its best again and again"),
        pytest.param(
            [1.0, 0.9, 0.8, 0.7, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.4],
            None,
            id="turns and rises, without an alarm",
        ),
        pytest.param([1.0, NAN, NAN, NAN], 3, id="three in a row that are no numbers"),
        pytest.param([1.0, NAN, NAN, 1.0, NAN, NAN, 1.0], None, id="never three in a row"),
    ],
)
def test_evidence(val, step):
    assert stop_step(EvidenceStopping(), val) == step


@pytest.mark.parametrize(("alarm", "step"), [(True, 11), (False, 20)])
def test_evidence_needs_less_while_the_overfitting_alarm_stands(alarm, step):
    # The noise is 0.1 / 0.954 from step 4 on, and the j-th step up adds 0.954 j - 0.5: the sum is 17.0 after six of
    # them and 23.2 after seven (step 11), 107.0 after fifteen and 121.8 after sixteen (step 20).
    val = [1.0 - 0.1 * i for i in range(5)] + [0.6 + 0.1 * j for j in range(1, 18)]
    policy = EvidenceStopping()
    assert next(signal.step for signal in signals(val) if policy.update(signal, alarm=alarm)) == step


@given(
    val=st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=60),
    patience=st.integers(0, 10),
    min_delta=st.floats(0, 10),
)
def test_patience_never_stops_earlier_than_it_says(val, patience, min_delta):
    step = stop_step(PatienceStopping(patience=patience, min_delta=min_delta), val)
    assert step is None or step + 1 >= patience


@given(seed=st.integers(0, 10_000))
def test_evidence_never_stops_at_a_best(seed):
    curve = curves.overfit(100, seed=seed)
    step = stop_step(EvidenceStopping(), curve.val)
    assert step is not None
    assert curve.val[step] > min(curve.val[: step + 1])


def test_every_decision_states_rule_step_value_and_what_would_have_changed_it():
    policy = PatienceStopping(patience=1)
    decision = [policy.update(signal) for signal in signals([1.0, 1.0])][-1]
    assert (decision.rule, decision.step, decision.value) == ("patience", 1, 1.0)
    assert "would have started the count anew" in decision.message
