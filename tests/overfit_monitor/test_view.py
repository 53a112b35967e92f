"""What is shown of runs: the contract of docs/decisions/0016-one-view.md."""

import json
import math
import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import Monitor
from overfit_monitor.detectors.overfitting import Overfitting
from overfit_monitor.facts import Facts
from overfit_monitor.readers.base import Run
from overfit_monitor.readers.pairing import merge
from overfit_monitor.records import AppliedChange, Diagnosis, Finding, MetricChoice, Observation, Probe, StopDecision
from overfit_monitor.signals import Signals
from overfit_monitor.stats.binned import BinnedCurve
from overfit_monitor.stats.limits import limit_for
from overfit_monitor.stats.rise import least_rise
from overfit_monitor.stats.rising_curve import measure_rise
from overfit_monitor.view import rows
from overfit_monitor.view.curves import RunCurves, curves_of
from overfit_monitor.view.payload import compare, details, overview, row, series, show, shown_from_run, waiting_row
from overfit_monitor.view.series import Clock, Curve
from overfit_monitor.view.shown import ShownRun
from overfit_monitor.view.trace import _Bins, trace

ROW = (
    "run version pending verdict severity onset_step alarm_step best_step stop_step last_step evaluations metrics "
    "train_tag val_tag best_value last_value loss_lost noise recommendation message cannot_judge sampled sparkline "
    "sparkline_train alerts last_time"
)
DETAILS = (
    "schema_version run version source diagnosis series band limit test marks alerts alerts_recorded examples "
    "membership sampled exact exact_possible tags choices applied"
)
LOSS = MetricChoice(train="loss", val="loss")


def observations(n=120, *, turn=50, rise=0.005, seed=0, sign=1.0, rates=None):
    dice = random.Random(seed)
    found = []
    for i in range(n):
        train = math.exp(-i / 20) + dice.gauss(0, 0.005)
        val = 0.2 + math.exp(-i / 20) + rise * max(0, i - turn) + dice.gauss(0, 0.01)
        rate = None if rates is None else rates[i]
        found.append(Observation(step=i, train={"loss": sign * train}, val={"loss": sign * val}, learning_rate=rate))
    return found


def judged(given, *, name="run", mode="min", **fields):
    return show(name, Monitor(metric="loss", mode=mode).replay(given), given, **fields)


@pytest.fixture(scope="module")
def overfit():
    return judged(observations(), times=Clock.of(range(120), [1e9 + i for i in range(120)]))


def test_a_row_has_what_the_contract_names(overfit):
    found = row(overfit)
    assert set(found) == set(ROW.split())
    diagnosis = overfit.diagnosis
    assert (found["verdict"], found["severity"], found["evaluations"], found["last_step"]) == (
        "overfitting",
        "error",
        120,
        119,
    )
    assert found["loss_lost"] == pytest.approx(diagnosis.last_value / diagnosis.best_value - 1, rel=1e-3)
    assert 0.02 < found["noise"] < 0.06  # 0.01 over a best value of some 0.28
    assert found["last_time"] == 1e9 + 119
    assert found["cannot_judge"] is None
    assert found["message"] == diagnosis.findings[0].message
    assert json.dumps(found, allow_nan=False)


def test_a_view_has_what_the_contract_names(overfit):
    found = details(overfit)
    assert set(found) == set(DETAILS.split())
    assert set(found["series"]) == {"train", "val", "gap", "like_for_like_gap", "probe", "learning_rate"}
    assert found["series"]["probe"] is found["series"]["learning_rate"] is None
    for curve in (found["series"][name] for name in ("train", "val", "gap")):
        assert len(curve["steps"]) == len(curve["values"]) == len(curve["times"]) == 120
    band = found["band"]
    assert band["steps"] == list(range(120))
    inside = [
        low <= v <= high
        for low, v, high in zip(band["low"], found["series"]["val"]["values"], band["high"], strict=True)
    ]
    assert np.mean(inside[20:]) > 0.85
    assert json.dumps(found, allow_nan=False)


