"""The routes beside the table: parts of a run, comparisons, downloads; what is asked for is checked."""

import csv
import json
import math
import os
import signal
import subprocess
import sys
import time
import urllib.request

import pytest

from overfit_monitor import Monitor
from overfit_monitor_tensorboard.writer import event_sink

PLUGIN = "/data/plugin/overfit_monitor"
FORMULA = '=HYPERLINK("http://evil")'


@pytest.fixture
def folder(logs, tmp_path):
    logs.write(tmp_path / "bad", {"train_loss": logs.falling, "val_loss": logs.turning})
    logs.write(tmp_path / "good", {"train_loss": logs.falling, "val_loss": logs.level, "lr": [0.1] * 30 + [0.01] * 30})
    logs.write(tmp_path / "broken", {"train_loss": logs.falling, "val_loss": logs.broken})
    logs.write(tmp_path / FORMULA.replace("/", "_"), {"train_loss": logs.falling})
    return tmp_path


@pytest.fixture
def ask(folder, serve):
    client = serve(folder)

    def asked(route, status=200, **arguments):
        response = client.get(f"{PLUGIN}/{route}", query_string=arguments)
        assert response.status_code == status, response.text
        return response

    return asked


def test_a_part_of_a_run(ask, logs):
    found = ask("series", run="bad", **{"from": 10, "to": 19}).json
    assert (found["run"], found["from"], found["to"]) == ("bad", 10, 19)
    assert found["series"]["val"]["values"] == pytest.approx(logs.turning[10:20])
    assert found["band"]["steps"] == found["limit"]["steps"] == list(range(10, 20))
    assert ask("series", run="bad", to=5).json["series"]["val"]["steps"] == list(range(6))


def test_times_are_those_of_the_log(ask):
    found = ask("run", run="bad").json["series"]["val"]
    assert found["times"] == [1000.0 + i for i in range(60)]
    assert ask("runs", wait=30).json["runs"][0]["last_time"] == 1059.0


def test_learning_rate_and_marks(ask):
    found = ask("run", run="good").json
    assert found["series"]["learning_rate"]["values"] == pytest.approx([0.1] * 30 + [0.01] * 30)
    assert [(m["kind"], m["step"]) for m in found["marks"] if m["kind"] == "learning_rate"] == [("learning_rate", 30)]


def test_runs_beside_each_other(ask):
    found = ask("compare", run=["good", "bad"]).json
    assert [item["run"] for item in found["runs"]] == ["bad", "good"]  # by the best value, not by the last
    assert [(item["base"], item["other"]) for item in found["comparisons"]] == [("bad", "good")]


def test_a_run_as_json(ask, logs):
    response = ask("export", run="broken", format="json")
    assert response.headers["Content-Disposition"] == 'attachment; filename="broken.json"'
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    found = json.loads(response.text, parse_constant=pytest.fail)
    assert found["series"]["validation"]["values"][:30] == pytest.approx(logs.broken[:30])
    assert found["series"]["validation"]["values"][30:] == ["NaN"] * 30
    assert found["diagnosis"]["verdict"] == "diverging"


def test_a_run_as_csv(ask, logs):
    response = ask("export", run="broken", format="csv")
    assert response.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(response.text.splitlines()))
    assert list(rows[0]) == ["step", "wall_time", "train", "validation", "gap"]
    assert [float(row["train"]) for row in rows] == pytest.approx(logs.falling)
    assert [row["validation"] for row in rows[29:31]] == [str(rows[29]["validation"]), "NaN"]
    assert math.isclose(float(rows[0]["wall_time"]), 1000.0)


