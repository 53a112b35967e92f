"""The routes of the tab, over both of TensorBoard's data loaders."""

import json
import math

import pytest
from werkzeug.test import Client

from overfit_monitor import Monitor
from overfit_monitor_tensorboard import detail
from overfit_monitor_tensorboard.events import EventReader
from overfit_monitor_tensorboard.writer import event_sink

PLUGIN = "/data/plugin/overfit_monitor"
HOSTILE = '<img src=x onerror="alert(1)">'
STEPS = ("verdict", "onset_step", "alarm_step", "best_step", "stop_step")


def table(client):
    response = client.get(f"{PLUGIN}/runs", query_string={"wait": 30})
    assert response.status_code == 200, response.text
    assert response.json["pending"] == 0
    return {row["run"]: row for row in response.json["runs"]}


def details(client, run, **arguments):
    response = client.get(f"{PLUGIN}/run", query_string={"run": run} | arguments)
    assert response.status_code == 200, response.text
    return response.json


def watch(run_dir, train, val, **settings):
    with Monitor(run_dir, sinks={"tensorboard": event_sink(run_dir)}, strict=True, **settings) as monitor:
        for step, (a, b) in enumerate(zip(train, val, strict=True)):
            monitor.log(step=step, train={"loss": a}, val={"loss": b})
        return monitor.diagnosis


@pytest.fixture
def corpus(logs, tmp_path):
    """One log with everything in it that people log."""
    root = tmp_path / "logs"
    logs.write(root / "tags", {"Loss/train": logs.falling, "Loss/val": logs.turning})
    logs.write(root / "keras" / "train", {"epoch_loss": logs.falling, "epoch_lr": [0.1] * 60})
    logs.write(root / "keras" / "validation", {"epoch_loss": logs.level})
    logs.write(root / "sub" / "Loss_train", {"Loss": logs.falling})
    logs.write(root / "sub" / "Loss_val", {"Loss": logs.turning})
    logs.write(root / "broken", {"train_loss": logs.falling, "val_loss": logs.broken})
    logs.write(root / "train-only", {"train_loss": logs.falling, "lr": [0.1] * 60})
    logs.write(root / "unknown", {"train/reward": logs.falling, "val/reward": logs.level})
    logs.write(root / "restarted", {"train_loss": logs.falling[:40], "val_loss": logs.turning[:40]})
    later = {"train_loss": list(enumerate(logs.falling))[5:50], "val_loss": list(enumerate(logs.level))[5:50]}
    logs.write(root / "restarted", later, stamp=1700000009, wall_time=5000.0)
    logs.write(root / "max", {"train_acc": [1 - v / 2 for v in logs.falling], "val_acc": [1 - v for v in logs.turning]})
    watch(root / "watched", logs.falling, logs.turning)
    logs.write(root / "both", {"train_loss": logs.falling, "val_loss": logs.turning})
    watch(root / "both", logs.falling, logs.turning)
    return root


EXPECTED = {
    "tags": "overfitting",
    "keras": "healthy",
    "sub": "overfitting",
    "broken": "diverging",
    "train-only": "inconclusive",
    "unknown": "inconclusive",
    "restarted": "healthy",
    "max": "overfitting",
    "watched": "overfitting",
    "both": "overfitting",
}


def test_verdicts_are_those_of_the_reader_and_the_engine(corpus, serve):
    rows = table(serve(corpus))
    assert {name: row["verdict"] for name, row in rows.items()} == EXPECTED
    for run in EventReader().read(sorted(corpus.rglob("*tfevents*")), corpus):
        if run.name == "unknown":
            continue
        diagnosis = Monitor(**run.settings).replay(run.observations)
        assert {name: rows[run.name][name] for name in STEPS} == diagnosis.model_dump(include=set(STEPS)), run.name


