"""The table of runs judges again what changed, and nothing else, apart from the requests."""

import json
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

pytest.importorskip("tensorboard")

from overfit_monitor_tensorboard import detail
from overfit_monitor_tensorboard import table as tables
from overfit_monitor_tensorboard.alerts import AlertState, encode
from overfit_monitor_tensorboard.backend import Backend
from overfit_monitor_tensorboard.detail import Wish
from overfit_monitor_tensorboard.names import ALERTS_TAG

TRAIN = [1.0 / (1 + i) for i in range(40)]
RISING = [1.0 / (1 + i) if i < 10 else 0.1 + 0.02 * (i - 10) for i in range(40)]


class Provider:
    """A data provider over a dictionary that counts what is read."""

    def __init__(self):
        self.data = {}
        self.states = {}
        self.read = []
        self.clock = 1000.0

    def log(self, run, val, train=TRAIN, first=0):
        for tag, values in (("train_loss", train), ("val_loss", val)):
            series = self.data.setdefault(run, {}).setdefault(tag, [])
            for i, value in enumerate(values, first):
                self.clock += 1.0
                series.append(SimpleNamespace(step=i, value=value, wall_time=self.clock))

    def record(self, run, sequence, **state):
        content = np.array(encode(AlertState(**state)))
        self.states[run] = [SimpleNamespace(step=sequence, wall_time=self.clock, numpy=content)]

    def list_scalars(self, _ctx, *, experiment_id, plugin_name):
        assert (experiment_id, plugin_name) == ("", "scalars")
        return {run: {tag: _end(series) for tag, series in tags.items()} for run, tags in self.data.items()}

    def list_tensors(self, _ctx, *, experiment_id, plugin_name, run_tag_filter):
        assert (experiment_id, plugin_name, run_tag_filter.tags) == ("", "overfit_monitor", {ALERTS_TAG})
        return {run: {ALERTS_TAG: _end(series)} for run, series in self.states.items()}

    def read_scalars(self, _ctx, *, experiment_id, plugin_name, downsample, run_tag_filter):
        assert downsample == 1000
        self.read += sorted(run_tag_filter.runs)
        return {run: dict(self.data[run]) for run in run_tag_filter.runs & self.data.keys()}

    def read_tensors(self, _ctx, *, experiment_id, plugin_name, downsample, run_tag_filter):
        return {run: {ALERTS_TAG: self.states[run]} for run in run_tag_filter.runs & self.states.keys()}


def _end(series):
    return SimpleNamespace(max_step=max(d.step for d in series), max_wall_time=max(d.wall_time for d in series))


@pytest.fixture
def provider():
    found = Provider()
    for name in ("a", "b", "c"):
        found.log(name, RISING)
    return found


@pytest.fixture
def backend(provider):
    return Backend(provider)


def asked(backend, since=None, wait=30.0):
    return backend.runs(None, "", since=since, wait=wait)


def names(answer):
    return [row["run"] for row in answer["runs"]]


def test_only_what_changed_is_read_and_told(provider, backend):
    first = asked(backend)
    assert (names(first), first["complete"], first["pending"]) == (["a", "b", "c"], True, 0)
    provider.read.clear()
    second = asked(backend, first["token"])
    assert (second["runs"], second["complete"], second["total"], provider.read) == ([], False, 3, [])
    provider.log("b", [2.0], [0.01], first=40)
    third = asked(backend, second["token"])
    assert (names(third), provider.read) == (["b"], ["b"])
    assert third["runs"][0]["last_step"] == 40
    assert third["runs"][0]["version"] > max(row["version"] for row in first["runs"])
    assert names(asked(backend, third["token"])) == []


def test_what_does_not_matter_is_not_read(provider, backend):
    token = asked(backend)["token"]
    provider.read.clear()
    provider.data["a"]["weights/norm"] = provider.data["a"]["val_loss"][:3]
    asked(backend, token)  # a new curve may be one to compare, so it is looked at once
    provider.read.clear()
    provider.data["a"]["weights/norm"] = provider.data["a"]["val_loss"][:9]
    assert names(asked(backend, token)) == provider.read == []


def test_the_same_row_is_not_told_again(provider, backend):
    token = asked(backend)["token"]
    provider.read.clear()
    provider.record("b", 0, step=1)  # says nothing new
    assert names(asked(backend, token)) == []
    assert provider.read == ["b"]


