"""What the doctor says of an environment and of logs."""

import json
import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from overfit_monitor import Monitor
from overfit_monitor.cli import main
from overfit_monitor.doctor import look_at_environment, look_at_log
from overfit_monitor.testing import curves

CURVE = curves.overfit(60)
FINE = {"overfit-monitor": "0.1.0", "numpy": "2.0.0", "scipy": "1.14.0", "pydantic": "2.9.0"}
POINT = EntryPoint("overfit_monitor", "overfit_monitor_tensorboard.plugin:OverfitPlugin", "tensorboard_plugins")


def environment(versions, points=(POINT,)):
    return look_at_environment((FINE | versions).get, points)


def test_all_is_fine():
    found = environment({"torch": "2.6.0+cu124", "scipy": "1.12"})
    assert found.troubles == ()
    assert {package.name: package.version for package in found.packages}["torch"] == "2.6.0+cu124"
    assert {package.name for package in found.packages if package.extra is None} == {"numpy", "scipy", "pydantic"}


@pytest.mark.parametrize(
    ("versions", "trouble"),
    [
        ({"numpy": "1.24.4"}, "numpy: it is older than 1.26, the oldest that is supported: pip install --upgrade"),
        ({"scipy": None}, "scipy: it is not installed, and the core needs it"),
        ({"torch": "1.13.1"}, 'torch: it is older than 2.4, the oldest that is supported: pip install --upgrade "o'),
        ({"scipy": "1.11.4"}, "scipy: it is older than 1.12"),
        ({"tensorboard": "2.20.0", "setuptools": "82.0.1"}, "tensorboard 2.20.0 does not start with setuptools 82.0.1"),
    ],
)
def test_a_version_that_is_trouble(versions, trouble):
    found = environment(versions).troubles
    assert any(each.startswith(trouble) for each in found)


def test_tensorboard_2_20_with_old_setuptools_starts():
    assert not any("setuptools" in each for each in environment({"tensorboard": "2.20.0", "setuptools": "80"}).troubles)


def test_tensorboard_that_does_not_know_of_the_tab():
    (trouble,) = environment({"tensorboard": "2.21.0"}, points=()).troubles
    assert trouble.startswith("TensorBoard does not know of the tab")


def test_entry_points_work_or_say_why(monkeypatch):
    broken = EntryPoint("json", "overfit_monitor_none:Reader", "overfit_monitor.readers")
    unused = EntryPoint("no_such_package", "overfit_monitor_x:Y", "overfit_monitor.sinks")
    offers = environment({}, (broken, unused)).offers
    assert [(offer.state, offer.why) for offer in offers] == [
        ("broken", "ModuleNotFoundError: No module named 'overfit_monitor_none'"),
        ("unused", "no_such_package is not installed"),
    ]
    assert environment({}, (broken,)).troubles == (
        "the entry point 'json' of overfit_monitor.readers does not work: ModuleNotFoundError: No module named "
        "'overfit_monitor_none'.",
    )


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{step},{CURVE.train[step]},{CURVE.val[step]},{0.1}\n" for step in range(60))
    Path("log.csv").write_text("epoch,train_loss,val_loss,lr\n" + rows, encoding="utf-8")
    Path("odd.csv").write_text("epoch,train_loss,held out\n" + rows.replace(",0.1\n", "\n"), encoding="utf-8")


def test_a_log_that_is_fine():
    log = look_at_log("log.csv")
    (run,) = log.runs
    assert log.fine
    assert (run.verdict, run.compared) == ("overfitting", "val_loss with train_loss, lower is better")
    assert (run.evaluations, run.first_step, run.last_step) == (60, 0, 59)
    assert {name.name: (name.role, name.metric) for name in run.names} == {
        "epoch": ("step", None),
        "train_loss": ("train", "loss"),
        "val_loss": ("val", "loss"),
        "lr": ("rate", None),
    }
    assert log.commands == ("overfit-monitor check log.csv --explain", "overfit-monitor watch log.csv")


def test_a_log_without_validation_says_what_to_type(capsys):
    log = look_at_log("odd.csv")
    assert not log.fine
    assert log.commands == ("overfit-monitor check odd.csv --val 'held out' --train train_loss",)
    assert main(["check", "odd.csv", "--val", "held out", "--train", "train_loss", "--mode", "min"]) == 1


def test_what_is_not_read_and_why():
    Path("runs/a").mkdir(parents=True)
    with Monitor("runs/a", sinks={}) as monitor:
        monitor.log(step=0, val={"loss": 1.0})
    Path("runs/a/events.out.tfevents.1").write_bytes(b"\x18" + b"\0" * 12 + b"brain.Event:2")
    Path("runs/notes.txt").write_text("dear diary\n", encoding="utf-8")
    log = look_at_log("runs")
    told = {Path(left.source).name: (left.why, left.wrong) for left in log.left}
    assert told["events.out.tfevents.1"] == ("the overfit-monitor.jsonl beside it is read instead", False)
    assert told["notes.txt"][1] is False
    assert [run.run for run in log.runs] == ["a"]


