"""The facade: contract, replay equals streaming, restarts, bad input, harmlessness."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Monitor, MonitorWarning, Observation, UsageError, diagnose
from overfit_monitor.testing import curves

METRIC = st.floats(allow_nan=True, allow_infinity=True)


def stream(val, train=None, **settings):
    monitor = Monitor(**settings)
    for step, value in enumerate(val):
        known = {} if train is None else {"loss": train[step]}
        diagnosis = monitor.log(step=step, train=known, val={"loss": value})
    return diagnosis


@pytest.mark.parametrize("make", curves.CATALOGUE[:5])
@pytest.mark.parametrize("seed", range(3))
def test_verdicts_on_curves_with_known_truth(make, seed):
    curve = make(100, seed=seed)
    assert diagnose(train=curve.train, val=curve.val).verdict == curve.verdict


@given(val=st.lists(METRIC, min_size=1, max_size=60), seed=st.integers(0, 9))
def test_replay_equals_streaming(val, seed):
    train = curves.overfit(60, seed=seed).train[: len(val)]
    assert repr(diagnose(train=train, val=val)) == repr(stream(val, train))


@given(val=st.lists(METRIC, min_size=2, max_size=40), data=st.data())
def test_a_run_resumed_from_its_state_goes_on_as_before(val, data):
    cut = data.draw(st.integers(0, len(val) - 1))
    first, second = Monitor(), Monitor()
    for step in range(cut):
        first.log(step=step, val={"loss": val[step]})
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    for step in range(cut, len(val)):
        assert repr(second.log(step=step, val={"loss": val[step]})) == repr(
            first.log(step=step, val={"loss": val[step]})
        )
    assert (first.should_stop, first.best_step) == (second.should_stop, second.best_step)


@given(val=st.lists(METRIC, min_size=1, max_size=40), back=st.integers(0, 39))
def test_a_restart_forgets_what_came_after_it(val, back):
    back = min(back, len(val) - 1)
    monitor = Monitor()
    for step in [*range(len(val)), *range(back, len(val))]:
        diagnosis = monitor.log(step=step, val={"loss": val[step]})
    plain = stream(val)
    assert repr(diagnosis.model_copy(update={"notes": ()})) == repr(plain)
    assert len(diagnosis.notes) == 1


@pytest.mark.parametrize(
    ("steps", "note"),
    [
        ([0, 1, 1], "step 1 came twice; the later value counts."),
        ([0, 1, 2, 1], "the step went back from 2 to 1: taken as a restart, 2 evaluation(s) dropped."),
        ([5, -2], "the step went back from 5 to -2: taken as a restart, 1 evaluation(s) dropped."),
    ],
)
def test_a_step_twice_or_backwards_is_said(steps, note):
    assert diagnose_steps(steps).notes == (note,)


def diagnose_steps(steps):
    monitor = Monitor()
    for step in steps:
        diagnosis = monitor.log(step=step, val={"loss": 1.0})
    return diagnosis


def test_train_and_validation_may_come_in_calls_of_their_own():
    curve = curves.overfit(60)
    monitor = Monitor()
    for step in range(60):
        monitor.log(step=step, train={"loss": curve.train[step]})
        diagnosis = monitor.log(step=step, val={"loss": curve.val[step]})
    assert diagnosis == stream(curve.val, curve.train)


def test_a_max_metric_mirrors_a_min_metric():
    curve = curves.overfit(60)
    low = diagnose(train=curve.train, val=curve.val)
    high = diagnose(train=[-v for v in curve.train], val=[-v for v in curve.val], metric="accuracy", mode="max")
    assert (high.verdict, high.findings, high.best_step) == (low.verdict, low.findings, low.best_step)
    assert (high.metrics.val, high.metrics.mode) == ("accuracy", "max")


def test_the_contract_of_log():
    curve = curves.overfit(60)
    monitor = Monitor()
    for step in range(60):
        diagnosis = monitor.log(step=step, train={"loss": curve.train[step]}, val={"loss": curve.val[step]})
        if monitor.should_stop:
            break
    assert monitor.should_stop
    assert diagnosis.stop_step == step < 59
    assert diagnosis.best_step == monitor.best_step == min(range(step + 1), key=curve.val.__getitem__)
    monitor.close()


def test_without_validation_nothing_is_judged():
    monitor = Monitor()
    for step in range(20):
        diagnosis = monitor.log(step=step, train={"loss": 1.0})
    assert diagnosis.verdict == "inconclusive"
    assert {item.reason for item in diagnosis.not_judged if item.id == "overfitting"} == {
        "no validation metric was logged"
    }


def test_nan_never_improves_and_infinity_neither():
    diagnosis = diagnose(val=[1.0, math.nan, 0.9, -math.inf, 0.95])
    assert diagnosis.best_step == 2
    assert diagnosis.finding("non_finite").severity == "warning"
    assert diagnose(val=[1.0, 0.9, math.nan]).verdict == "diverging"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patience": -1}, "patience must be greater than or equal to 0 but got -1."),
        ({"patience": 2.5}, "patience must be .*integer.* but got 2.5."),
        ({"min_delta": math.nan}, "min_delta must be a finite number but got nan."),
        ({"mode": "low"}, "mode must be 'min', 'max'.* but got 'low'."),
        ({"baseline": 2.0}, r"^baseline must be given together with patience but got 2\.0 without it\.$"),
        ({"patence": 3}, "unknown parameter 'patence'. Did you mean 'patience'"),
    ],
)
def test_wrong_settings_fail_at_construction(settings, message):
    with pytest.raises(UsageError, match=message):
        Monitor(**settings)


def test_curves_of_different_lengths_are_refused():
    with pytest.raises(UsageError, match=r"train must have as many values as val \(3\) but has 2\."):
        diagnose(train=[1.0, 2.0], val=[1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("metrics", "settings", "message"),
    [
        ({"loss": "low"}, {}, "val metric 'loss' must be a number but got 'low'"),
        ({"los": 1.0}, {"metric": "loss"}, "unknown metric 'loss'. Did you mean 'los'"),
        ({"reward": 1.0}, {}, "mode must be 'min' or 'max' for metric 'reward'"),
    ],
)
def test_what_cannot_be_logged_costs_one_warning_and_training_goes_on(metrics, settings, message):
    monitor = Monitor(**settings)
    with pytest.warns(MonitorWarning, match=message) as told:
        for step in range(5):
            diagnosis = monitor.log(step=step, val=metrics)
    assert len(told) == 1
    assert diagnosis.verdict == "inconclusive"
    assert not monitor.should_stop
    with pytest.raises(UsageError, match=message):
        Monitor(strict=True, **settings).log(step=0, val=metrics)


class Collector:
    """A sink that keeps what it gets."""

    def __init__(self):
        self.reports = []

    def write(self, report):
        self.reports.append(report)

    def close(self):
        self.reports.append("closed")


class Broken(Collector):
    """A sink that always fails."""

    def write(self, report):
        raise RuntimeError("no route to host")


def test_a_sink_gets_every_report_and_each_alert_once():
    curve, sink = curves.overfit(100), Collector()
    with Monitor(sinks={"collector": sink}) as monitor:
        for step in range(100):
            monitor.log(step=step, train={"loss": curve.train[step]}, val={"loss": curve.val[step]})
    *reports, closed = sink.reports
    assert (len(reports), closed) == (100, "closed")
    assert [(r.observation.step, a.alarm_step) for r in reports for a in r.alerts if a.id == "overfitting"] == [
        (monitor.diagnosis.alarm_step, monitor.diagnosis.alarm_step)
    ]
    assert [r.observation.step for r in reports if r.stop] == [monitor.diagnosis.stop_step]
    assert reports[-1].gap == pytest.approx(curve.val[-1] - curve.train[-1])
    assert reports[-1].best == min(curve.val)


def test_a_sink_that_fails_is_switched_off_with_one_warning():
    good = Collector()
    monitor = Monitor(sinks={"broken": Broken(), "good": good})
    with pytest.warns(MonitorWarning, match="broken is off after RuntimeError: no route to host") as told:
        for step in range(5):
            monitor.log(step=step, val={"loss": 1.0})
    assert (len(told), len(good.reports)) == (1, 5)
    with pytest.raises(RuntimeError, match="no route"):
        Monitor(sinks={"broken": Broken()}, strict=True).log(step=0, val={"loss": 1.0})


def test_replay_takes_observations():
    curve = curves.overfit(60)
    observations = [
        Observation(step=i, train={"loss": t}, val={"loss": v})
        for i, (t, v) in enumerate(zip(curve.train, curve.val, strict=True))
    ]
    assert Monitor().replay(observations) == stream(curve.val, curve.train)


class BrokenEntryPoint:
    """An integration that is installed and cannot be imported."""

    name = "broken"

    def load(self):
        raise TypeError("Descriptors cannot be created directly")


def test_an_integration_that_cannot_be_loaded_costs_one_warning(tmp_path, monkeypatch):
    monkeypatch.setattr("overfit_monitor.sinks.registered", lambda _: (BrokenEntryPoint(),))
    with pytest.warns(MonitorWarning, match="broken is off after TypeError: Descriptors cannot") as told:
        monitor = Monitor(run_dir=tmp_path)
    assert len(told) == 1
    assert monitor.log(step=0, val={"loss": 1.0}).best_step == 0
    monitor.close()