def test_a_new_record_of_ours_is_taken_in(provider, backend):
    token = asked(backend)["token"]
    finding = {"id": "overfitting", "severity": "error", "message": "it rises", "step": 20}
    provider.record("b", 1, step=20, alerts=[finding], settings={"patience": 3, "gone": 1}, metrics={"val": "loss"})
    answer = asked(backend, token)
    assert [(row["run"], row["alerts"]) for row in answer["runs"]] == [("b", 1)]
    assert answer["runs"][0]["stop_step"] == 12  # three after the best


def test_runs_that_are_gone_are_named(provider, backend):
    token = asked(backend)["token"]
    del provider.data["a"]
    answer = asked(backend, token)
    assert (answer["removed"], answer["runs"], answer["total"]) == (["a"], [], 2)
    provider.log("a", RISING)
    back = asked(backend, token)
    assert (back["removed"], names(back)) == ([], ["a"])


@pytest.mark.parametrize("token", ["", "x", "x.1", "{}.999999", "{}.-1", "{}.\N{SUPERSCRIPT TWO}", "{}.1.1"])
def test_an_unknown_token_gives_everything(token, backend):
    mine = asked(backend)["token"].partition(".")[0]
    answer = asked(backend, token.format(mine))
    assert (answer["complete"], names(answer)) == (True, ["a", "b", "c"])


def test_too_long_ago_gives_everything(provider, backend, monkeypatch):
    monkeypatch.setattr(tables, "MOST_REMOVED", 1)
    token = asked(backend)["token"]
    for name in ("a", "b"):
        del provider.data[name]
        asked(backend)
    answer = asked(backend, token)
    assert (answer["complete"], names(answer)) == (True, ["c"])


def test_an_answer_holds_so_many_rows_and_the_next_one_the_others(backend, monkeypatch):
    monkeypatch.setattr(tables, "MOST_ROWS", 2)
    asked(backend)
    first = asked(backend)
    assert (len(first["runs"]), first["more"], first["complete"], first["total"]) == (2, True, False, 3)
    rest = asked(backend, first["token"])
    assert (len(rest["runs"]), rest["more"]) == (1, False)
    assert sorted(names(first) + names(rest)) == ["a", "b", "c"]


def test_the_first_answer_does_not_wait_for_verdicts(provider, backend, monkeypatch):
    go = threading.Event()
    whole = tables.judge

    def slow(*args, **kwargs):
        assert go.wait(30)
        return whole(*args, **kwargs)

    monkeypatch.setattr(tables, "judge", slow)
    first = asked(backend, wait=0.01)
    assert [(row["pending"], row["verdict"]) for row in first["runs"]] == [(True, "inconclusive")] * 3
    assert (first["pending"], first["complete"]) == (3, True)
    assert first["runs"][0]["last_step"] == 39
    go.set()
    later = asked(backend, first["token"])
    assert [(row["pending"], row["verdict"]) for row in later["runs"]] == [(False, "overfitting")] * 3


def test_what_was_logged_to_last_is_judged_first(provider, backend, monkeypatch):
    monkeypatch.setattr(tables, "FIRST_BATCH", 1)
    provider.log("b", [1.0], [0.5], first=40)
    asked(backend)
    assert provider.read == ["b", "a", "c"]  # one by itself, then the other two in one question
    provider.read.clear()
    for name in ("c", "a"):
        provider.log(name, [1.0], [0.5], first=41)
    asked(backend)
    assert provider.read == ["a", "c"]


def test_one_strange_run_does_not_take_the_others_along(backend, monkeypatch):
    whole = tables.judge

    def strange(group, *args, **kwargs):
        if group.name == "b":
            raise ZeroDivisionError("surprise")
        return whole(group, *args, **kwargs)

    monkeypatch.setattr(tables, "judge", strange)
    found = {row["run"]: (row["verdict"], row["cannot_judge"]) for row in asked(backend)["runs"]}
    assert found["b"] == ("inconclusive", "it could not be shown: ZeroDivisionError: surprise")
    assert found["a"] == found["c"] == ("overfitting", None)