def test_every_file_is_told_of_once_whatever_its_name():
    folder = Path("runs")
    folder.mkdir(exist_ok=True)
    for name in (b"\xff\n.csv", b"\x1b[31m.csv", b"n" * 250 + b".csv"):
        (folder / os.fsdecode(name)).write_text("epoch,loss,val_loss\n0,1,2\n", encoding="utf-8")
    log = look_at_log("runs")
    assert (len(log.runs), log.left, log.more) == (3, (), 0)


def test_all_files_that_are_passed_over_are_counted(capsys, monkeypatch):
    monkeypatch.setattr("overfit_monitor.doctor.logs.MOST_LEFT", 12)
    for number in range(20):
        Path(f"diary{number}.txt").write_text("dear diary\n", encoding="utf-8")
    log = look_at_log(".")
    assert (len(log.left), log.more) == (12, log.files - len(log.runs) - 12)
    main(["doctor", "."])
    assert f"- and {log.files - len(log.runs) - 10} more not read (--all names them)" in capsys.readouterr().out
    main(["doctor", ".", "--all"])
    assert f"- and {log.more} more not read\n" in capsys.readouterr().out


def test_files_elsewhere_are_not_counted(capsys):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/doctor/a/log.csv", Path("log.csv").read_bytes())
    memory.pipe("/doctor/empty.csv", b"")
    log = look_at_log("memory://doctor")
    assert (log.files, [run.source for run in log.runs]) == (None, ["memory://doctor/a/log.csv"])
    assert [(left.source, left.why) for left in log.left] == [
        ("memory://doctor/empty.csv", "line 1: the file is empty")
    ]
    assert log.tab == "TensorBoard's tab shows none of the runs; it reads event files only."
    main(["doctor", "memory://doctor"])
    assert "memory://doctor  1 run(s)\n" in capsys.readouterr().out


def test_restarts_and_rare_validation():
    rows = [*range(10), *range(5, 20)]
    text = "".join(f"{step},1.0,{'' if step % 5 else 1.0}\n" for step in rows)
    Path("log.csv").write_text("epoch,train_loss,val_loss\n" + text, encoding="utf-8")
    (run,) = look_at_log("log.csv").runs
    assert any("the step goes back, or comes twice, 1 time(s)" in hint for hint in run.hints)
    assert any("validation is there at 5 of 25 steps" in hint for hint in run.hints)


def test_a_sampled_log():
    pytest.importorskip("tensorboard")
    from overfit_monitor_tensorboard.writer import event_sink

    sink = event_sink(Path("tb"))
    with Monitor(sinks={"tensorboard": sink}) as monitor:
        for step in range(1100):
            monitor.log(step=step, train={"loss": 1.0}, val={"loss": 1.0})
    log = look_at_log("tb")
    (run,) = log.runs
    assert log.tab == "TensorBoard's tab shows the runs of 1 event file(s)."
    assert any("TensorBoard keeps a sample of 1,000 points" in hint for hint in run.hints)


def test_the_text(capsys):
    status = main(["doctor", "log.csv", "odd.csv", "none.csv"])
    out = capsys.readouterr().out
    assert status == 2
    for told in (
        "✓ numpy",
        "compared: val_loss with train_loss, lower is better",
        "TensorBoard shows nothing of it: there is no event file",
        "✗ odd",
        "not judged: no validation metric was found",
        "  overfit-monitor check odd.csv --val 'held out' --train train_loss",
        "✗ not read: none.csv: no such file or folder",
    ):
        assert told in out
    assert "\x1b" not in out


def test_the_json(capsys):
    assert main(["doctor", "log.csv", "--format", "json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["environment"]["troubles"] == []
    assert told["logs"][0]["runs"][0]["verdict"] == "overfitting"


def test_many_runs_are_short(capsys):
    Path("runs").mkdir()
    text = Path("log.csv").read_text(encoding="utf-8")
    for number in range(12):
        Path(f"runs/{number}.csv").write_text(text, encoding="utf-8")
    assert main(["doctor", "runs"]) == 0
    short = capsys.readouterr().out
    assert short.count("compared:") == 5
    assert main(["doctor", "runs", "--all"]) == 0
    assert capsys.readouterr().out.count("compared:") == 12


def test_hostile_names_do_not_reach_the_terminal(capsys):
    Path("bad.csv").write_text("epoch,train_loss,val_loss\x1b[31m\n0,1,2\n1,1,2\n", encoding="utf-8")
    main(["doctor", "bad.csv"])
    assert "\x1b" not in capsys.readouterr().out
