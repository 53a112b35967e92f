"""Evaluations judged together are evaluations judged one after another, whatever is among them."""

import math
from array import array
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import detectors
from overfit_monitor.analyzer import Analyzer
from overfit_monitor.columns import Column, Columns
from overfit_monitor.config import MonitorConfig
from overfit_monitor.detectors import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.history import Companion, Evaluation, History
from overfit_monitor.records import Finding, Observation, Sampling
from overfit_monitor.rows import Known, Rows, rows_of_columns, rows_of_evaluations
from overfit_monitor.signals import Signals
from overfit_monitor.state import NoState
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.level import Level, SharedLevel
from overfit_monitor.stats.noise import StepNoise
from overfit_monitor.stats.rising_curve import RisingCurve

NOTHING = Facts()
SHAPES = {
    "falling": lambda t, _: 1.0 / (1.0 + t / 12.0),
    "flat": lambda t, _: np.full(len(t), 0.5),
    "rising": lambda t, n: 1.0 / (1.0 + t / 8.0) + 0.01 * np.maximum(0.0, t - n // 3),
    "there and back": lambda t, n: 0.3 + np.abs(t - n // 4) / n - 0.9 * np.maximum(0.0, t - n // 2) / n,
    "schedule": lambda t, n: np.where(t < n // 2, 0.8, 0.4),
    "late": lambda t, n: np.where(t < n // 2, 2.0, 0.2),
    "at zero": lambda t, _: 1.0 / (1.0 + t) ** 3,
    "below zero": lambda t, _: 1.0 - 0.05 * t,
}


def column(cells):
    values = array("d", [0.0 if cell is None else cell for cell in cells])
    return Column(values, bytearray(cell is not None for cell in cells))


def parted(log, end):
    """Return the first rows of a log, and those after them."""

    def cut(found, part):
        return Column(found.values[part], found.known[part])

    return [
        Columns(
            log.steps[part],
            {name: cut(found, part) for name, found in log.train.items()},
            {name: cut(found, part) for name, found in log.val.items()},
            None if log.rate is None else cut(log.rate, part),
        )
        for part in (slice(0, end), slice(end, None))
    ]


@st.composite
def logs(draw):
    """A log with spikes, coarse values, gaps, odd values, restarts and other metrics, each of them now and then."""
    random, n = np.random.default_rng(draw(st.integers(0, 1 << 30))), draw(st.sampled_from([3, 30, 90, 150, 300]))
    t, noise = np.arange(n), draw(st.sampled_from([0.0, 0.004, 0.03, 0.2]))
    scale = draw(st.sampled_from([1.0, 1.0, 1e-3, 1e6, -1.0]))
    odd, gaps, spikes = (draw(st.sampled_from([0.0, 0.0, share])) for share in (0.02, 0.1, 0.05))
    digits = draw(st.sampled_from([15, 15, 2, 1]))

    def cells(shape):
        values = scale * (SHAPES[shape](t, n) + noise * random.normal(size=n))
        values[random.random(n) < spikes] *= 9.0
        values = values.round(digits)
        values[random.random(n) < odd] = random.choice([math.nan, math.inf, -math.inf, 1e300, 0.0])
        there = random.random(n) >= gaps
        there[0] = True
        return column([value if known else None for value, known in zip(values.tolist(), there, strict=True)])

    shapes = st.sampled_from(sorted(SHAPES))
    back = np.where(random.random(n) < draw(st.sampled_from([0.0, 0.0, 0.02])), -20, 1)
    rate = draw(st.sampled_from([None, None, 0.1 / (1 + t // 25), 0.1 * (1 + np.cos(t / 9.0))]))
    names = draw(st.sampled_from([(), (), ("accuracy",), ("accuracy", "head_loss"), ("reward",)]))
    val = {name: cells(draw(shapes)) for name in ("loss", *names)}
    train = {name: cells(draw(shapes)) for name in draw(st.sampled_from([("loss",), ("loss", "accuracy"), ()]))}
    return Columns(array("q", np.cumsum(back).tolist()), train, val, None if rate is None else column(rate.tolist()))


SETTINGS = st.sampled_from(
    [{}, {"patience": 9}, {"stopping_threshold": 0.3}, {"min_delta": 0.05}, {"start_from_epoch": 60}, {"mode": "max"}]
)


@settings(max_examples=50, deadline=None)
@given(log=logs(), given_settings=SETTINGS, cut=st.integers(0, 300))
def test_together_and_one_by_one_give_the_same_state_and_the_same_words(log, given_settings, cut):
    config = MonitorConfig(metric="loss", **given_settings)
    streamed, together = Analyzer(config), Analyzer(config)
    for observation in log:
        streamed.update(observation)
    for part in parted(log, cut):
        together.replay(part)
    assert repr(together.state_dict()) == repr(streamed.state_dict())
    assert repr(together.diagnosis(NOTHING)) == repr(streamed.diagnosis(NOTHING))


def test_a_detector_without_a_short_cut_sees_every_evaluation_in_its_order(monkeypatch):
    class Watcher(Detector):
        id: ClassVar[str] = "watcher"

        def __init__(self, levels=None):
            self.state = NoState()
            self.seen = []
            self._level = levels.val if levels else Level()

        @classmethod
        def build(cls, levels):
            return cls(levels)

        def update(self, signal):
            self._level.update(signal.step, signal.val)
            self.seen.append((signal, self._level.level))

        def result(self, facts):
            return Finding(id=self.id, severity="info", message=f"{len(self.seen)} evaluations")

    class Second(Watcher):
        id: ClassVar[str] = "second"

    monkeypatch.setattr(detectors, "CATALOGUE", (Watcher, *detectors.CATALOGUE, Second))
    values = [1.0 / (1 + i) + 0.01 * (i % 3) for i in range(50)]
    log = Columns(array("q", range(50)), {"loss": column(values)}, {"loss": column(values), "accuracy": column(values)})
    streamed, together = Analyzer(MonitorConfig()), Analyzer(MonitorConfig())
    for observation in log:
        streamed.update(observation)
    together.replay(log)
    for place in (0, -1):
        expected, found = (run._run.detectors[place].seen for run in (streamed, together))
        assert len(found) == 50
        assert repr(found) == repr(expected)


numbers = st.lists(st.floats(-1e3, 1e3) | st.sampled_from([0.0, -0.0, 1.0]), min_size=1, max_size=90)


@settings(max_examples=60, deadline=None)
@given(numbers, st.integers(0, 90))
def test_a_level_and_a_noise_taken_in_together(values, cut):
    one, other, noise, together = Level(), Level(), StepNoise(window=9), StepNoise(window=9)
    scales, levels = [], []
    for step, value in enumerate(values):
        one.update(step, value)
        noise.update(value)
        scales.append(noise.scale)
        levels.append((one.level, one.best, one.best_step, one.onset_step, one.beyond(0.1), one.best_before))
    found, seen = [], []
    for start, part in ((0, values[:cut]), (cut, values[cut:])):
        if part:
            track = other.extend(range(start, start + len(part)), part)
            at = [track.at(place) for place in range(len(part))]
            seen += [(v.level, v.best, v.best_step, v.onset_step, v.beyond(0.1), v.best_before) for v in at]
            found += together.extend(part)
    assert seen == levels
    assert repr(found) == repr(scales)
    assert repr(other.state_dict()) == repr(one.state_dict())
    assert repr(together.state_dict()) == repr(noise.state_dict())


def test_a_shared_level_takes_values_in_once_and_a_twin_takes_them_over():
    first = SharedLevel()
    twin, steps, values = SharedLevel(first), [0, 1, 2], [3.0, 1.0, 2.0]
    track = first.extend(steps, values)
    assert first.extend(steps, values) is track
    assert twin.extend(steps, values) is track
    assert (first.seen, twin.seen) == (3, 3)
    first.update(3, 0.5)
    assert (first.seen, twin.seen) == (4, 3)
    later = [4, 5]
    first.extend(later, [0.1, 0.1])
    twin.extend(later, [0.1, 0.1])
    assert (first.seen, twin.seen) == (6, 5)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1 << 30), st.integers(1, 1400), st.integers(0, 700))
def test_bins_filled_together(seed, n, cut):
    values = np.random.default_rng(seed).normal(size=n).round(1).tolist()
    one, other = BinnedCurve(), BinnedCurve()
    for step, value in enumerate(values):
        one.update(step, value)
    for part in (slice(0, cut), slice(cut, n)):
        other.extend(range(n)[part], values[part])
    assert repr(other.state_dict()) == repr(one.state_dict())


@settings(max_examples=24, deadline=None)
@given(st.integers(0, 1 << 30), st.sampled_from(sorted(SHAPES)), st.sampled_from([0.0, 0.02, 0.1]))
def test_a_curve_followed_while_nothing_can_be_said_stops_where_it_can(seed, shape, noise):
    t = np.arange(250)
    values = (SHAPES[shape](t, 250) + noise * np.random.default_rng(seed).normal(size=250)).tolist()
    quiet, seen = RisingCurve(), 0
    while seen < 250:
        before, low = seen, quiet.follow_while_low(values, 250, 0.08)
        seen = quiet.seen
        plain = RisingCurve()
        for n in range(max(6, before + 1), seen + 1):
            plain.follow(values, n)
            if low or n < seen:
                assert plain.level - plain.best < 0.08 * abs(plain.best)
            else:
                assert not plain.rises_less_than(0.08)
    again = RisingCurve()
    again.follow(values)
    assert quiet.measure() == again.measure()


def test_a_curve_followed_while_it_is_high():
    values = [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, *[0.8] * 30, *[0.5] * 9]
    curve = RisingCurve()
    curve.follow(values, 15)
    assert not curve.follow_while_high(values, len(values), 0.03)
    assert 36 <= curve.seen < len(values)
    assert (curve.level - curve.best) <= 0.03 * curve.best
    curve.follow(values, curve.seen - 1)
    assert (curve.level - curve.best) > 0.03 * curve.best


def known(**changed):
    return Known("loss", {"accuracy": "max"}, ["reward"], {}, None)._replace(**changed)


@pytest.mark.parametrize(
    ("val", "seen", "end"),
    [
        ({"loss": [1.0, 2.0, 3.0]}, 3, 3),
        ({"loss": [1.0, None, 3.0]}, 2, 3),
        ({"loss": [1.0, math.nan, 3.0]}, 1, 1),
        ({"loss": [math.inf, 2.0, 3.0]}, 0, 0),
        ({"loss": [1.0, 1e200, 3.0]}, 1, 1),
        ({"loss": [1.0, 2.0, 3.0], "accuracy": [0.1, 0.2, None]}, 2, 2),
        ({"loss": [1.0, 2.0, 3.0], "accuracy": [None, 0.2, 0.3]}, 1, 1),
        ({"loss": [1.0, 2.0, 3.0], "accuracy": [math.nan, math.nan, None]}, 3, 3),
        ({"loss": [1.0, 2.0, 3.0], "reward": [None, 1.0, None]}, 3, 3),
        ({"loss": [1.0, 2.0, 3.0], "new": [None, 1.0, None]}, 1, 1),
        ({"accuracy": [1.0, 1.0, 1.0]}, 0, 3),
    ],
)
def test_how_far_a_log_is_plain(val, seen, end):
    log = Columns(array("q", [1, 2, 3]), {}, {name: column(cells) for name, cells in val.items()})
    found = rows_of_columns(log, 0, known())
    assert (len(found.rows), found.end) == (seen, end)


def test_steps_and_train_values_of_plain_rows():
    log = Columns(
        array("q", [4, 5, 6, 5]),
        {"loss": column([0.5, None, 0.25, 1.0]), "other": column([None, 7.0, None, None])},
        {"loss": column([1.0, 2.0, 3.0, 4.0]), "accuracy": column([0.1, 0.2, 0.3, 0.4])},
    )
    found = rows_of_columns(log, 0, known(last_step=3))
    assert (found.rows.steps, found.rows.train, found.end) == ([4, 5, 6], [0.5, 0.5, 0.25], 3)
    assert list(found.train.items()) == [("loss", 0.25), ("other", 7.0)]
    assert found.rows.others["accuracy"].val == [0.1, 0.2, 0.3]
    assert found.rows.others["accuracy"].train is None
    assert len(rows_of_columns(log, 0, known(last_step=4)).rows) == 0
    assert len(rows_of_columns(log, 0, known(), most=2).rows) == 2


def test_evaluations_that_tell_more_are_not_plain():
    more = Evaluation(2, 1.0, sampling=Sampling(n=9, standard_error=0.1))
    beside = {"accuracy": Companion(0.5, math.nan)}
    plain = [Evaluation(0, 3.0, 2.0, 0.1, others=beside), Evaluation(1, 2.0, 1.0, None, others=beside)]
    found = rows_of_evaluations([*plain, more])
    assert (found.steps, found.val, found.train, found.rates) == ([0, 1], [3.0, 2.0], [2.0, 1.0], [0.1, None])
    assert found.others["accuracy"].val == [0.5, 0.5]
    assert len(rows_of_evaluations([more, *plain])) == 0


def test_a_stretch_is_a_sequence_of_the_signals_that_it_stands_for():
    rows = Rows([0, 2, 5], [1.0, 0.5, 0.75], [1.0, 0.5, 0.25], [0.1, None, 0.1])
    stream, at_once = Signals(mode="max"), Signals(mode="max")
    signals = [stream.update(each) for each in map(Evaluation, rows.steps, rows.val, rows.train, rows.rates)]
    stretch = at_once.extend(rows)
    assert list(stretch) == signals
    assert (stretch[-1], stretch[1:], len(stretch)) == (signals[-1], signals[1:], 3)
    assert at_once.state_dict() == stream.state_dict()


def test_a_history_extended_by_plain_rows_is_one_appended_to():
    one, other = History(capacity=16), History(capacity=16)
    beside = Rows([], [0.5] * 40, None, None, missing=math.nan)
    rows = Rows(list(range(40)), [float(i) for i in range(40)], None, [None, 0.1] * 20, {"accuracy": beside})
    for step, val, rate in zip(rows.steps, rows.val, rows.rates, strict=True):
        one.append(Evaluation(step, val, None, rate, others={"accuracy": Companion(0.5)}))
    other.extend_plain(rows)
    assert repr(one.state_dict()) == repr(other.state_dict())


def test_a_run_with_a_probe_is_judged_one_by_one():
    log = Columns(array("q", range(5, 9)), {}, {"loss": column([1.0, 0.5, 0.25, 0.2])})
    analyzers = [Analyzer(MonitorConfig()) for _ in range(2)]
    first = Observation(step=0, val={"loss": 2.0}, probe={"value": 1.5})
    for analyzer in analyzers:
        analyzer.update(first)
    analyzers[0].replay(log)
    for observation in log:
        analyzers[1].update(observation)
    assert repr(analyzers[0].state_dict()) == repr(analyzers[1].state_dict())
    assert analyzers[0].signal.probe == 1.5