def test_the_table_as_csv_holds_no_formula(ask):
    response = ask("export", format="csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="runs.csv"'
    rows = {row["run"]: row for row in csv.DictReader(response.text.splitlines())}
    assert rows["bad"]["verdict"] == "overfitting"
    assert "'" + FORMULA.replace("/", "_") in rows
    assert {row["run"] for row in ask("export").json["runs"]} == {"bad", "good", "broken", FORMULA.replace("/", "_")}


def test_a_hostile_name_makes_a_plain_file_name(ask):
    response = ask("export", run=FORMULA.replace("/", "_"), format="csv")
    assert response.headers["Content-Disposition"] == 'attachment; filename="HYPERLINK_http___evil.csv"'


@pytest.mark.parametrize("loader", ["python"], indirect=True)
@pytest.mark.parametrize(
    ("route", "arguments", "status", "message"),
    [
        ("series", {}, 400, "run: the name of a run is needed"),
        ("series", {"run": "gone"}, 404, "no run 'gone' with scalars"),
        ("series", {"run": "bad", "from": "x"}, 400, "from: must be a whole number but is 'x'"),
        ("series", {"run": "bad", "from": "1.5"}, 400, "from: must be a whole number but is '1.5'"),
        ("series", {"run": "bad", "to": "9" * 50}, 400, "to: must be a whole number but is '" + "9" * 40 + "...'"),
        ("series", {"run": "bad", "from": "1_000"}, 400, "from: must be a whole number but is '1_000'"),
        ("series", {"run": "bad", "to": " 7"}, 400, "to: must be a whole number but is ' 7'"),
        ("series", {"run": "bad", "to": "٣"}, 400, "to: must be a whole number but is '٣'"),
        ("series", {"run": "bad", "to": "1e9"}, 400, "to: must be a whole number but is '1e9'"),
        ("run", {"run": "\0"}, 404, "no run '\\x00' with scalars"),
        ("run", {"run": ".."}, 404, "no run '..' with scalars"),
        ("run", {"run": "bad/../good"}, 404, "no run 'bad/../good' with scalars"),
        ("run", {"run": "a\r\nb"}, 404, "no run 'a\\r\\nb' with scalars"),
        ("run", {"run": "x" * 4096}, 404, f"no run '{'x' * 200}...' with scalars"),
        ("run", {"run": "bad", "mode": "y" * 99, "val": "val_loss"}, 400, f"but is '{'y' * 40}...'"),
        ("runs", {"wait": "1e400"}, 400, "wait: must be a number from 0 to 30 but is '1e400'"),
        ("series", {"run": "bad", "from": "9", "to": "3"}, 400, "from: must not be after to, 3, but is 9"),
        ("runs", {"wait": "-1"}, 400, "wait: must be a number from 0 to 30 but is '-1'"),
        ("runs", {"wait": "nan"}, 400, "wait: must be a number from 0 to 30 but is 'nan'"),
        ("runs", {"wait": ["1", "2"]}, 400, "wait: given 2 times"),
        ("runs", {"since": ""}, 400, "since: must have 1 to 4096 characters but has 0"),
        ("compare", {"run": "bad"}, 400, "run: the names of at least two runs are needed"),
        ("compare", {"run": ["bad", "bad"]}, 400, "run: the names of at least two runs are needed"),
        ("compare", {"run": ["bad", "gone"]}, 404, "no run 'gone' with scalars"),
        ("compare", {"run": ["bad", ""]}, 400, "run: must have 1 to 4096 characters but has 0"),
        ("compare", {"run": [str(i) for i in range(51)]}, 400, "at most 50 runs can be compared but got 51"),
        ("export", {"run": "bad", "format": "xml"}, 400, "format: must be 'json' or 'csv' but is 'xml'"),
        ("export", {"run": "../bad"}, 404, "no run '../bad' with scalars"),
    ],
)
def test_wrong_arguments(route, arguments, status, message, ask, caplog):
    response = ask(route, status, **arguments)
    assert response.content_type == "application/json"
    assert list(response.json) == ["error"]
    assert message in response.json["error"]
    assert "\n" not in response.json["error"]
    assert not [record for record in caplog.records if record.exc_info]


@pytest.mark.parametrize("loader", ["python"], indirect=True)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_nothing_but_reading(method, folder, serve):
    client = serve(folder)
    for path in ("runs", "run?run=bad", "export?run=bad&format=csv", "index.js"):
        response = client.open(f"{PLUGIN}/{path}", method=method)
        assert (response.status_code, response.headers["Allow"]) == (405, "GET, HEAD")
        assert response.json == {"error": f"method: must be GET or HEAD but is {method!r}"}


@pytest.mark.parametrize("loader", ["python"], indirect=True)
def test_head_is_get_without_the_content(folder, serve):
    client = serve(folder)
    client.get(f"{PLUGIN}/runs?wait=30")
    for path, status in (("run?run=bad", 200), ("run?run=gone", 404), ("index.js", 200)):
        whole, head = client.get(f"{PLUGIN}/{path}"), client.head(f"{PLUGIN}/{path}")
        assert (head.status_code, head.text, whole.status_code) == (status, "", status)
        assert head.headers["Content-Length"] == whole.headers["Content-Length"]


@pytest.mark.parametrize("loader", ["python"], indirect=True)
def test_an_error_of_ours_is_one_line_and_is_logged(folder, serve, monkeypatch, caplog):
    from overfit_monitor_tensorboard import backend

    monkeypatch.setattr(backend, "compare", lambda _: 1 / 0)
    response = serve(folder).get(f"{PLUGIN}/compare?run=bad&run=good")
    assert response.status_code == 500
    assert response.json == {"error": "overfit-monitor could not answer: ZeroDivisionError: division by zero"}
    assert "overfit-monitor could not answer /data/plugin/overfit_monitor/compare" in caplog.text


def test_a_watched_run_shows_all_that_was_recorded(serve, logs, tmp_path):
    run_dir = tmp_path / "run"
    with Monitor(run_dir, sinks={"tensorboard": event_sink(run_dir)}, strict=True, false_alarm_rate=0.01) as monitor:
        monitor.describe_examples(val_labels=[0, 1] * 15, val_names=[f"image{i}.png" for i in range(30)])
        from overfit_monitor.records import AppliedChange

        for step, (train, val) in enumerate(zip(logs.falling, logs.turning, strict=True)):
            if step == 40:
                monitor.know_change(AppliedChange(id="weight_decay", step=39, before={"p": 0.0}, after={"p": 0.1}))
            losses = [val + 0.01 * (i - 14.5) for i in range(30)]
            monitor.log(step=step, train={"loss": train}, val_losses=losses, probe_losses=[train] * 20)
        expected, tables = monitor.diagnosis, monitor.examples
    found = serve(tmp_path).get(f"{PLUGIN}/run", query_string={"run": "run"}).json
    assert found["examples"]["step"] == tables.step == 59  # at the end, and not at the alarm
    assert [row["name"] for row in found["examples"]["worst"]] == [row.name for row in tables.worst]
    assert found["examples"]["worst"][0]["name"] == "image29.png"
    assert [row["label"] for row in found["examples"]["classes"]] == [row.label for row in tables.classes]
    assert [change["id"] for change in found["applied"]] == ["weight_decay"]
    assert ("applied", 39) in [(mark["kind"], mark["step"]) for mark in found["marks"]]
    assert "alert" in [mark["kind"] for mark in found["marks"]]
    assert found["diagnosis"]["verdict"] == expected.verdict
    assert found["test"]["limit"] > 20  # of a rate of 0.01, where the default's is below
    probe = found["series"]["probe"]
    assert probe["values"] == pytest.approx([logs.falling[step] for step in probe["steps"]], rel=1e-5)
    assert len(found["series"]["like_for_like_gap"]["steps"]) == len(probe["steps"]) > 0


def test_a_damaged_file_is_judged_as_far_as_it_can_be_read_and_says_so(serve, logs, tmp_path):
    path = logs.write(tmp_path / "run", {"train_loss": logs.falling, "val_loss": logs.turning})
    content = bytearray(path.read_bytes())
    middle = len(content) // 2
    content[middle] ^= 0xFF
    path.write_bytes(content)
    client = serve(tmp_path, damaged=True)
    found = client.get(f"{PLUGIN}/run?run=run&exact=true").json
    assert len(found["series"]["val"]["steps"]) >= 59
    assert any("is damaged or cut off and was skipped" in note for note in found["diagnosis"]["notes"])
    assert not client.get(f"{PLUGIN}/run?run=run").json["diagnosis"]["notes"]  # it may still be written to
    os.utime(path, (1e9, 1e9))
    sample = serve(tmp_path, damaged=True).get(f"{PLUGIN}/run?run=run").json
    assert sample["series"]["val"]["steps"][-1] < 59
    assert sample["diagnosis"]["notes"][0].startswith("TensorBoard stops at the damage, so the end of train_loss")
    assert "is damaged or cut off and was skipped" in sample["diagnosis"]["notes"][1]


def test_what_lies_outside_is_not_read(serve, logs, tmp_path):
    """A log folder that is not local, or a folder's name that leads out of it, has no exact answer."""
    from pathlib import Path

    from overfit_monitor_tensorboard.detail import Details
    from overfit_monitor_tensorboard.grouping import Curve, Group

    logs.write(tmp_path / "secret", {"val_loss": logs.level})
    (tmp_path / "logs").mkdir()
    for folder in ("../secret", str(tmp_path / "secret"), "a/../../secret"):
        found = Group("x", (Curve(folder, "val_loss", "val_loss"),), (folder,))
        assert Details(None, tmp_path / "logs")._files(found) == {}
    assert Details(None, None)._files(found) == Details(None, Path("s3://bucket"))._files(found) == {}


# Without TensorFlow, which TensorBoard would import where it is installed, for many seconds.
LEAN = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
"""
PROGRAM = (
    LEAN
    + """
from tensorboard import program
board = program.TensorBoard()
board.configure(argv=["", *sys.argv[1:]])
print(board.launch(), flush=True)
sys.stdin.read()
"""
)


@pytest.mark.parametrize(
    ("options", "prefix"),
    [
        (["--logdir_spec={name}:{root}/bad,b:{root}/good", "--load_fast=false"], ""),
        (["--logdir={root}", "--path_prefix=/deep/down"], "/deep/down"),
    ],
)
def test_launched_from_a_program(folder, options, prefix):
    """As ``tensorboard.program`` in anybody's script does."""
    named = [option.format(root=folder, name="a") for option in options]
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, *named, "--port=0", "--host=127.0.0.1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
    try:
        address = process.stdout.readline().strip().rstrip("/").removesuffix(prefix)
        names, deadline = set(), time.monotonic() + 60
        expected = {"a", "b"} if "spec" in options[0] else {"bad", "good", "broken", FORMULA.replace("/", "_")}
        while names != expected:
            assert time.monotonic() < deadline, names
            with urllib.request.urlopen(f"{address}{prefix}{PLUGIN}/runs?wait=5") as answer:
                found = json.load(answer)
            names = {row["run"] for row in found["runs"]}
        with urllib.request.urlopen(f"{address}{prefix}{PLUGIN}/index.js") as answer:
            assert "render" in answer.read().decode()
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(20)
        process.stdout.close()


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # TensorBoard lets go of the process it starts
def test_started_by_the_magic_of_notebooks(folder, tmp_path_factory, monkeypatch, capsys):
    """As ``%tensorboard --logdir …`` does, which finds a TensorBoard that is running again."""
    from tensorboard import manager, notebook

    home = tmp_path_factory.mktemp("home")
    binary = home / "tensorboard"
    binary.write_text(f"#!{sys.executable}\n{LEAN}\nfrom tensorboard.main import run_main\nrun_main()\n")
    binary.chmod(0o755)
    paths = os.pathsep.join(path for path in sys.path if path)
    for name, value in {"TENSORBOARD_BINARY": binary, "TMPDIR": home, "PYTHONPATH": paths}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(manager.tempfile, "tempdir", str(home))
    for _ in range(2):
        notebook.start(f"--logdir '{folder}' --port 0 --host 127.0.0.1")
    (found,) = manager.get_all()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{found.port}{PLUGIN}/runs?wait=20") as answer:
            assert json.load(answer)["schema_version"] == 1
        assert "Reusing TensorBoard" in capsys.readouterr().out
    finally:
        os.kill(found.pid, signal.SIGTERM)
        os.waitpid(found.pid, 0)
