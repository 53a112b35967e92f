"""The result for people at a terminal."""

import re

import pytest

from overfit_monitor.reports import text
from overfit_monitor.reports.base import CheckResult, View

from .results import BESIDE, CHECK, CURVE, EMPTY, HEALTHY, HOSTILE, HOSTILE_CHECK, LET_THROUGH, WIDE, many

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
        "       compared: val loss alone (no train value), lower is better\n"
        "       not judged: needs 8 values\n"
        "pass   healthy      h      █▆▁   last 9\n"
        "       compared: val loss alone (no train value), lower is better\n"
        "error  not read     x [31m .csv: line 1: the file is empty\n"
        "compared: val loss alone (no train value), lower is better (2 runs); "
        "val loss with train loss, lower is better (1 run); nothing, for there is no validation metric (1 run)\n"
        "curves: validation; • best step, ╎ onset\n"
        "not judged in any run: memorization (no detector)\n"
        "fail: 4 runs: 1 healthy, 1 overfitting, 1 inconclusive, 2 not judged (exit status 1)\n"
    )


def test_beside_a_baseline():
    assert text.render(BESIDE) == (
        "FAIL   healthy      exp/seed1  best 9, last 9\n"
        "       compared: val_loss with train_loss, lower is better\n"
        "       because: worse beside the baseline, see below\n"
        "pass   overfitting  old        best 12, onset 15, alarm 20, last 40\n"
        "       compared: val loss with train loss, lower is better\n"
        "       error: it <rises> & rises.\n"
        "       tolerated: it rises (as in the baseline)\n"
        "       do: Stop at 12\n"
        "       note: line 3 left out.\n"
        "baseline: 2 groups, 1 the same within noise\n"
        "       exp/seed* (1:3 seeds): worse by 0.1\n"
        "compared: val_loss with train_loss, lower is better (1 run); "
        "val loss with train loss, lower is better (1 run)\n"
        "remark: 'gone' is in the baseline, but not here\n"
        "fail: 2 runs: 1 healthy, 1 overfitting; beside the baseline: 1 worse, 1 the same within noise "
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
    assert text.render(EMPTY) == "error: 0 runs: nothing to judge (exit status 2)\n"


@pytest.mark.parametrize("explain", [False, True])
def test_no_line_is_a_command_of_github(explain):
    named = tuple(run.model_copy(update={"run": "x " * 40 + "::error::x"}) for run in (WIDE, LET_THROUGH))
    for check in (HOSTILE_CHECK, CheckResult(outcome="fail", runs=named)):
        for line in text.render(check, View(explain=explain)).splitlines():
            assert not line.lstrip().startswith(("::", "##["))
            assert line.isprintable()
