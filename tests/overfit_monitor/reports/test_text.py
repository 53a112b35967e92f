"""The result for people at a terminal."""

import re

import pytest

from overfit_monitor.records import MetricChoice, NotJudged
from overfit_monitor.reports import text
from overfit_monitor.reports.base import CheckResult, View
from overfit_monitor.reports.sketch import Sketch

from .results import BESIDE, CHECK, CURVE, EMPTY, HEALTHY, HOSTILE, HOSTILE_CHECK, LET_THROUGH, OVERFIT, WIDE, many

COLORS = re.compile(r"\x1b\[[0-9;]*m")


def test_worst_first_and_plain():
    assert text.render(CHECK, View(sketches={"h": CURVE})) == (
        'FAIL   overfitting  a "b"        best 12, onset 15, alarm 20, last 40\n'
        "       compared: val loss with train loss, lower is better\n"
        "       error: it <rises> & rises.\n"
        "       do: Stop at 12\n"
        "       note: line 3 left out.\n"
        "error  inconclusive n\n"
        "       not judged: no validation metric was found\n"
        "pass   inconclusive y\n"
        "       not judged: needs 8 values\n"
        "pass   healthy      h      █▆▁   last 9\n"
        "error  not read     x [31m .csv: line 1: the file is empty\n"
        "compared, where nothing else is said: val loss alone (no train value), lower is better\n"
        "curves: validation; • best step, ╎ onset\n"
        "not judged in any run: memorization (no detector)\n"
        "fail: 1 of 4 runs: 1 overfitting; passed: 1 healthy, 1 inconclusive; 2 not judged (exit status 1)\n"
    )


def test_beside_a_baseline():
    assert text.render(BESIDE) == (
        "FAIL   healthy      exp/seed1  best 9, last 9\n"
        "       because: worse beside the baseline, see below\n"
        "pass   overfitting  old        best 12, onset 15, alarm 20, last 40\n"
        "       compared: val loss with train loss, lower is better\n"
        "       error: it <rises> & rises.\n"
        "       tolerated: it rises (as in the baseline)\n"
        "       do: Stop at 12\n"
        "       note: line 3 left out.\n"
        "baseline: 2 groups, 1 the same within noise\n"
        "       exp/seed* (1:3 seeds): worse by 0.1\n"
        "compared, where nothing else is said: val_loss with train_loss, lower is better\n"
        "remark: 'gone' is in the baseline, but not here\n"
        "fail: 1 of 2 runs: 1 healthy; passed: 1 overfitting; beside the baseline: 1 worse, 1 the same within noise "
        "(exit status 1)\n"
    )


@pytest.mark.parametrize("check", [CHECK, BESIDE, HOSTILE_CHECK])
@pytest.mark.parametrize("width", [None, 80, 120])
def test_in_colour_it_says_the_same(check, width):
    view = View(sketches={"h": CURVE}, width=width)
    shown = text.render(check, view._replace(color=True))
    assert "\x1b[1;31mFAIL   \x1b[0m" in shown
    assert COLORS.sub("", shown) == text.render(check, view)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120, 200])
@pytest.mark.parametrize("name", ["a", "long/" * 30, "日本語の実験" * 5, HOSTILE])
def test_no_line_is_wider_than_the_terminal(width, name):
    runs = tuple(run.model_copy(update={"run": name}) for run in (*CHECK.runs, *BESIDE.runs))
    check = CHECK.model_copy(update={"runs": runs})
    for line in text.render(check, View(sketches={name: CURVE}, width=width)).splitlines():
        assert text._cells(line) <= max(width, 51), line


@pytest.mark.parametrize(
    ("name", "width", "shown"),
    [("abc", 5, "abc  "), ("abcdefgh", 5, "ab…gh"), ("日本語日本語", 6, "日…語 "), ("abc", 1, "…"), ("", 2, "  ")],
)
def test_names_are_cut_in_the_middle(name, width, shown):
    assert text._fitted(name, width) == shown


