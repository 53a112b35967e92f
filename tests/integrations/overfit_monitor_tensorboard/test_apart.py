"""Event files below one folder are judged by several processes, and say what they say together."""

import pytest
from torch.utils.tensorboard import SummaryWriter

from overfit_monitor.check import check
from overfit_monitor.readers.pairing import Names
from overfit_monitor_tensorboard.grouping import apart


@pytest.mark.parametrize(
    ("folders", "lists"),
    [
        (["a", "b/x", "b/y", "c"], [["a"], ["b/x", "b/y"], ["c"]]),
        ([".", "a", "b"], [["."], ["a"], ["b"]]),
        (["a/x", "a-b", "a0", "b"], [["a/x", "a-b"], ["a0"], ["b"]]),  # sorted as names a-b lies between a and a/x
        (["run/train", "run/validation", "two/train"], [["run/train", "run/validation"], ["two/train"]]),
        (["a", "train", "validation"], [["a", "train", "validation"]]),  # the last two are one run, in the root
        (["a", "Loss_train"], [["Loss_train", "a"]]),  # as add_scalars writes them
        ([".", "overfit-monitor"], [[".", "overfit-monitor"]]),
        ([], []),
    ],
)
def test_folders_are_told_apart_by_their_names(folders, lists):
    assert [sorted(found) for found in apart(folders)] == [sorted(found) for found in lists]


def write(folder, *, val="loss/val", n=30, rise=0.0):
    with SummaryWriter(folder) as writer:
        for step in range(n):
            writer.add_scalar("loss/train", 1 / (step + 1), step)
            writer.add_scalar(val, 1 / (step + 1) + rise * step, step)


@pytest.fixture
def runs(tmp_path):
    for name in ("a", "a-b", "a/x", "b", "d"):
        write(tmp_path / name, rise=0.01 if name == "b" else 0.0)
    for split in ("train", "validation"):
        with SummaryWriter(tmp_path / "c" / split) as writer:
            for step in range(30):
                writer.add_scalar("epoch_loss", 1 / (step + 1), step)
    with SummaryWriter(tmp_path / "text") as writer:
        writer.add_text("note", "no scalar here")
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "events.out.tfevents.1").write_bytes(b"\x18" + b"\0" * 40)
    return tmp_path


def test_they_say_what_they_say_together(runs, monkeypatch):
    apart_in_two, apart_in_one = check([runs], jobs=2), check([runs], jobs=1)
    monkeypatch.setattr("overfit_monitor_tensorboard.grouping._may_be_part", lambda folder: True)
    together = check([runs], jobs=1)
    assert apart_in_two == apart_in_one == together
    assert {run.run for run in together.runs} >= {"a", "a-b", "a/x", "b", "c", "d"}


def test_where_nothing_can_be_judged_the_reason_is_that_of_all(tmp_path, monkeypatch):
    for name in ("a", "b"):
        with SummaryWriter(tmp_path / name) as writer:
            writer.add_text("note", "no scalar here")
    found = check([tmp_path], jobs=2)
    monkeypatch.setattr("overfit_monitor_tensorboard.grouping._may_be_part", lambda folder: True)
    assert found == check([tmp_path], jobs=1)
    assert [error.message for error in found.errors] == ["the event files hold no scalar."]


def test_curves_that_were_named_are_looked_for_in_all_of_them_in_turn(runs):
    names = Names(val="loss/val", train="loss/train")
    assert check([runs], names=names, jobs=2) == check([runs], names=names, jobs=1)