def test_rows(corpus, serve):
    client = serve(corpus)
    answer = client.get(f"{PLUGIN}/runs?wait=30").json
    assert (answer["schema_version"], answer["complete"], answer["more"], answer["removed"]) == (1, True, False, [])
    assert answer["total"] == len(answer["runs"]) == len(EXPECTED)
    order = [row["verdict"] for row in answer["runs"]]
    assert order[0] == "diverging"
    assert order[1:6] == ["overfitting"] * 5
    rows = table(client)
    assert (rows["tags"]["train_tag"], rows["tags"]["val_tag"]) == ("Loss/train", "Loss/val")
    assert rows["keras"]["val_tag"] == "validation/epoch_loss"
    assert rows["sub"]["val_tag"] == "Loss_val/Loss"
    assert rows["watched"]["val_tag"] == "overfit-monitor/overfit/val"
    assert rows["both"]["val_tag"] == "val_loss"
    assert rows["max"]["metrics"] == {"train": "acc", "val": "acc", "mode": "max", "also": {}}
    assert rows["tags"]["severity"] == "error"
    assert rows["tags"]["last_step"] == 59
    assert len(rows["tags"]["sparkline"]) == len(rows["tags"]["sparkline_train"]) == 48
    assert rows["broken"]["sparkline"][-1] is None
    assert "validation is" in rows["tags"]["message"]
    assert rows["train-only"]["message"] == "no validation metric is among the tags: lr, train_loss"
    assert rows["train-only"]["sparkline"] == []
    assert "mode must be" in rows["unknown"]["message"]
    assert not any(row["sampled"] for row in rows.values())
    assert rows["watched"]["alerts"] == rows["both"]["alerts"] >= 1
    assert rows["tags"]["alerts"] == 0


def test_what_was_advised_live_is_shown(corpus, serve):
    rows = table(serve(corpus))
    assert rows["watched"]["recommendation"]


def test_one_run(corpus, serve, logs):
    answer = details(serve(corpus), "tags")
    assert answer["diagnosis"]["verdict"] == "overfitting"
    assert answer["diagnosis"]["run"] == "tags"
    assert answer["tags"] == {"train": "Loss/train", "val": "Loss/val"}
    assert answer["series"]["val"]["steps"] == list(range(60))
    assert answer["series"]["val"]["values"] == pytest.approx(logs.turning)
    assert answer["series"]["train"]["values"] == pytest.approx(logs.falling)
    gap = [b - a for a, b in zip(logs.falling, logs.turning, strict=True)]
    assert answer["series"]["gap"]["values"] == pytest.approx(gap, abs=1e-6)
    assert (answer["alerts"], answer["alerts_recorded"]) == ([], False)
    assert answer["choices"] == ["Loss/train", "Loss/val"]


def test_the_gap_of_an_accuracy_is_larger_where_it_is_worse(corpus, serve):
    assert details(serve(corpus), "max")["series"]["gap"]["values"][-1] > 0.5


def test_a_watched_run_gives_its_alerts(corpus, serve):
    answer = details(serve(corpus), "watched")
    assert answer["alerts_recorded"] is True
    assert "overfitting" in [alert["id"] for alert in answer["alerts"]]
    assert all(isinstance(alert["step"], int) for alert in answer["alerts"])


def test_a_run_without_validation_gives_its_reason(corpus, serve):
    client = serve(corpus)
    assert table(client)["train-only"]["last_step"] == 59
    answer = details(client, "train-only")
    assert answer["tags"] == {"train": "train_loss", "val": None}
    assert len(answer["series"]["train"]["steps"]) == 60
    assert answer["series"]["val"]["steps"] == answer["series"]["gap"]["steps"] == []
    assert answer["band"] is answer["limit"] is answer["test"] is None
    assert "no validation metric" in answer["diagnosis"]["not_judged"][0]["reason"]


def test_a_run_that_cannot_be_judged_shows_its_curves(corpus, serve):
    answer = details(serve(corpus), "unknown")
    assert answer["tags"] == {"train": "train/reward", "val": "val/reward"}
    assert len(answer["series"]["val"]["steps"]) == len(answer["series"]["gap"]["steps"]) == 60
    assert answer["diagnosis"]["verdict"] == "inconclusive"


def test_the_direction_by_the_users_choice(corpus, serve):
    client = serve(corpus)
    answers = {mode: details(client, "unknown", val="val/reward", mode=mode)["diagnosis"] for mode in ("min", "max")}
    assert {mode: answer["best_step"] for mode, answer in answers.items()} == {"min": 57, "max": 0}


def test_nan_is_null_and_the_json_has_no_bare_nan(corpus, serve):
    response = serve(corpus).get(f"{PLUGIN}/run", query_string={"run": "broken"})

    def refuse(constant):
        raise AssertionError(constant)

    answer = json.loads(response.text, parse_constant=refuse)
    assert (answer["series"]["val"]["steps"][-1], answer["series"]["val"]["values"][-1]) == (59, None)