def test_nothing_at_all_can_be_shown():
    empty = judged([])
    found = details(empty)
    assert row(empty)["verdict"] == "inconclusive"
    assert found["series"]["val"] == {"steps": [], "values": [], "times": None}
    assert (found["band"], found["limit"], found["test"], found["marks"]) == (None, None, None, [])
    assert row(empty)["last_step"] is row(empty)["last_time"] is row(empty)["loss_lost"] is None


@pytest.mark.parametrize("values", [[math.nan] * 30, [math.inf, -math.inf] * 9, [1e308, -1e308] * 9, [0.0] * 30, [5.0]])
def test_odd_values_can_be_shown(values):
    given = [Observation(step=i, train={"loss": v}, val={"loss": v}) for i, v in enumerate(values)]
    shown = judged(given)
    assert json.dumps([row(shown), details(shown), compare([shown, shown])], allow_nan=False)


def test_an_accuracy_loses_what_it_falls():
    shown = judged(observations(sign=-1.0), mode="max")
    mirrored = judged(observations())
    assert row(shown)["loss_lost"] == pytest.approx(row(mirrored)["loss_lost"])
    assert details(shown)["series"]["gap"] == details(mirrored)["series"]["gap"]
    assert details(shown)["limit"]["values"] == details(mirrored)["limit"]["values"]
    assert details(shown)["limit"]["val"] == [v if v is None else -v for v in details(mirrored)["limit"]["val"]]


def test_the_worst_run_comes_first():
    runs = [judged(observations(rise=0.0), name="good"), judged(observations(), name="bad"), judged([], name="none")]
    found = overview(runs)
    assert [item["run"] for item in found["runs"]] == ["bad", "none", "good"]
    assert (found["complete"], found["total"], found["pending"], found["more"]) == (True, 3, 0, False)


def test_a_run_that_waits_says_so():
    found = waiting_row("later", version=3, last_step=9, last_time=1e9)
    assert set(found) == set(ROW.split())
    assert (found["pending"], found["verdict"], found["message"], found["last_step"]) == (
        True,
        "inconclusive",
        rows.WAITING,
        9,
    )
    assert rows.overview([found])["pending"] == 1


def test_a_restart_takes_the_place_of_what_was_there():
    first = [Observation(step=i, train={"loss": 1.0}, val={"loss": 1.0}) for i in range(10)]
    again = [Observation(step=i, train={"loss": 2.0}, val={"loss": 2.0}) for i in range(5, 8)]
    curves = curves_of(first + again, LOSS)
    assert curves.val.steps.tolist() == curves.train.steps.tolist() == list(range(8))
    assert curves.val.values.tolist() == [1.0] * 5 + [2.0] * 3
    assert curves.restarts == ((5, 9),)
    kinds = {mark["kind"]: mark for mark in details(judged(first + again))["marks"]}
    assert kinds["restart"]["step"] == 5
    assert "from 9 to 5" in kinds["restart"]["text"]


def test_the_message_of_a_run_with_several_findings_is_that_of_the_worst():
    found = [Finding(id=name, severity=name, message=f"{name} here") for name in ("info", "warning")]
    assert (
        row(ShownRun("run", Diagnosis(verdict="healthy", findings=tuple(found)), RunCurves()))["message"]
        == "warning here"
    )


@pytest.mark.parametrize(
    ("steps", "times", "asked", "expected"),
    [
        ([0, 1, 2], [5.0, 6.0, 7.0], [0, 2], [5.0, 7.0]),
        ([0, 1, 2, 1, 2], [5.0, 6.0, 7.0, 8.0, 9.0], [0, 1, 2], [5.0, 8.0, 9.0]),  # taken up again
        ([4, 2], [5.0, 6.0], [2, 3, 4, 5], [6.0, None, 5.0, None]),
        ([], [], [0], [None]),
    ],
)
def test_when_a_step_was_logged(steps, times, asked, expected):
    found = Clock.of(steps, times).at(np.array(asked))
    assert [None if math.isnan(time) else time for time in found.tolist()] == expected


