"""What is said of a growing log is what `check` says of its content."""

import csv
import functools
import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import Monitor
from overfit_monitor.check import check
from overfit_monitor.facts import Facts
from overfit_monitor.following import Follower, Newsroom
from overfit_monitor.following.files import copy_of_whole_lines, marks, torn
from overfit_monitor.following.follower import SETTLED
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.policy import Policies
from overfit_monitor.testing import curves

CURVE = curves.overfit(60)
TEXT = "epoch,train_loss,val_loss\n" + "".join(
    f"{step},{train!r},{val!r}\n" for step, (train, val) in enumerate(zip(CURVE.train, CURVE.val, strict=True))
)
RECORDS = [{"epoch": s, "loss": a, "val_loss": b} for s, (a, b) in enumerate(zip(CURVE.train, CURVE.val, strict=True))]


class Clock:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cut")


@functools.cache
def journal(tmp_path):
    with Monitor(tmp_path / "whole", sinks={}, patience=50) as monitor:
        for step in range(60):
            monitor.log(step=step, train={"loss": CURVE.train[step]}, val={"loss": CURVE.val[step]})
    return (tmp_path / "whole" / FILE_NAME).read_text(encoding="utf-8")


def lightning():
    rows = ["epoch,step,train_loss,val_loss"]
    for step, (train, val) in enumerate(zip(CURVE.train, CURVE.val, strict=True)):
        rows += [f"{step},{8 * step + 7},,{val!r}", f"{step},{8 * step + 7},{train!r},"]
    return "\n".join(rows) + "\n"


@pytest.mark.parametrize("kind", ["csv", "lightning", "journal"])
@given(cuts=st.lists(st.integers(0, 10**6), min_size=1, max_size=5), sort=st.booleans())
@settings(max_examples=8, deadline=None)
def test_at_any_cut_it_says_what_check_says(kind, cuts, sort, folder):
    text = {"csv": lambda: TEXT, "lightning": lightning, "journal": lambda: journal(folder)}[kind]()
    name = FILE_NAME if kind == "journal" else "log.csv"
    (folder / kind).mkdir(exist_ok=True)
    (folder / "lines" / kind).mkdir(exist_ok=True, parents=True)
    log, lines = folder / kind / name, folder / "lines" / kind / name
    clock = Clock()
    log.unlink(missing_ok=True)
    follower = Follower([log], clock=clock)
    look = follower.look()
    cuts = [cut % (len(text) + 1) for cut in cuts]
    for cut in sorted(cuts) if sort else cuts:  # unsorted, the log is written anew now and then
        clock.now += 2 * SETTLED
        content = text[:cut]
        log.write_text(content, encoding="utf-8")
        look = follower.look() or look  # the same content once more is no news
        if any(run.state == "being written" for run in look.runs):
            clock.now += 2 * SETTLED
            look = follower.look()
        lines.write_text(content[: content.rfind("\n") + 1], encoding="utf-8")
        if torn(log):
            said = [run.checked.model_copy(update={"source": None}) for run in look.runs]
            assert said == [run.model_copy(update={"source": None}) for run in check([lines]).runs]
        else:
            assert look.result == check([log])
    assert Follower([log]).finish().result == check([log])
    assert follower.finish().result == check([log])


def test_what_it_says_along_the_way_depends_on_nothing_after(tmp_path, clock):
    log = tmp_path / "log.csv"
    follower = Follower([log], clock=clock)
    said = []
    for end in range(1, 62):
        log.write_text("\n".join(TEXT.split("\n")[:end]) + "\n", encoding="utf-8")
        look = follower.look()
        said += [run.checked for run in look.runs]
        assert [run.val for run in look.runs] == [list(enumerate(CURVE.val))[: end - 1]] * (end > 1)
    assert said[-1].verdict == "overfitting"
    assert said[-1].alarm_step == next(each.step for each in said if each.verdict == "overfitting")


def test_nothing_is_read_where_nothing_changed(tmp_path, monkeypatch, clock):
    log = tmp_path / "log.csv"
    log.write_text(TEXT, encoding="utf-8")
    follower = Follower([tmp_path], clock=clock)
    assert follower.look().result.outcome == "fail"
    monkeypatch.setattr("overfit_monitor.following.follower.read_runs", None)
    assert follower.look() is None
    os.utime(log)
    with pytest.raises(TypeError):
        follower.look()