def test_what_cannot_be_read_is_tried_again(provider, backend, monkeypatch):
    whole = provider.read_scalars
    monkeypatch.setattr(provider, "read_scalars", lambda *_, **__: 1 / 0)
    first = asked(backend)
    assert {row["cannot_judge"] for row in first["runs"]} == {
        "it could not be read: ZeroDivisionError: division by zero"
    }
    monkeypatch.setattr(provider, "read_scalars", whole)
    assert {row["verdict"] for row in asked(backend, first["token"])["runs"]} == {"overfitting"}


def test_many_clients_at_once(provider, backend):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asked(backend))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [names(answer) for answer in answers] == [["a", "b", "c"]] * 8
    assert provider.read == ["a", "b", "c"]


def test_judged_ahead(provider, backend, monkeypatch):
    monkeypatch.setattr(tables.time, "sleep", lambda _: None)
    backend.judge_ahead()
    deadline = time.monotonic() + 30
    while asked(backend, wait=0.0)["pending"]:
        assert time.monotonic() < deadline
    assert provider.read == ["a", "b", "c"]
    monkeypatch.setattr(provider, "list_scalars", lambda *_, **__: 1 / 0)
    backend.judge_ahead()  # says nothing


def test_nothing_grows_over_reloads(provider, backend):
    """A row a run is kept and a few runs in full, however often somebody looks."""
    token = asked(backend)["token"]
    for step in range(40, 100):
        provider.log("b", [1.0], [0.5], first=step)
        token = asked(backend, token)["token"]
        backend.run(None, "", "b", Wish())
    table, details = backend._tables[""], backend._details
    assert len(table._entries) == 3
    assert len(details._kept) == 1
    assert (table._queue, table._removed, table._worker) == ({}, [], None)


def test_few_runs_are_kept_in_full(provider, backend, monkeypatch):
    monkeypatch.setattr(detail, "MOST_RUNS", 8)
    for i in range(20):
        provider.log(f"run{i}", RISING)
        backend.run(None, "", f"run{i}", Wish())
    assert len(backend._details._kept) == 8


def test_runs_beside_each_other_are_read_in_one_question_and_judged_once(provider, backend):
    asked(backend)
    provider.read.clear()
    questions, whole = [], provider.read_scalars
    provider.read_scalars = lambda *args, **options: questions.append(options) or whole(*args, **options)
    before = backend.compare(None, "", ["a", "c", "b"])
    assert (len(questions), provider.read) == (1, ["a", "b", "c"])
    assert backend.compare(None, "", ["a", "c", "b"]) == before
    provider.log("b", [1.0], [0.5], first=40)
    backend.compare(None, "", ["a", "c", "b"])
    assert provider.read[3:].count("b") >= 1
    assert [options["run_tag_filter"].runs for options in questions[1:]] == [{"b"}] * (len(questions) - 1)


def test_a_run_in_full_is_judged_once(provider, backend, monkeypatch):
    before = backend.run(None, "", "a", Wish())
    provider.read.clear()
    part = backend.series(None, "", "a", Wish(), (10, 19))
    assert part["series"]["val"]["steps"] == list(range(10, 20))
    assert backend.run(None, "", "a", Wish()) == before
    assert provider.read.count("a") == 0


def test_a_hostile_record_is_shown_as_what_it_is(provider, backend):
    """What stands in a log is not trusted: it may say anything, but must not break an answer."""
    finding = {"id": "x" * 999, "severity": "error", "message": "<b>&", "step": 10**30, "evidence": {"a": float("nan")}}
    change = {"id": "y", "step": -(10**30), "after": {"deep": [{"a": [float("inf")]}]}}
    example = {"split": "val", "index": 0, "name": "</script>", "loss": float("nan")}
    told = {"alerts": [finding], "applied": [change], "examples": {"step": 1, "best_step": 0, "worst": [example]}}
    provider.record("b", 1, step=20, metrics={"val": "nowhere"}, settings={"patience": -5}, **told)
    rows = {row["run"]: row for row in asked(backend)["runs"]}
    found = backend.run(None, "", "b", Wish())
    assert json.dumps([rows, found], allow_nan=False)
    assert (rows["b"]["verdict"], rows["b"]["alerts"]) == ("overfitting", 1)
    assert found["alerts"][0]["evidence"] == {"a": None}
    assert found["examples"]["worst"][0]["loss"] is None
