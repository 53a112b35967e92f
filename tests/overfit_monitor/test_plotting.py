"""The picture shows what the diagnosis says, and hangs on it without being a part of it."""

import copy
import math
import pickle
import sys
from dataclasses import replace

import numpy as np
import pytest

from overfit_monitor import Diagnosis, Monitor, UsageError, diagnose
from overfit_monitor.testing import curves

matplotlib = pytest.importorskip("matplotlib")


@pytest.fixture
def ax():
    from matplotlib.figure import Figure

    return Figure().subplots()


def seen(curve):
    return Monitor(facts=curve.facts).replay(curve.observations())


def labels(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def line(ax, label):
    return next(line for line in ax.get_lines() if line.get_label() == label)


def test_all_that_is_known_of_an_overfit_run_is_in_the_legend(ax):
    diagnosis = seen(curves.overfit(100)).model_copy(update={"run": "exp1"})
    assert diagnosis.plot(ax) is ax
    assert labels(ax) == [
        "train",
        "validation",
        "its level and two standard\ndeviations of its noise",
        f"best: step {diagnosis.best_step} ({diagnosis.best_value:.4g})",
        f"onset: step {diagnosis.onset_step}",
        "onset between {} and {}".format(*diagnosis.findings[0].onset_range),
        f"alarm: step {diagnosis.alarm_step}\n(overfitting)",
        f"stop: step {diagnosis.stop_step}",
    ]
    assert (ax.get_title(loc="left"), ax.get_ylabel(), ax.get_yscale()) == ("exp1: overfitting", "loss", "linear")


def test_the_lines_are_the_curves(ax):
    curve = curves.plateau(30)
    seen(curve).plot(ax)
    assert line(ax, "validation").get_ydata().tolist() == curve.val
    assert line(ax, "train").get_ydata().tolist() == curve.train
    assert line(ax, "train").get_xdata().tolist() == list(range(30))


def test_the_band_is_the_level_and_two_standard_deviations_on_each_side(ax):
    rng = np.random.default_rng(0)
    diagnose(val=(1.0 + 0.01 * rng.normal(size=300)).tolist()).plot(ax)
    band = ax.collections[0].get_paths()[0].vertices
    at_150 = sorted(band[band[:, 0] == 150.0, 1])
    assert at_150 == pytest.approx([0.98, 1.02], abs=0.008)


def test_only_what_was_known_at_the_step_is_drawn(ax):
    monitor = Monitor()
    for step in range(5):
        early = monitor.log(step=step, val={"loss": 1.0 / (1 + step)})
    monitor.log(step=5, val={"loss": 9.0})
    early.plot(ax)
    assert line(ax, "validation").get_ydata().tolist() == [1.0, 1 / 2, 1 / 3, 1 / 4, 1 / 5]


def test_values_that_are_no_numbers_leave_gaps_and_are_marked(ax):
    curve = curves.plateau(60)
    val = list(curve.val)
    val[20] = math.nan
    val[40] = math.inf
    seen(replace(curve, val=val)).plot(ax)
    assert np.flatnonzero(np.isnan(line(ax, "validation").get_ydata())).tolist() == [20, 40]
    assert line(ax, "not a finite number").get_xdata().tolist() == [20, 40]


def test_an_accuracy_is_drawn_as_it_is(ax):
    values = [0.5, 0.6, 0.7, 0.65]
    diagnose(val=values, metric="accuracy", mode="max").plot(ax)
    assert line(ax, "validation").get_ydata().tolist() == values
    assert labels(ax) == ["validation", "best: step 2 (0.7)"]


@pytest.mark.parametrize(("values", "scale"), [([1.0, 60.0], "log"), ([1.0, 40.0], "linear"), ([-1.0, 99.0], "linear")])
def test_the_scale_is_logarithmic_where_a_straight_one_shows_nothing(ax, values, scale):
    diagnose(val=values).plot(ax)
    assert ax.get_yscale() == scale


def test_a_long_run_is_thinned_and_keeps_its_last_value(ax):
    diagnose(val=[1.0 + step % 2 for step in range(12_000)]).plot(ax)
    steps = line(ax, "validation").get_xdata()
    assert len(steps) == 4000
    assert steps[-1] == 11_999
    assert "its level" in labels(ax)


@pytest.mark.parametrize(
    "values", [[], [1.0], [math.nan], [math.inf, -math.inf, math.nan], [0.0] * 9, [-1e300, 1e300] * 9]
)
def test_odd_runs_are_drawn(ax, values):
    diagnose(val=values).plot(ax)
    ax.figure.canvas.draw()


@pytest.mark.parametrize("make", curves.CATALOGUE, ids=lambda make: make.__name__)
def test_every_curve_is_drawn_with_every_alarm(ax, make):
    diagnosis = seen(make(100))
    diagnosis.plot(ax)
    ax.figure.canvas.draw()
    told = "\n".join(labels(ax))
    for finding in diagnosis.findings:
        if finding.severity != "info":
            assert f"alarm: step {finding.alarm_step}\n({finding.id.replace('_', ' ')})" in told


def test_without_axes_a_figure_is_made():
    from matplotlib import pyplot as plt

    with matplotlib.rc_context({"backend": "Agg"}):
        made = seen(curves.plateau(20)).plot()
        assert labels(made)[0] == "train"
        plt.close(made.figure)


def test_a_diagnosis_without_curves_says_so_in_one_line():
    diagnosis = seen(curves.plateau(20))
    for bare in (
        Diagnosis(verdict="healthy"),
        Diagnosis.model_validate_json(diagnosis.model_dump_json()),
        pickle.loads(pickle.dumps(diagnosis)),
    ):
        with pytest.raises(UsageError, match="no curves to plot") as told:
            bare.plot()
        assert "\n" not in str(told.value)


def test_the_missing_extra_is_named(monkeypatch):
    diagnosis = seen(curves.plateau(20))
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(ImportError, match=r"overfit-monitor\[plot\]"):
        diagnosis.plot()


def test_the_curves_are_no_part_of_what_is_said(ax):
    diagnosis = seen(curves.plateau(20))
    read = Diagnosis.model_validate_json(diagnosis.model_dump_json())
    assert diagnosis == read == pickle.loads(pickle.dumps(diagnosis)) == copy.deepcopy(diagnosis)
    assert read == diagnosis
    assert repr(diagnosis) == repr(read)
    assert "curves" not in diagnosis.model_dump_json()
    assert diagnosis != diagnosis.model_copy(update={"step": 3})
    copy.deepcopy(diagnosis).plot(ax)
