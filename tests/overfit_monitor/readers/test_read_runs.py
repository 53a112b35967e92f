"""Files and folders: what is a run, what is passed over, what is a problem."""

import json
import os
from importlib.metadata import EntryPoint

import pytest

from overfit_monitor import extensions
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.monitor import Monitor
from overfit_monitor.readers import read_runs
from overfit_monitor.readers.pairing import Names

CSV = "loss,val_loss\n1,2\n"
EVENTS = b"\x18\0\0\0\0\0\0\0\xa3\x7f\x4b\x22\x09\0\0\xc0\x25\xdd\x75\xd2\x41\x1a\x0dbrain.Event:2"


@pytest.fixture
def write(tmp_path):
    def write(name, content=CSV):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def installed(monkeypatch, tmp_path_factory):
    """Registers a reader that makes one run of every folder of event files."""
    folder = tmp_path_factory.mktemp("installed")
    (folder / "folder_reader.py").write_text(
        "from itertools import groupby\n"
        "from overfit_monitor.errors import UnreadableError\n"
        "from overfit_monitor.readers.base import Run\n"
        "class FolderReader:\n"
        "    name = 'folders'\n"
        "    def recognizes(self, path, head):\n"
        "        return b'brain.Event' in head\n"
        "    def read(self, paths, root):\n"
        "        for folder, files in groupby(paths, lambda path: path.parent):\n"
        "            if folder.name == 'broken':\n"
        "                raise UnreadableError(f'{next(files)}: record 3: cut off')\n"
        "            yield Run(str(folder.relative_to(root)), str(folder), ())\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(folder)
    points = tuple(
        EntryPoint(name, value, "overfit_monitor.readers")
        for name, value in (("absent", "no_such_framework:Reader"), ("folders", "folder_reader:FolderReader"))
    )
    monkeypatch.setattr(extensions, "registered", lambda kind: points if kind == "readers" else ())


@pytest.fixture
def bare(monkeypatch):
    monkeypatch.setattr(extensions, "registered", lambda kind: ())


def named(paths, **more):
    runs, problems = read_runs(paths, **more)
    return [run.name for run in runs], [(problem.source, problem.message) for problem in problems]


def test_a_folder_of_runs_is_many_runs(tmp_path, write):
    write("a/metrics.csv")
    write("a/history.json", json.dumps({"loss": [1.0], "val_loss": [2.0]}))
    with Monitor(tmp_path / "b", sinks={}) as monitor:
        monitor.log(step=0, val={"loss": 1.0})
    assert named([tmp_path]) == (["a/history", "a/metrics", "b"], [])


def test_what_is_no_log_is_passed_over(tmp_path, write):
    write("run.csv")
    write("iris.csv", "sepal_length,species\n5.1,setosa\n")
    write("config.json", '{"betas": [0.9, 0.999]}')
    write("console.txt", "\rEpoch 1/50:   0%|          | 0/100\r")
    write("weights.bin", b"\0\1\2")
    write(".venv/lib/run.csv")
    write("site-packages/run.csv")
    assert named([tmp_path]) == (["run"], [])


def test_what_is_named_and_no_log_is_a_problem(write):
    paths = [
        write("iris.csv", "sepal_length,species\n5.1,setosa\n"),
        write("weights.bin", b"\0\1\2"),
        write("scores.csv", "Loss,Accuracy,Note\n0.5,0.75,a\n"),
        write("empty.txt", ""),
        write("pointer.bin", "version https://git-lfs.github.com/spec/v1\n"),
        write("good.csv"),
    ]
    runs, problems = named(paths)
    assert runs == ["good"]
    assert problems == [
        (str(paths[0]), "no reader knows this format; line 1 begins 'sepal_length,species'"),
        (str(paths[1]), "binary data that no reader knows"),
        (
            str(paths[2]),
            "no column says train or validation, and none counts steps; --val takes one of them ('Loss', 'Accuracy') "
            "by name",
        ),
        (str(paths[3]), "line 1: the file is empty"),
        (str(paths[4]), "line 1: a git-lfs pointer, not the file itself: run 'git lfs pull'"),
    ]


def test_a_damaged_log_in_a_folder_is_a_problem_and_the_others_are_read(tmp_path, write):
    bad = write("bad.csv", "")
    cut = write("cut.json", '{"val_loss": [1.0')
    write("good.csv")
    runs, problems = named([tmp_path])
    assert runs == ["good"]
    assert problems == [
        (str(bad), "line 1: the file is empty"),
        (str(cut), "line 1, column 18: the file is cut off, and before it no list holds a number"),
    ]


def test_our_own_reports_are_no_logs(tmp_path, write):
    report = write("report.json", '{\n  "schema_version": 1,\n  "runs": [{"run": "a", "val_loss": [1.0, 2.0]}]\n}')
    write("run.csv")
    assert named([tmp_path]) == (["run"], [])
    assert named([report]) == ([], [(str(report), "a report or a baseline of this package, and no log")])


def test_paths_that_lead_nowhere(tmp_path, write):
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    paths = [tmp_path / "empty", tmp_path / "nix", tmp_path / "pipe", "a\0b", write("good.csv")]
    runs, problems = named(paths)
    assert runs == ["good"]
    assert [message for _, message in problems] == [
        "no run was found in this folder",
        "no such file or folder",
        "neither a file nor a folder",
        "no such file or folder",
    ]


def test_a_name_that_is_not_text(tmp_path):
    path = os.fsencode(tmp_path) + b"/\xff.csv"
    with open(path, "wb") as file:  # noqa: PTH123 (a Path cannot be made of bytes)
        file.write(CSV.encode())
    (run,), _ = read_runs([tmp_path])
    assert run.name == "\\udcff"
    assert run.source.endswith("\\udcff.csv")


def test_names_are_distinct(tmp_path, write):
    first, second = write("a/log.csv"), write("b/log.csv")
    assert named([first, second])[0] == [str(first), str(second)]
    write("c/log.json", json.dumps({"loss": [1.0], "val_loss": [2.0]}))
    same = write("c/log.csv")
    assert len(set(named([tmp_path / "c"])[0])) == 2
    assert named([same, same, tmp_path / "c" / "log.csv"])[0] == ["log"]


def test_a_file_met_twice_is_read_once(tmp_path, write):
    path = write("a/log.csv")
    assert named([path, tmp_path, tmp_path / "a"]) == (["log"], [])


def test_event_files_without_their_reader(tmp_path, write, bare):
    events = write("a/events.out.tfevents.1", EVENTS)
    write("b/events.out.tfevents.1", EVENTS)
    write("good.csv")
    needs = 'a TensorBoard event file: pip install "overfit-monitor[tensorboard]" to read it'
    assert named([events]) == ([], [(str(events), needs)])
    assert named([tmp_path]) == (["good"], [(str(events), f"{needs} (1 more of them below {tmp_path})")])


def test_event_files_go_to_an_installed_reader_together(tmp_path, write, installed):
    write("a/events.out.tfevents.1", EVENTS)
    write("a/events.out.tfevents.2", EVENTS)
    write("b/unusual_name", EVENTS)
    assert named([tmp_path]) == (["a", "b"], [])


def test_event_files_that_their_reader_does_not_know(tmp_path, write, installed):
    path = write("events.out.tfevents.1", "junk")
    assert named([tmp_path]) == ([], [(str(path), "no reader knows this format; line 1 begins 'junk'")])


def test_runs_before_a_damaged_event_file_are_kept(tmp_path, write, installed):
    write("a/events.out.tfevents.1", EVENTS)
    broken = write("broken/events.out.tfevents.1", EVENTS)
    assert named([tmp_path]) == (["a"], [(str(broken), "record 3: cut off")])


def test_the_journal_is_preferred_to_event_files_in_and_below_its_folder(tmp_path, write, installed):
    with Monitor(tmp_path / "run", sinks={}) as monitor:
        monitor.log(step=0, val={"loss": 1.0})
    write("run/events.out.tfevents.1", EVENTS)
    write("run/overfit-monitor/events.out.tfevents.2", EVENTS)
    write("run/overfit-monitor/deeper/events.out.tfevents.3", EVENTS)
    write("other/events.out.tfevents.4", EVENTS)
    assert named([tmp_path]) == (["run", "other"], [])
    assert named([tmp_path / "run"]) == (["run"], [])


def test_a_journal_named_directly(tmp_path):
    with Monitor(tmp_path / "run", sinks={}) as monitor:
        monitor.log(step=0, val={"loss": 1.0})
    assert named([tmp_path / "run" / FILE_NAME]) == (["run"], [])


def test_a_reader_that_cannot_be_told_names_says_so(write, installed):
    events = write("events.out.tfevents.1", EVENTS)
    with pytest.raises(ValueError, match="the reader 'folders' cannot be told which names to compare"):
        read_runs([events], names=Names(val="x"))


def test_entry_points_are_left_alone_where_the_core_can_read(tmp_path, write, monkeypatch):
    def must_not_be_asked(kind):
        raise AssertionError(kind)

    monkeypatch.setattr(extensions, "registered", must_not_be_asked)
    write("run.csv")
    write("weights.bin", b"\0\1\2")
    assert named([tmp_path]) == (["run"], [])