def test_other_curves_by_the_users_choice(corpus, serve):
    answer = details(serve(corpus), "tags", val="Loss/train")
    assert answer["tags"] == {"train": None, "val": "Loss/train"}
    assert answer["diagnosis"]["verdict"] == "healthy"
    answer = details(serve(corpus), "both", val="overfit-monitor/overfit/val", train="train_loss")
    assert answer["tags"] == {"train": "train_loss", "val": "overfit-monitor/overfit/val"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        ({}, 400, "run: the name of a run is needed"),
        ({"run": ""}, 400, "run: must have 1 to 4096 characters but has 0"),
        ({"run": "x" * 5000}, 400, "run: must have 1 to 4096 characters but has 5000"),
        ({"run": ["tags", "keras"]}, 400, "run: given 2 times"),
        ({"run": "nowhere"}, 404, "no run 'nowhere' with scalars"),
        ({"run": "../logs/tags"}, 404, "no run"),
        ({"run": "tags", "train": "Loss/train"}, 400, "val: the name of a curve is needed"),
        ({"run": "tags", "val": "Loss/vla"}, 400, "Did you mean 'Loss/val'"),
        ({"run": "tags", "mode": "min"}, 400, "val: the name of a curve is needed"),
        ({"run": "tags", "val": "Loss/val", "mode": "up"}, 400, "mode: must be 'min' or 'max' but is 'up'"),
        ({"run": "tags", "exact": "yes"}, 400, "exact: must be 'true' or 'false' but is 'yes'"),
    ],
)
def test_wrong_arguments(arguments, status, message, corpus, serve):
    response = serve(corpus).get(f"{PLUGIN}/run", query_string=arguments)
    assert response.status_code == status
    assert message in response.text


def test_hostile_names_come_back_as_they_are(logs, serve, tmp_path):
    run = HOSTILE.replace("/", "_")
    logs.write(tmp_path / run, {f"train/{HOSTILE}_loss": logs.falling, f"val/{HOSTILE}_loss": logs.turning})
    client = serve(tmp_path)
    response = client.get(f"{PLUGIN}/runs?wait=30")
    assert response.content_type == "application/json"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.json["runs"][0]["run"] == run
    assert details(client, run)["tags"]["val"] == f"val/{HOSTILE}_loss"


def test_a_log_without_anything(serve, tmp_path):
    assert serve(tmp_path).get(f"{PLUGIN}/runs").json["runs"] == []


def test_a_sample_is_called_one_and_exact_reads_all(logs, serve, tmp_path):
    wave = [1.0 + 0.1 * math.sin(i / 30) for i in range(1500)]
    logs.write(tmp_path / "long", {"train_loss": wave, "val_loss": [*wave[:-2], 9.0, wave[-1]]})
    client = serve(tmp_path, scalars=200)
    assert table(client)["long"]["sampled"] is True
    sample = details(client, "long")
    assert (sample["sampled"], sample["exact"], sample["exact_possible"]) == (True, False, True)
    assert len(sample["series"]["val"]["steps"]) == 200
    whole = details(client, "long", exact="true")
    assert (whole["sampled"], whole["exact"], whole["exact_possible"]) == (False, True, True)
    assert whole["series"]["val"]["steps"] == list(range(1500))
    assert whole["series"]["val"]["values"][1498] == 9.0


def test_exact_has_the_wall_times_of_the_log(corpus, serve):
    client = serve(corpus)
    for run in ("tags", "keras", "watched"):
        sample, whole = details(client, run)["series"], details(client, run, exact="true")["series"]
        assert whole["val"]["times"] == sample["val"]["times"], run
        assert whole["train"]["times"] == sample["train"]["times"], run


def test_a_restart_is_marked_on_both_loaders_where_the_files_are_local(corpus, serve):
    """The rust loader has forgotten what was before it."""
    client = serve(corpus)
    for wish in ({}, {"exact": "true"}):
        answer = details(client, "restarted", **wish)
        assert [(m["kind"], m["step"]) for m in answer["marks"] if m["kind"] == "restart"] == [("restart", 5)]
        assert answer["series"]["val"]["times"] == [1000.0 + i for i in range(5)] + [5000.0 + i for i in range(45)]
        assert not answer["diagnosis"]["notes"]