def test_two_rows_an_epoch_are_no_restart():
    given = [
        o
        for i in range(9)
        for o in (Observation(step=i, train={"loss": 0.5}), Observation(step=i, val={"loss": 1.0 + i}))
    ]
    curves = curves_of(given, LOSS)
    assert curves.restarts == ()
    assert curves.gap("min").values.tolist() == [0.5 + i for i in range(9)]


def test_the_probe_and_its_gap():
    given = [Observation(step=i, val={"loss": 1.0}, probe=Probe(value=0.25) if i % 2 == 0 else None) for i in range(9)]
    found = details(judged(given))["series"]
    assert found["probe"]["steps"] == found["like_for_like_gap"]["steps"] == [0, 2, 4, 6, 8]
    assert set(found["like_for_like_gap"]["values"]) == {0.75}


def test_marks_are_explained(overfit):
    found = details(overfit)["marks"]
    diagnosis = overfit.diagnosis
    by_kind = {mark["kind"]: mark for mark in found}
    first, last = diagnosis.findings[0].onset_range
    assert (by_kind["onset"]["step"], by_kind["onset"]["to_step"]) == (first, last)
    assert by_kind["best"]["step"] == diagnosis.best_step
    assert diagnosis.alarm_step in [mark["step"] for mark in found if mark["kind"] == "alarm"]
    assert by_kind["stop"]["step"] == diagnosis.stop_step
    assert all(mark["title"] and mark["text"].endswith(".") for mark in found)
    assert [mark["step"] for mark in found] == sorted(mark["step"] for mark in found)


def test_what_was_recorded_live_is_marked():
    rates = [0.1] * 60 + [0.01] * 30 + [0.1] * 30
    alert = Finding(id="overfitting", severity="error", message="it rises.", alarm_step=70)
    changed = AppliedChange(
        id="weight_decay", step=80, before={"weight_decay": 0.0}, after={"weight_decay": 0.1}, undone_step=90
    )
    stop = StopDecision(rule="evidence", step=1, value=1.0, message="no gain.")
    shown = judged(observations(rates=rates), alerts=(alert,), applied=(changed,), stop=stop)
    found = [(mark["kind"], mark["step"], mark["text"]) for mark in details(shown)["marks"]]
    assert ("learning_rate", 60, "The learning rate fell from 0.1 to 0.01.") in found
    assert ("learning_rate", 90, "The learning rate rose from 0.01 to 0.1.") in found
    assert ("alert", 70, "Raised live: it rises.") in found
    assert ("applied", 80, "Changed after step 80: weight decay 0.0 → 0.1.") in found
    assert ("applied", 90, "Put back after step 90: weight decay 0.0 → 0.1.") in found
    assert details(shown)["alerts_recorded"] is True


def test_a_smooth_schedule_is_not_marked_at_every_step():
    rates = [0.1 * 0.5 * (1 + math.cos(math.pi * i / 400)) for i in range(120)]
    assert not [mark for mark in details(judged(observations(rates=rates)))["marks"] if mark["kind"] == "learning_rate"]


def test_a_run_of_a_reader(tmp_path):
    given = observations()
    run = Run("name", "file.csv", given, facts=Facts(changes=(AppliedChange(id="dropout", after={"p": 0.1}),)))
    found = details(shown_from_run(run, Monitor().replay(given), examples=None))
    assert (found["run"], found["source"], found["exact"], found["sampled"]) == ("name", "file.csv", True, False)
    assert found["tags"] == {"train": "loss", "val": "loss"}
    assert found["choices"] == ["loss"]
    assert [mark["title"] for mark in found["marks"] if mark["kind"] == "applied"] == ["Applied: dropout"]


