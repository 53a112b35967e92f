"""Watching beside a baseline: it ends as the check would, and tells nothing of a best value that is still to come."""

from pathlib import Path

import pytest

from overfit_monitor.baseline import Baseline
from overfit_monitor.baseline_file import load_baseline
from overfit_monitor.check import check
from overfit_monitor.cli import main
from overfit_monitor.following import Follower
from overfit_monitor.following.news import Newsroom
from overfit_monitor.testing import curves

GOOD, OVERFIT = curves.falling(60), curves.overfit(60)
HEADER = "epoch,train_loss,val_loss\n"


def write(name, curve, *, shift=0.0, end=60):
    rows = (f"{step},{curve.train[step]!r},{curve.val[step] + shift!r}\n" for step in range(end))
    Path(name).write_text(HEADER + "".join(rows), encoding="utf-8")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write("run.csv", GOOD)
    assert main(["baseline", "update", "run.csv", "--output", "main.json"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    ("curve", "shift", "status"), [(GOOD, 0.0, 0), (GOOD, 0.5, 1), (OVERFIT, 0.0, 1)], ids=["same", "worse", "overfit"]
)
def test_it_ends_as_the_check_does(curve, shift, status, capsys):
    write("run.csv", curve, shift=shift)
    arguments = ["run.csv", "--baseline", "main.json", "--format", "json"]
    assert main(["watch", *arguments, "--timeout", "0.01"]) == status
    watched = capsys.readouterr().out
    assert main(["check", *arguments]) == status
    assert watched == capsys.readouterr().out
    assert '"standing"' in watched


def test_a_run_on_its_way_is_not_worse_and_one_that_fails_is_told_at_once():
    baseline = Baseline(load_baseline(Path("main.json")), source="main.json")
    follower, newsroom = Follower(["run.csv"], baseline=baseline), Newsroom()
    kinds = []
    for end in range(1, 61):
        write("run.csv", OVERFIT, shift=0.5, end=end)
        look = follower.look()
        kinds += [] if look is None else [(end, each.kind) for each in newsroom.news(look) if each.kind == "alarm"]
        if end < 30:
            assert look is None or look.result.outcome == "pass"
    alarm = check(["run.csv"]).runs[0].alarm_step
    assert kinds == [(alarm + 1, "alarm")]
    last = follower.finish()
    assert last.result == check(["run.csv"], baseline=baseline)
    assert last.runs[0].checked.rule == "baseline"


def test_what_is_still_to_come_has_not_vanished(capsys):
    follower = Follower(["other.csv"], baseline=Baseline(load_baseline(Path("main.json")), source="main.json"))
    write("other.csv", GOOD)
    assert follower.look().result.remarks == ()
    assert follower.finish().result.remarks == ("'run' is in the baseline main.json, but there is no such run",)


def test_the_projects_baseline_is_taken_as_by_the_check(capsys):
    Path("overfit-monitor.toml").write_text('baseline = "main.json"\n', encoding="utf-8")
    write("run.csv", GOOD, shift=0.5)
    assert main(["watch", "run.csv", "--timeout", "0.01"]) == 1
    assert "worse" in capsys.readouterr().out