def test_a_restart_that_cannot_be_seen_is_told_as_the_pause_that_it_is(corpus, serve, loader, monkeypatch):
    monkeypatch.setattr(detail, "MOST_LOOKED_THROUGH", 0)
    answer = details(serve(corpus), "restarted")
    kinds = [mark["kind"] for mark in answer["marks"]]
    if loader == "python":
        assert ("restart" in kinds, answer["diagnosis"]["notes"]) == (True, [])
    else:
        assert "restart" not in kinds
        assert answer["diagnosis"]["notes"][0].startswith("Between steps 4 and 5 1.1 h passed, 1 s a step is usual")


def test_all_points_where_the_user_asks_tensorboard_for_all(logs, serve, tmp_path):
    wave = [1.0 + 0.1 * math.sin(i / 30) for i in range(3000)]
    logs.write(tmp_path / "long", {"train_loss": wave, "val_loss": wave})
    answer = details(serve(tmp_path, scalars=0), "long")
    assert answer["sampled"] is False
    assert 1500 < len(answer["series"]["val"]["steps"]) <= 2000


def test_the_newest_alert_record_is_enough(logs, serve, tmp_path):
    """Without our loader's setting the Python loader keeps ten records of a tag."""
    watch(tmp_path / "run", logs.falling, logs.turning)
    answer = details(serve(tmp_path, overfit_monitor=1), "run")
    assert "overfitting" in [alert["id"] for alert in answer["alerts"]]


def test_a_metric_with_its_own_direction(logs, serve, tmp_path):
    run_dir = tmp_path / "run"
    with Monitor(run_dir, sinks={"t": event_sink(run_dir)}, strict=True, metric="reward", mode="max") as monitor:
        for step, value in enumerate(logs.falling):
            monitor.log(step=step, train={"reward": -value}, val={"reward": -value})
    row = table(serve(tmp_path))["run"]
    assert (row["verdict"], row["metrics"]) == (
        "healthy",
        {"train": "reward", "val": "reward", "mode": "max", "also": {}},
    )


def test_a_run_is_judged_once_as_long_as_it_stays_the_same(corpus, serve, monkeypatch):
    client = serve(corpus)
    before, detail = table(client), details(client, "tags")
    monkeypatch.setattr(Monitor, "replay", lambda *_: pytest.fail("judged again"))
    assert table(client) == before
    assert details(client, "tags") == detail


def test_one_strange_run_does_not_take_the_others_along(corpus, serve, monkeypatch):
    whole = Monitor.replay

    def strange(self, observations):
        if any("acc" in observation.val for observation in observations):
            raise ZeroDivisionError("surprise")
        return whole(self, observations)

    monkeypatch.setattr(Monitor, "replay", strange)
    rows = table(serve(corpus))
    assert rows["max"]["message"] == "ZeroDivisionError: surprise"
    assert {name: row["verdict"] for name, row in rows.items()} == EXPECTED | {"max": "inconclusive"}


def test_the_tab_is_there_for_any_log_with_scalars(logs, serve, tmp_path):
    logs.write(tmp_path, {"loss": [1.0]})
    assert serve(tmp_path).get("/data/plugins_listing").json["overfit_monitor"]["enabled"] is True


@pytest.mark.parametrize("loader", ["python"], indirect=True)
class TestStatic:
    """The frontend's files do not depend on the data loader."""

    def test_the_module_is_served_as_a_module(self, serve, tmp_path):
        response = serve(tmp_path).get(f"{PLUGIN}/index.js")
        assert response.status_code == 200
        assert response.content_type == "text/javascript; charset=utf-8"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert "render" in response.text

    @pytest.mark.parametrize(
        "path",
        [
            "/../plugin.py",
            "/plugin.py",
            "/%2e%2e/plugin.py",
            "/..%2fplugin.py",
            "/vendor/../../plugin.py",
            "/static/index.js",
            "/index.js/",
            "/index.js%00",
            "/vendor",
            "/vendor/",
            "//etc/passwd",
            "/",
        ],
    )
    def test_nothing_else_is_served(self, path, serve, tmp_path):
        client: Client = serve(tmp_path)
        response = client.get(PLUGIN + path)
        # TensorBoard itself takes a slash from the end of a path.
        assert response.status_code == (200 if path == "/index.js/" else 404)

    def test_licences_and_other_files_stay_where_they_are(self, serve, tmp_path):
        from overfit_monitor_tensorboard.routes import static_apps

        assert static_apps()
        assert all(route.endswith((".js", ".mjs", ".css", ".svg", ".json")) for route in static_apps())
