"""Long series: pools are means, a log taken in at once is a log taken in one by one, and what came before decides."""

import json
import math
from array import array

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import Monitor, judged_run, pooling
from overfit_monitor.analyzer import Analyzer
from overfit_monitor.columns import Column, Columns
from overfit_monitor.config import MonitorConfig
from overfit_monitor.facts import Facts
from overfit_monitor.history import Companion, Evaluation, History
from overfit_monitor.pooling import Pools
from overfit_monitor.records import Observation

SHORT = 16


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Judge several as one from the seventeenth evaluation on, so that short series show it."""
    monkeypatch.setattr(pooling, "MOST", SHORT)
    monkeypatch.setattr(judged_run, "MOST", SHORT)


def pooled(values):
    pools = Pools()
    for step, value in enumerate(values):
        if pools.full:
            pools.double()
        pools.add(Evaluation(step, value, value + 1.0))
    return pools


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 300))
def test_pools_are_means_of_equally_many_and_never_too_many(n):
    pools = pooled([float(i) for i in range(n)])
    size = pools.size
    assert len(pools) == n
    assert len(pools.closed) == n // size <= SHORT
    assert size == 1 or n > SHORT * size // 2
    expected = [size * at + (size - 1) / 2 for at in range(n // size)]
    assert [pool.evaluation.val for pool in pools.closed] == expected
    assert [pool.step for pool in pools.closed] == [size * at + size - 1 for at in range(n // size)]


def test_a_pool_by_hand():
    pools = Pools()
    pools.size = 4
    others = {"acc": Companion(0.5, math.nan)}
    for step, value, train, rate in [
        (0, 1.0, None, 0.1),
        (1, math.nan, 4.0, None),
        (2, 3.0, 2.0, 0.2),
        (3, 5.0, math.inf, None),
    ]:
        found = pools.add(Evaluation(step, value, train, rate, others=others if step == 2 else {}))
    assert found is not None
    evaluation = found.evaluation
    assert (evaluation.step, evaluation.val, evaluation.train, evaluation.learning_rate) == (3, 3.0, 3.0, 0.2)
    assert evaluation.others["acc"].val == 0.5
    assert math.isnan(evaluation.others["acc"].train)


def column(cells):
    values = array("d", [0.0 if cell is None else cell for cell in cells])
    return Column(values, bytearray(cell is not None for cell in cells))


@st.composite
def logs(draw):
    """A log of up to 120 rows with gaps, values that are no numbers, steps that go back, and metrics that come late."""
    random, n = np.random.default_rng(draw(st.integers(0, 1 << 30))), draw(st.integers(1, 120))
    odd, gaps, back = (draw(st.sampled_from([0.0, share])) for share in (0.05, 0.3, 0.03))
    names = draw(st.sampled_from([(), ("accuracy",), ("accuracy", "odd", "mse")]))

    def cells(start):
        values = 1.0 / (1 + np.arange(n) / 9) + 0.05 * random.normal(size=n)
        wild = random.random(n) < odd
        values[wild] = random.choice([math.nan, math.inf, -math.inf, 1e300], wild.sum())
        there = (random.random(n) >= gaps) & (np.arange(n) >= start)
        return [value if known else None for value, known in zip(values.tolist(), there, strict=True)]

    steps = np.cumsum(np.where(random.random(n) < back, random.integers(-40, 1, n), random.integers(1, 4, n)))
    val = [1.0, *cells(0)[1:]]
    return Columns(
        array("q", steps.tolist()),
        {"loss": column(cells(draw(st.sampled_from([0, 5, 30])))), "accuracy": column(cells(0))},
        {"loss": column(val)} | {name: column(cells(20 * at)) for at, name in enumerate(names)},
        column(cells(0)) if draw(st.booleans()) else None,
    )


SETTINGS = st.sampled_from(
    [{}, {"patience": 9}, {"stopping_threshold": -5.0}, {"min_delta": 0.5}, {"start_from_epoch": 60}]
)


@settings(max_examples=40, deadline=None)
@given(log=logs(), given_settings=SETTINGS, cuts=st.lists(st.integers(0, 120), max_size=2))
def test_at_once_in_parts_and_one_by_one_give_the_same_state(log, given_settings, cuts):
    config = MonitorConfig(metric="loss", **given_settings)
    streamed, whole, parts = Analyzer(config), Analyzer(config), Analyzer(config)
    for observation in log:
        streamed.update(observation)
    whole.replay(log)
    for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(log)], strict=True):
        parts.replay(_part(log, start, end))
    expected = repr(streamed.state_dict())
    assert repr(whole.state_dict()) == expected
    assert repr(parts.state_dict()) == expected
    assert repr(whole.diagnosis(Facts())) == repr(streamed.diagnosis(Facts())) == repr(parts.diagnosis(Facts()))


def test_a_metric_that_is_not_there_in_a_pool_is_not_in_its_state():
    """Found by the test above: taken in at once, such pools had an empty sum, and their metrics another order."""
    n, config = 4 * SHORT, MonitorConfig(metric="loss")
    sparse = [0.5 if at in {3, 40} else None for at in range(n)]
    dense = [0.25 if at % 5 else None for at in range(n)]
    val = {"loss": column([1.0 / (1 + at) for at in range(n)]), "accuracy": column(sparse), "mse": column(dense)}
    log = Columns(array("q", range(n)), {"accuracy": column(dense)}, val, None)
    streamed, whole = Analyzer(config), Analyzer(config)
    for observation in log:
        streamed.update(observation)
    whole.replay(log)
    assert whole.pool_size > 1
    assert repr(whole.state_dict()) == repr(streamed.state_dict())


def _part(log, start, end):
    def cut(found):
        return Column(found.values[start:end], found.known[start:end])

    train, val = ({name: cut(found) for name, found in side.items()} for side in (log.train, log.val))
    return Columns(log.steps[start:end], train, val, None if log.rate is None else cut(log.rate))


@settings(max_examples=15, deadline=None)
@given(log=logs(), half=st.integers(0, 120))
def test_it_goes_on_from_a_saved_state(log, half):
    config = MonitorConfig(metric="loss")
    whole, first, second = Analyzer(config), Analyzer(config), Analyzer(config)
    whole.replay(log)
    first.replay(_part(log, 0, half))
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    second.replay(_part(log, half, len(log)))
    assert repr(second.diagnosis(Facts())) == repr(whole.diagnosis(Facts()))


def curve(n, *, turn):
    return [1.0 / (1 + i / 10) + 0.005 * ((7 * i) % 5 - 2) + max(0.0, (i - turn) * 0.004) for i in range(n)]


def test_best_last_and_what_is_no_number_are_those_of_single_evaluations():
    values = curve(200, turn=100)
    values[77], values[150], values[-1] = 0.001, math.nan, 0.75
    monitor = Monitor(metric="loss", mode="min")
    found = monitor.replay([Observation(step=i, val={"loss": value}) for i, value in enumerate(values)])
    assert (found.best_step, found.best_value, found.last_value) == (77, 0.001, 0.75)
    seen = found.finding("non_finite")
    assert seen is not None
    assert (seen.evidence["evaluations"], seen.onset_step) == (1, 150)
    assert "the means of 16 each are judged" in found.notes[-1]


def test_three_evaluations_in_a_row_that_are_no_numbers_stop_at_once():
    values = [*curve(90, turn=10**6), math.nan, math.nan, math.nan]
    monitor = Monitor(metric="loss", mode="min")
    for step, value in enumerate(values):
        monitor.log(step=step, val={"loss": value})
        assert monitor.should_stop == (step == 92 or monitor.diagnosis.stop_step is not None)
    assert monitor.diagnosis.stop_step is not None
    assert monitor.diagnosis.stop_step <= 92


def test_patience_counts_single_evaluations():
    values = [*curve(64, turn=10**6), *[5.0] * 40]
    monitor = Monitor(metric="loss", mode="min", patience=20)
    monitor.replay([Observation(step=i, val={"loss": value}) for i, value in enumerate(values)])
    best = min(range(64), key=values.__getitem__)
    assert monitor.diagnosis.stop_step == best + 20


def test_a_restart_back_into_the_short_part_is_as_if_it_had_not_been():
    values = curve(120, turn=60)
    rows = [Observation(step=i, val={"loss": value}) for i, value in enumerate(values)]
    again = [Observation(step=i, val={"loss": 0.5 * values[i]}) for i in range(10, 14)]
    restarted, fresh = Monitor(metric="loss", mode="min"), Monitor(metric="loss", mode="min")
    found, expected = restarted.replay([*rows, *again]), fresh.replay([*rows[:10], *again])
    assert found.model_copy(update={"notes": ()}) == expected.model_copy(update={"notes": ()})


def test_an_alarm_that_stands_is_not_raised_again_when_the_run_is_judged_anew():
    class Kept:
        def __init__(self):
            self.alerts = []

        def write(self, report):
            self.alerts += [alert.id for alert in report.alerts]

        def close(self):
            pass

    sink = Kept()
    monitor = Monitor(sinks={"kept": sink}, metric="loss", mode="min", strict=True)
    raised, before = 0, "healthy"
    for step, value in enumerate(curve(300, turn=8)):
        diagnosis = monitor.log(step=step, train={"loss": 1.0 / (1 + step)}, val={"loss": value})
        raised += diagnosis.verdict == "overfitting" != before
        before = diagnosis.verdict
    assert raised > 0
    assert sink.alerts.count("overfitting") == raised


def test_a_history_extended_by_a_block_is_one_appended_to():
    log = Columns(
        array("q", range(40)),
        {"loss": column([None] * 5 + [0.5] * 35)},
        {"loss": column([float(i) for i in range(40)]), "acc": column([None, math.nan, 0.5, 0.25] * 10)},
        column([0.1, None] * 20),
    )
    one, other = Analyzer(MonitorConfig(metric="loss")), Analyzer(MonitorConfig(metric="loss"))
    one.history, other.history = History(capacity=30), History(capacity=30)
    for observation in log:
        one.update(observation)
    other.replay(log)
    assert repr(one.history.state_dict()) == repr(other.history.state_dict())