def test_a_thousand_runs_stay_readable():
    lines = text.render(many(30, 970)).splitlines()
    assert len(lines) < 110
    assert "       … 980 more: 10 overfitting (fail), 970 healthy (pass); --all shows them" in lines
    assert sum(line.startswith(("FAIL", "pass")) for line in lines) == 20
    every = text.render(many(30, 970), View(worst=None)).splitlines()
    assert sum(line.startswith(("FAIL", "pass")) for line in every) == 1000


def test_explained():
    shown = text.render(CheckResult(outcome="pass", runs=(HEALTHY,)), View(explain=True))
    assert "\n\nRun h. Healthy: nothing that was looked for shows in these curves.\n" in shown


def test_nothing():
    assert text.render(EMPTY) == "error: there was nothing to judge (exit status 2)\n"


@pytest.mark.parametrize(
    ("width", "cells", "steps"),
    [
        (None, 24, "best 2, last 99"),
        (110, 24, "best 2, last 99"),
        (80, 24, "best 2"),
        (70, 12, "best 2"),
        (60, 0, "best 2"),
        (50, 0, ""),
    ],
)
def test_what_gives_way_where_a_terminal_is_narrow(width, cells, steps):
    name = "sweep-12/a-long-name/seed-3"
    run = HEALTHY.model_copy(update={"run": name, "step": 99, "best_step": 2})
    curve = Sketch(tuple(range(24)), tuple(float(24 - i) for i in range(24)))
    shown = text.render(CheckResult(outcome="pass", runs=(run,)), View(sketches={name: curve}, width=width))
    line = shown.splitlines()[0]
    assert line.endswith(steps)
    assert sum(char in "▁▂▃▄▅▆▇█•" for char in line) == cells
    assert "sweep-12/" in line
    assert "/seed-3" in line


def test_what_lost_most_comes_first_of_those_that_failed():
    values = {"little": (1.0, 1.1), "most": (0.1, 0.9), "unknown": (None, None), "zero": (0.0, 5.0), "much": (2.0, 4.0)}
    told = [{"run": name, "best_value": best, "last_value": last} for name, (best, last) in values.items()]
    failed = [OVERFIT.model_copy(update=each) for each in told]
    passed = [HEALTHY.model_copy(update=each) for each in told]
    check = CheckResult(outcome="fail", runs=tuple(failed + passed))
    names = [run.run for run in check.worst_first]
    assert names == ["most", "much", "little", "unknown", "zero", *values]
    rising = [run.model_copy(update={"metrics": MetricChoice(val="acc", mode="max")}) for run in failed]
    names = [run.run for run in CheckResult(outcome="fail", runs=tuple(rising)).worst_first]
    assert names == ["unknown", "zero", "little", "much", "most"]


def test_a_note_of_many_runs_is_told_once():
    runs = [HEALTHY.model_copy(update={"run": f"r{i}", "notes": ("a sum", f"line {i} left out")}) for i in range(4)]
    lines = text.render(CheckResult(outcome="pass", runs=tuple(runs))).splitlines()
    assert [line for line in lines if "a sum" in line] == ["note, 4 runs: a sum"]
    assert sum("left out" in line for line in lines) == 4


def test_of_much_that_was_not_judged_the_reasons_are_left_to_explain():
    many = tuple(NotJudged(id=f"p{i}", reason=f"it needs {i}") for i in range(5))
    check = CheckResult(outcome="pass", runs=(HEALTHY.model_copy(update={"not_judged": many}),))
    assert "not judged in any run: p0, p1, p2 and 2 more; --explain says why\n" in text.render(check)
    explained = text.render(check, View(explain=True))
    assert "in any run" not in explained
    assert all(f"it needs {i}" in explained for i in range(5))


@pytest.mark.parametrize("explain", [False, True])
def test_no_line_is_a_command_of_github(explain):
    named = tuple(run.model_copy(update={"run": "x " * 40 + "::error::x"}) for run in (WIDE, LET_THROUGH))
    for check in (HOSTILE_CHECK, CheckResult(outcome="fail", runs=named)):
        for line in text.render(check, View(explain=explain)).splitlines():
            assert not line.lstrip().startswith(("::", "##["))
            assert line.isprintable()