class TestTrace:
    """The test along the run is the test of the detector, step by step."""

    @pytest.mark.parametrize("n", [30, 255, 256, 700, 2100])
    @pytest.mark.parametrize("rates", [False, True])
    def test_it_says_what_the_detector_says(self, n, rates):
        given = observations(
            n,
            turn=n // 3,
            rise=1.0 / n,
            seed=n,
            rates=[0.1 if i < n // 2 else 0.3 for i in range(n)] if rates else None,
        )
        found = trace(curves_of(given, LOSS), "min", false_alarm_rate=0.05, most=n)
        detector, signals = Overfitting(), Signals()
        for i, observation in enumerate(given):
            evaluation = _evaluation(observation)
            detector.update(signals.update(evaluation))
            measured = detector._rise()
            if measured is None:
                assert math.isnan(found.statistic[i])
                continue
            assert found.statistic[i] == pytest.approx(measured.statistic, rel=1e-9, abs=1e-12)
            # The alarm is raised where the level passes the limit that is drawn, and nowhere else.
            detector._curve.follow(detector._val.values)
            passes = detector._raised(measured.rise, measured.best)
            margin = abs(measured.level - found.level[i])
            if not margin < 1e-9:
                assert passes == (measured.level >= found.level[i]), i

    @pytest.mark.parametrize("n", [4095, 4097, 9000])
    @pytest.mark.parametrize("gaps", [False, True])
    def test_long_runs_are_judged_as_means_here_too(self, n, gaps):
        given = observations(n, turn=n // 3, rise=1.0 / n)
        if gaps:
            given = [o if i % 97 else o.model_copy(update={"val": {"loss": math.nan}}) for i, o in enumerate(given)]
        diagnosis = Monitor().replay(given)
        found = trace(curves_of(given, LOSS), "min", false_alarm_rate=0.05, most=n)
        assert found.statistic[-1] == pytest.approx(diagnosis.finding("overfitting").evidence["statistic"], rel=1e-9)

    def test_a_part_is_that_part_of_the_whole(self):
        curves = curves_of(observations(400, turn=100), LOSS)
        whole = trace(curves, "min", false_alarm_rate=0.05)
        part = trace(curves, "min", false_alarm_rate=0.05, first=200, last=250)
        assert part.steps.tolist() == list(range(200, 251))
        assert part.statistic.tolist() == whole.statistic[200:251].tolist()

    @given(st.integers(1, 3000))
    def test_bins_are_those_of_the_detector(self, n):
        values = np.arange(n, dtype=np.float64) * 0.37
        curve = BinnedCurve()
        for i, value in enumerate(values.tolist()):
            curve.update(i, value)
        assert _Bins(values).at(n) == pytest.approx(curve.values)

    @settings(deadline=None)
    @given(st.lists(st.floats(0.0, 10.0), min_size=8, max_size=60), st.sampled_from([0.5, 5.0, 50.0]))
    def test_the_least_rise_is_the_inverse_of_the_statistic(self, values, limit):
        found = measure_rise(values)
        least = least_rise(found, len(values), limit)
        if not math.isfinite(least) or abs(found.rise / least - 1.0) < 1e-6:
            return
        assert (found.rise >= least) == (found.statistic >= limit)

    def test_the_limit_is_that_of_the_rate(self):
        given = observations()
        assert details(judged(given, false_alarm_rate=0.01))["test"]["limit"] == limit_for(0.01) > limit_for(0.05)


def _evaluation(observation):
    from overfit_monitor.history import Evaluation

    return Evaluation(observation.step, observation.val["loss"], observation.train["loss"], observation.learning_rate)


@pytest.fixture(scope="module")
def long():
    return judged(observations(20_000, turn=10_000, rise=1e-5))


class TestZoom:
    """A part of a long run is thinned anew."""

    def test_the_whole_is_thinned(self, long):
        found = details(long)
        assert all(len(found["series"][name]["steps"]) <= 2000 for name in ("train", "val", "gap"))
        assert len(found["band"]["steps"]) <= 2000
        assert len(found["test"]["steps"]) <= 500
        assert len(json.dumps(found)) < 500_000

    def test_a_part_has_every_point(self, long):
        found = series(long, 5000, 5999)
        assert found["series"]["val"]["steps"] == found["band"]["steps"] == list(range(5000, 6000))
        assert found["limit"]["steps"][-1] == 5999
        assert set(found) == {"series", "band", "limit", "test"}

    @pytest.mark.parametrize(("first", "last"), [(30_000, None), (None, -1), (7, 7)])
    def test_a_part_with_little_in_it(self, long, first, last):
        assert len(series(long, first, last)["series"]["val"]["steps"]) == (first == last)


class TestCompare:
    """The best run first, the others against it."""

    def test_two_runs(self):
        good, bad = judged(observations(rise=0.0), name="good"), judged([*observations(rise=0.0)[:30]], name="short")
        found = compare([bad, good])
        assert [item["run"] for item in found["runs"]] == ["good", "short"]
        (only,) = found["comparisons"]
        assert (only["base"], only["other"]) == ("good", "short")
        expected = bad.diagnosis.best_value - good.diagnosis.best_value
        assert only["difference"] == pytest.approx(expected)
        assert only["relative"] == pytest.approx(expected / good.diagnosis.best_value)
        assert only["sure"] is True
        assert only["reason"]
        series = found["runs"][0]["series"]
        gap = [b - a for a, b in zip(series["train"]["values"], series["val"]["values"], strict=True)]
        assert series["gap"]["values"] == pytest.approx(gap, abs=1e-6)
        assert set(ROW.split()) < set(found["runs"][0])

    def test_the_same_run_twice_is_not_surely_another(self):
        (only,) = compare([judged(observations()), judged(observations(), name="again")])["comparisons"]
        assert (only["difference"], only["sure"]) == (0.0, False)

    @pytest.mark.parametrize(("runs", "most"), [(2, 2000), (3, 1555), (50, 93)])
    def test_many_long_runs_are_half_a_megabyte(self, runs, most):
        n = 3000
        values = [math.exp(-i / 900) + 0.123456789 * math.sin(i) for i in range(n)]
        curve = Curve.of(list(enumerate(values)), [1.7e9 + 1.234567 * i for i in range(n)])
        curves = RunCurves(train=curve, val=curve, train_at_val=np.array(values))
        found = compare([ShownRun(f"run{i}", Diagnosis(verdict="healthy"), curves) for i in range(runs)])
        sizes = {len(series["steps"]) for run in found["runs"] for series in run["series"].values()}
        assert max(sizes) <= most
        assert min(sizes) > 0.45 * most
        assert len(json.dumps(found)) < 600_000

    def test_what_cannot_be_compared_comes_last_with_the_reason(self):
        other = [Observation(step=o.step, val={"error": 0.0}) for o in observations()]
        odd = show("odd", Monitor().replay(other), other)
        found = compare(
            [odd, judged([], name="none"), judged(observations(), name="one"), judged(observations(), name="two")]
        )
        assert [item["run"] for item in found["runs"]] == ["one", "two", "odd", "none"]
        assert [item["difference"] is None for item in found["comparisons"]] == [False, True, True]
        assert all(item["reason"] for item in found["comparisons"])


def test_a_diagnosis_without_curves_can_be_shown():
    shown = show("bare", Diagnosis(verdict="healthy", best_step=3, best_value=0.5), [])
    assert details(shown)["marks"][0]["kind"] == "best"


@given(st.lists(st.tuples(st.integers(0, 9), st.floats(0.0, 1.0)), max_size=30), st.booleans())
def test_a_log_in_columns_is_drawn_as_one_of_observations(points, with_rate):
    half = len(points) // 2
    given = {"train_loss": points[:half], "val_loss": points[half:]} | ({"lr": points[::2]} if with_rate else {})
    columns = merge(given)
    quick, plain = curves_of(columns, LOSS), curves_of(list(columns), LOSS)
    for name in ("train", "val", "learning_rate"):
        assert [part.tolist() for part in getattr(quick, name)[:2]] == [
            part.tolist() for part in getattr(plain, name)[:2]
        ]
    for name in ("train_at_val", "rate_at_val", "change_error"):
        np.testing.assert_array_equal(getattr(quick, name), getattr(plain, name))
