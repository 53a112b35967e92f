"""The journal: nothing that `log` had returned from is lost, whatever happens to the process or the file."""

import json
import os
import signal
import subprocess
import sys

import pytest

from overfit_monitor import Monitor, MonitorWarning
from overfit_monitor.journal import FILE_NAME, Journal, read_journal
from overfit_monitor.testing import curves

CHILD = """
import sys
from overfit_monitor import Monitor
monitor = Monitor(run_dir=sys.argv[1], sinks={})
for step in range(10**9):
    monitor.log(step=step, train={"loss": 1.0}, val={"loss": 1.0 / 3 + step})
    print(step, flush=True)
"""


def steps(path):
    return [entry.record["step"] for entry in read_journal(path) if entry.kind == "observation"]


def feed(monitor, curve, start=0, end=None):
    diagnosis = None
    for step in range(start, len(curve.val) if end is None else end):
        diagnosis = monitor.log(step=step, train={"loss": curve.train[step]}, val={"loss": curve.val[step]})
    return diagnosis


def test_killed_at_any_moment_it_holds_every_step_that_log_returned_from(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    seen = [int(child.stdout.readline()) for _ in range(50)]
    child.send_signal(signal.SIGKILL)
    seen += [int(line) for line in child.stdout.read().split("\n")[:-1]]
    child.wait()
    child.stdout.close()
    assert steps(tmp_path / FILE_NAME)[: len(seen)] == seen


def test_values_come_back_bit_for_bit(tmp_path):
    values = [0.1 + 0.2, 1e-320, -0.0, 1e308, float("nan"), float("inf"), float("-inf")]
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        for step, value in enumerate(values):
            monitor.log(step=step, val={"loss": value})
    read = [float(e.record["val"]["loss"]) for e in read_journal(tmp_path / FILE_NAME) if e.kind == "observation"]
    assert list(map(repr, read)) == list(map(repr, values))


def test_a_torn_line_is_closed_skipped_and_nothing_else_is_lost(tmp_path):
    curve = curves.overfit(60)
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        feed(monitor, curve, 0, 30)
    path = tmp_path / FILE_NAME
    os.truncate(path, path.stat().st_size - 5)
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        feed(monitor, curve, 29)
    entries = list(read_journal(path))
    assert sum(entry.kind == "" for entry in entries) == 1
    assert steps(path) == list(range(60))


@pytest.mark.parametrize("cut", [1, 8, 20, 40, 59])
def test_a_run_that_is_restarted_goes_on_as_if_it_had_not_been_interrupted(tmp_path, cut):
    curve = curves.overfit(60)
    whole = feed(Monitor(), curve)
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        feed(monitor, curve, 0, cut)
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        assert feed(monitor, curve, cut) == whole


def test_alerts_and_the_stop_are_written_once(tmp_path):
    curve = curves.overfit(100)
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        diagnosis = feed(monitor, curve)
    entries = list(read_journal(tmp_path / FILE_NAME))
    alerts = [entry.record for entry in entries if entry.kind == "alert"]
    stops = [entry.record for entry in entries if entry.kind == "stop"]
    assert [(alert["id"], alert["alarm_step"]) for alert in alerts] == [("overfitting", diagnosis.alarm_step)]
    assert [stop["step"] for stop in stops] == [diagnosis.stop_step]


def test_every_line_is_json_that_any_tool_reads(tmp_path):
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        monitor.log(step=0, val={"loss": float("nan")})
    for line in (tmp_path / FILE_NAME).read_text().splitlines():
        json.loads(line, parse_constant=pytest.fail)


def test_a_full_disk_costs_one_warning_and_training_goes_on(tmp_path, monkeypatch):
    curve = curves.overfit(60)
    monitor = Monitor(run_dir=tmp_path, sinks={})
    monkeypatch.setattr(
        Journal, "write", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left on device"))
    )
    with pytest.warns(MonitorWarning, match="journal is off after OSError: .*No space left.*training goes on") as told:
        diagnosis = feed(monitor, curve)
    assert len(told) == 1
    assert diagnosis == feed(Monitor(), curve)


def test_a_folder_that_cannot_be_made_costs_one_warning(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.warns(MonitorWarning, match="journal is off"):
        monitor = Monitor(run_dir=tmp_path / "file", sinks={})
    assert feed(monitor, curves.overfit(60)).verdict == "overfitting"


def test_strict_raises(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="File exists"):
        Monitor(run_dir=tmp_path / "file", sinks={}, strict=True)