def test_what_was_analyzed_is_not_analyzed_again(tmp_path, monkeypatch, clock):
    taken = []
    update = Monitor._take_in
    monkeypatch.setattr(Monitor, "_take_in", lambda self, seen: (taken.append(seen.step), update(self, seen))[1])
    log = tmp_path / "log.csv"
    follower = Follower([log], clock=clock)
    lines = TEXT.splitlines(keepends=True)
    for end in (10, 11, 40):
        log.write_text("".join(lines[:end]), encoding="utf-8")
        follower.look()
    assert taken == list(range(9, 39))  # the first nine were taken in as columns


def test_a_nan_is_like_itself(tmp_path, clock):
    log = tmp_path / "log.csv"
    follower = Follower([log], clock=clock)
    log.write_text("epoch,val_loss\n0,nan\n1,0.5\n", encoding="utf-8")
    follower.look()
    log.write_text("epoch,val_loss\n0,nan\n1,0.5\n2,0.4\n", encoding="utf-8")
    look = follower.look()
    assert (look.runs[0].restarts, look.runs[0].checked.step) == (0, 2)


def test_the_story_of_a_log(tmp_path, clock):
    log = tmp_path / "log.csv"
    follower, newsroom = Follower([tmp_path], clock=clock), Newsroom()

    def kinds():
        clock.now += 2 * SETTLED
        look = follower.look()
        return [] if look is None else [news.kind for news in newsroom.news(look)]

    assert kinds() == ["unread"]  # no run was found in this folder
    log.write_text(TEXT[:400], encoding="utf-8")
    assert kinds() == ["found"]
    assert kinds() == []
    log.write_text(TEXT, encoding="utf-8")
    assert kinds() == ["verdict", "alarm", "stop"]
    log.write_text(TEXT[:120], encoding="utf-8")
    assert kinds() == ["restart", "verdict"]
    log.write_text(TEXT, encoding="utf-8")
    assert kinds() == ["verdict", "alarm", "stop"]  # a new training, a new alarm
    log.rename(tmp_path.with_name("rotated.csv"))
    log.write_text(TEXT[:500], encoding="utf-8")
    assert kinds() == ["restart", "verdict"]  # a rotation
    log.unlink()
    assert "gone" in kinds()
    log.write_text(TEXT[:500], encoding="utf-8")
    assert "back" in kinds()


def test_a_run_that_is_gone_keeps_its_verdict(tmp_path, clock):
    log = tmp_path / "log.csv"
    log.write_text(TEXT, encoding="utf-8")
    follower = Follower([log], clock=clock)
    follower.look()
    log.unlink()
    for look in (follower.look(), follower.finish()):
        assert (look.result.outcome, look.result.errors, look.runs[0].state) == ("fail", (), "gone")


def test_a_file_that_is_being_written_anew_is_given_time(tmp_path, clock):
    log = tmp_path / "history.json"
    log.write_text(json.dumps(RECORDS), encoding="utf-8")
    follower = Follower([log], clock=clock)
    before = follower.look().result.runs
    log.write_text(json.dumps(RECORDS)[:500], encoding="utf-8")
    clock.now += 1
    look = follower.look()
    assert (look.result.runs, look.result.errors, look.runs[0].state) == (before, (), "being written")
    clock.now += SETTLED
    assert follower.look().result == check([log])
    assert follower.look() is None
    assert follower.finish().result == check([log])


