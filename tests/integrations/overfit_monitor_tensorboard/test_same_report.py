"""The HTML report of our own journal shows of a run what the tab shows of it."""

import json
import math
import re
import time
from contextlib import contextmanager

import numpy as np
import pytest

from overfit_monitor import Monitor
from overfit_monitor.cli import main
from overfit_monitor.records import AppliedChange
from overfit_monitor_tensorboard.writer import event_sink

PLUGIN = "/data/plugin/overfit_monitor"
# Where it was read from and by which names, and that a journal is never a sample.
OF_THE_LOG = {"version", "source", "tags", "choices", "exact", "exact_possible"}
# What per-example losses tell of the verdict stands in the journal; the event files have the tables alone.
OF_THE_LOSSES = {"diagnosis", "limit", "test"}
BEGUN = 1_700_000_000.0


@contextmanager
def watched(folder, *, minute=0):
    """Yield a monitor for which a minute goes by from one step to the next, however long it takes."""
    now = [BEGUN + 60.0 * minute]

    def log(**told):
        now[0] += 60.0
        monitor.log(**told)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", lambda: now[0])
        with Monitor(folder / "exp", sinks={"tensorboard": event_sink(folder / "exp")}, strict=True) as monitor:
            yield monitor, log


def shown(folder, page, serve, capsys):
    """Return the run as the tab gives it, and as the report holds it."""
    client = serve(folder)
    assert [row["run"] for row in client.get(f"{PLUGIN}/runs?wait=30").json["runs"]] == ["exp"]
    assert main(["report", str(folder), "--output", str(page)]) == 0
    assert "1 run; the report is in" in capsys.readouterr().err
    data = re.search(r'id="overfit-monitor-data">(.*?)</script>', page.read_text(encoding="utf-8"), re.S)[1]
    return client.get(f"{PLUGIN}/run?run=exp").json, json.loads(data)["runs"]["exp"]


def unlike(tab, report, place=""):
    """Yield the places where two payloads differ by more than the precision of an event file."""
    if isinstance(tab, dict) and isinstance(report, dict):
        for key in sorted(tab.keys() | report.keys()):
            yield from unlike(tab.get(key), report.get(key), f"{place}.{key}")
    elif isinstance(tab, list) and isinstance(report, list) and len(tab) == len(report):
        for i, (one, other) in enumerate(zip(tab, report, strict=True)):
            yield from unlike(one, other, f"{place}[{i}]")
    elif isinstance(tab, float) and isinstance(report, float):
        if not math.isclose(tab, report, rel_tol=0.0 if ".times" in place else 1e-5, abs_tol=1e-6):
            yield place, tab, report
    elif tab != report:
        yield place, tab, report


def test_a_run_with_alerts_a_stop_and_a_change_that_was_taken_up_again(tmp_path, serve, capsys, logs):
    for minute, steps in ((0, range(40)), (40, range(25, 60))):
        with watched(tmp_path, minute=minute) as (monitor, log):
            for step in steps:
                log(step=step, train={"loss": logs.falling[step]}, val={"loss": logs.turning[step]})
                if step == 30:
                    monitor.know_change(AppliedChange(id="dropout", step=30, before={"p": 0.0}, after={"p": 0.3}))
    tab, report = shown(tmp_path, tmp_path / "report.html", serve, capsys)
    restarts = [mark["title"] for mark in report["marks"] if mark["kind"] == "restart"]
    assert restarts == ["Restart: step 25"]
    for each in (tab, report):  # one of TensorBoard's loaders keeps nothing that could tell of a restart
        each["marks"] = [mark for mark in each["marks"] if mark["kind"] != "restart"]
    told = [place for place, *_ in unlike(tab, report) if place.split(".")[1] not in OF_THE_LOG]
    # The journal knows of the restart and of the change when it is judged, and says so among the remarks.
    assert told == [".diagnosis.notes", ".diagnosis.source"]
    assert report["diagnosis"]["notes"][-1].startswith("dropout applied after step 30")
    assert report["alerts_recorded"]
    assert [(alert["id"], alert["step"] < 40) for alert in report["alerts"]] == [("overfitting", True)]
    assert [(change["id"], change["step"]) for change in report["applied"]] == [("dropout", 30)]
    assert {"alert", "stop", "applied", "best", "onset", "alarm"} <= {m["kind"] for m in report["marks"]}
    times = report["series"]["val"]["times"]
    assert np.diff(times).tolist() == [60.0] * 24 + [60.0 * 16] + [60.0] * 34
    assert times[-1] == BEGUN + 60.0 * 75


def test_a_run_with_examples(tmp_path, serve, capsys):
    dice = np.random.default_rng(0)
    hardness = dice.exponential(1.0, 100)
    with watched(tmp_path) as (monitor, log):
        names = [f"image {i}" for i in range(100)]
        monitor.describe_examples(val_labels=np.arange(100) % 3, val_names=names, probe_labels=np.arange(50) % 3)
        for step in range(60):
            val = hardness * (1.0 / (1 + step) + 0.2 + 0.02 * max(0, step - 15))
            train = dice.exponential(1.0, 50) / (1 + step)
            means = {"train": {"loss": float(train.mean())}, "val": {"loss": float(val.mean())}}
            log(step=step, **means, val_losses=val, probe_losses=train)
    tab, report = shown(tmp_path, tmp_path / "report.html", serve, capsys)
    assert {place.split(".")[1] for place, *_ in unlike(tab, report)} <= OF_THE_LOG | OF_THE_LOSSES
    assert report["examples"] == tab["examples"]
    assert [len(report["examples"][name]) for name in ("worst", "risen", "classes")] == [10, 10, 3]
    assert report["membership"] == tab["membership"]
    assert report["membership"]["auc"] > 0.9
    assert report["alerts"]
    assert report["series"]["probe"]["times"] == report["series"]["val"]["times"]
    same = ("verdict", "onset_step", "alarm_step", "best_step", "stop_step", "recommendations")
    assert [report["diagnosis"][name] for name in same] == [tab["diagnosis"][name] for name in same]


def test_without_the_journal_the_event_files_tell_it(tmp_path, serve, capsys, logs):
    with watched(tmp_path) as (_, log):
        for step in range(60):
            log(step=step, train={"loss": logs.falling[step]}, val={"loss": logs.turning[step]})
    (tmp_path / "exp" / "overfit-monitor.jsonl").unlink()
    tab, report = shown(tmp_path, tmp_path / "report.html", serve, capsys)
    assert report["alerts"] == tab["alerts"] != []
    assert report["marks"] == tab["marks"]