def test_a_half_written_number_does_not_count_until_the_end(tmp_path, clock):
    log = tmp_path / "log.csv"
    log.write_text("epoch,val_loss\n0,0.5\n1,0.4\n2,0.9", encoding="utf-8")  # on its way to 0.93
    follower = Follower([log], clock=clock)
    assert follower.look().runs[0].val == [(0, 0.5), (1, 0.4)]
    assert follower.finish().runs[0].val == [(0, 0.5), (1, 0.4), (2, 0.9)]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", False),
        (b"a,b\n1,2\n", False),
        (b"a,b\n1,2", True),
        (b"10%\r20%\r", False),
        (b'[{"loss": 1}]', False),
        (b'{"loss": 1}\n{"loss": 2', True),
        (b"SQLite\0\1", False),
    ],
)
def test_torn(content, expected, tmp_path):
    path = tmp_path / "x"
    path.write_bytes(content)
    assert torn(path) is expected
    (tmp_path / "copy").mkdir()
    assert not torn(copy_of_whole_lines(path, tmp_path / "copy"))


def test_a_long_line_without_an_end(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"a\n" + b"b" * 20_000)
    (tmp_path / "copy").mkdir()
    assert copy_of_whole_lines(path, tmp_path / "copy").read_bytes() == b"a\n"


def test_marks_pass_over_what_readers_pass_over(tmp_path):
    for name in ("a/log.csv", ".git/log.csv", "node_modules/log.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text("x", encoding="utf-8")
    assert list(marks([tmp_path, tmp_path / "none", tmp_path / "bad\0name"])) == [tmp_path / "a/log.csv"]


def test_many_runs_settings_and_facts(tmp_path, clock):
    for name in ("a", "b"):
        with (tmp_path / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["epoch", "loss", "val_loss"])
            writer.writeheader()
            writer.writerows(RECORDS)
    given = {"policies": Policies(over={"patience": 3}), "facts": Facts(framework="keras")}
    assert Follower([tmp_path], clock=clock, **given).look().result == check([tmp_path], **given)


def test_an_unknown_metric_may_come_yet(tmp_path, clock):
    log = tmp_path / "log.csv"
    log.write_text("epoch,val_loss\n0,0.5\n", encoding="utf-8")
    follower = Follower([log], clock=clock, policies=Policies(over={"metric": "accuracy"}))
    assert "unknown metric 'accuracy'" in follower.look().result.errors[0].message
    log.write_text("epoch,val_loss,val_accuracy\n0,0.5,0.6\n", encoding="utf-8")
    assert follower.look().result == check([log], policies=Policies(over={"metric": "accuracy"}))


def test_event_files(tmp_path, clock):
    pytest.importorskip("tensorboard")
    from overfit_monitor_tensorboard.writer import event_sink

    follower = Follower([tmp_path / "runs"], clock=clock)
    sink = event_sink(tmp_path / "runs")
    with Monitor(sinks={"tensorboard": sink}) as monitor:
        for step in range(40):
            monitor.log(step=step, train={"loss": CURVE.train[step]}, val={"loss": CURVE.val[step]})
            if step % 13 == 0:
                assert follower.look().result == check([tmp_path / "runs"])
    assert follower.look().result == check([tmp_path / "runs"])
    (file,) = (tmp_path / "runs").rglob("*tfevents*")
    file.write_bytes(file.read_bytes()[:-7])  # a record that is half written
    assert follower.look().result == check([tmp_path / "runs"])
    assert follower.look() is None


def test_a_pattern_of_files_that_come_later(tmp_path, clock):
    pattern = str(tmp_path / "*" / "log*.csv")
    follower = Follower([pattern], clock=clock)
    assert follower.look().runs == ()
    for name in ("a/log1.csv", "a/other.csv", "b/log2.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(TEXT, encoding="utf-8")
        assert (follower.look() is None) is (name == "a/other.csv")
    assert follower.finish().result == check([pattern])
    assert [run.name for run in follower.finish().runs] == ["a/log1", "b/log2"]


def test_a_remote_folder_is_read_again_and_told_only_where_something_came_of_it(clock):
    fsspec = pytest.importorskip("fsspec")
    memory = fsspec.filesystem("memory")
    memory.pipe("/watched/log.csv", TEXT[:600].rpartition("\n")[0].encode() + b"\n")
    follower = Follower(["memory://watched"], clock=clock)
    assert follower.look().runs[0].checked.verdict == "healthy"
    assert follower.look() is None
    memory.pipe("/watched/log.csv", TEXT.encode())
    assert follower.look().result == check(["memory://watched"])
    memory.rm("/watched", recursive=True)
