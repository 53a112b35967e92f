"""Patterns, standard input, remote places; and nothing that lies outside what was named."""

import builtins
import io
import sys

import pytest

from overfit_monitor.readers import read_runs, remote, sources

CSV = "loss,val_loss\n3,4\n1,2\n"


@pytest.fixture
def write(tmp_path):
    def write(name, content=CSV):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def memory():
    fsspec = pytest.importorskip("fsspec")
    system = fsspec.filesystem("memory")
    yield lambda name, content=CSV: system.pipe(name, content.encode() if isinstance(content, str) else content)
    system.rm("/", recursive=True)


def named(*paths):
    runs, problems = read_runs(paths)
    return [run.name for run in runs], [(problem.source, problem.message) for problem in problems]


PATTERNS = [
    ("runs/*.csv", ["top"]),
    ("runs/**/*.csv", ["a/log", "b/c/log", "top"]),
    ("runs/*/log.csv", ["a/log"]),
    ("runs/[!b]*/**", ["a/log", "a/other"]),
    ("runs/?/*", ["a/log", "a/other", "b/c/log"]),
    ("runs/a*", ["a/log", "a/other"]),
    ("r*s/a/*.txt", ["runs/a/other"]),
]


@pytest.mark.parametrize(("pattern", "expected"), PATTERNS)
def test_patterns(tmp_path, write, pattern, expected):
    write("runs/top.csv")
    write("runs/a/log.csv")
    write("runs/a/other.txt")
    write("runs/b/c/log.csv")
    write("runs/.hidden/log.csv")
    write("elsewhere.csv")
    names, problems = named(f"{tmp_path}/{pattern}")
    assert sorted(names) == expected
    assert problems == []


def test_a_pattern_in_the_working_directory(write, tmp_path, monkeypatch):
    write("a/x.csv")
    monkeypatch.chdir(tmp_path)
    assert named("*/x.csv") == (["a/x"], [])


def test_a_pattern_that_matches_nothing(tmp_path, write):
    write("x.csv")
    assert named(f"{tmp_path}/*.tsv") == ([], [(str(tmp_path), "no run was found that matches")])
    assert named(f"{tmp_path}/none/*.tsv") == ([], [(f"{tmp_path}/none", "no such file or folder")])


def test_a_name_that_looks_like_a_pattern_is_a_name(write):
    assert named(write("x[1].csv"), str(write("y*.csv"))) == (["x[1]", "y*"], [])


@pytest.mark.parametrize("pattern", ["[", "[]x", "*[a", "**[!]"])
def test_a_pattern_with_an_open_bracket_is_no_traceback(tmp_path, pattern):
    runs, problems = named(f"{tmp_path}/{pattern}")
    assert runs == []
    assert len(problems) == 1


def test_links_that_lead_out_are_not_followed(tmp_path, write):
    outside = write("secret/log.csv")
    inside = write("runs/a/log.csv")
    (tmp_path / "runs" / "out.csv").symlink_to(outside)
    (tmp_path / "runs" / "out").symlink_to(outside.parent)
    (tmp_path / "runs" / "loop").symlink_to(tmp_path / "runs")
    (tmp_path / "runs" / "self.csv").symlink_to(tmp_path / "runs" / "self.csv")
    (tmp_path / "runs" / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "runs" / "a" / "within.csv").symlink_to(inside)
    assert named(tmp_path / "runs") == (["a/log"], [])
    assert named(f"{tmp_path}/runs/**") == (["a/log"], [])
    assert named(tmp_path / "runs" / "out.csv") == (["out"], [])  # named, and so meant


def test_what_stands_beside_a_log_of_a_tool_is_no_run(write, tmp_path):
    console = "epoch 1 train loss 3 val loss 4\nepoch 2 train loss 2 val loss 3\n"
    write("exp/metrics.csv")
    write("exp/train.log", console)
    write("train.log", console)
    write("other/train.log", console)
    assert named(tmp_path) == (["exp/metrics", "other/train"], [])
    assert named(tmp_path / "exp" / "train.log") == (["train"], [])


def test_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode())))
    (run,), problems = read_runs(["-"])
    assert (run.name, run.source, problems) == ("stdin", "-", [])


@pytest.mark.parametrize(
    ("content", "message"), [(b"", "line 1: the file is empty"), (b"\0\1", "binary data that no reader knows")]
)
def test_nothing_of_use_on_standard_input(monkeypatch, content, message):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    assert named("-") == ([], [("-", message)])


def test_too_much_on_standard_input(monkeypatch):
    monkeypatch.setattr(sources, "LARGEST_INPUT", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(CSV.encode() * 100)))
    assert named("-") == ([], [("-", "more than 10 bytes on standard input")])


def test_no_standard_input(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert named("-") == ([], [("-", "there is no standard input")])


def test_a_remote_folder(memory):
    memory("/bucket/runs/a/log.csv")
    memory("/bucket/runs/b/damaged.json", '{"loss": [3, 2], "val_loss": [4, 3], "x')
    memory("/bucket/runs/weights.pt", b"PK\x03\x04" * 100)
    memory("/bucket/runs/empty.csv", "")
    runs, problems = read_runs(["memory://bucket/runs"])
    assert [(run.name, run.source) for run in runs] == [
        ("a/log", "memory://bucket/runs/a/log.csv"),
        ("b/damaged", "memory://bucket/runs/b/damaged.json"),
    ]
    assert [(p.source, p.message) for p in problems] == [
        ("memory://bucket/runs/empty.csv", "line 1: the file is empty")
    ]


def test_a_remote_file_and_a_remote_pattern(memory):
    memory("/bucket/runs/a/log.csv")
    memory("/bucket/runs/b/log.tsv", CSV.replace(",", "\t"))
    (run,), _ = read_runs(["memory://bucket/runs/a/log.csv"])
    assert (run.name, run.source) == ("log", "memory://bucket/runs/a/log.csv")
    (run,), _ = read_runs(["memory://bucket/runs/*/*.tsv"])
    assert (run.name, run.source) == ("b/log", "memory://bucket/runs/b/log.tsv")


def test_event_files_in_a_remote_folder(memory, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    events = tmp_path / "events.out.tfevents.1.host"
    with events.open("wb") as file:
        writer = RecordWriter(file)
        for step in range(5):
            values = [Summary.Value(tag=tag, simple_value=0.5 + step) for tag in ("Loss/train", "Loss/val")]
            writer.write(Event(step=step, summary=Summary(value=values)).SerializeToString())
    memory(f"/bucket/logs/exp/{events.name}", events.read_bytes())
    (run,), problems = read_runs(["memory://bucket/logs"])
    assert (run.name, run.source, len(run.observations), problems) == ("exp", "memory://bucket/logs/exp", 5, [])


def test_copies_are_removed(memory, monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    memory("/bucket/log.csv")
    read_runs(["memory://bucket/log.csv", "memory://bucket/none", "memory://bucket"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("memory://bucket/none", "it could not be fetched: no such file or folder"),
        ("nosuch://bucket", "it could not be fetched: Protocol not known: nosuch"),
        ("zip://a.csv::memory://x.zip", "an archive or a chain of file systems, which is not opened"),
        ("tar://x", "an archive or a chain of file systems, which is not opened"),
    ],
)
def test_remote_places_that_lead_nowhere(memory, url, message):
    ((source, said),) = named(url)[1]
    assert source == url
    assert said.startswith(message)


def without(monkeypatch, module):
    """Make a package look as if it were not installed."""
    real = builtins.__import__

    def missing(name, *arguments, **more):
        if name.partition(".")[0] == module:
            raise ImportError(f"No module named {module!r}")
        return real(name, *arguments, **more)

    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(builtins, "__import__", missing)


def test_without_fsspec(monkeypatch):
    without(monkeypatch, "fsspec")
    needs = 'a remote place: pip install "overfit-monitor[remote]" to read it'
    assert named("s3://bucket/runs") == ([], [("s3://bucket/runs", needs)])


def test_without_the_package_of_a_protocol(monkeypatch):
    pytest.importorskip("fsspec")
    without(monkeypatch, "s3fs")
    ((_, said),) = named("s3://bucket/runs")[1]
    assert said.startswith("fsspec cannot read this place: ")
    assert "s3fs" in said


def test_no_more_is_fetched_than_fits(memory, monkeypatch):
    memory("/bucket/a.csv")
    memory("/bucket/b.csv", CSV * 100)
    monkeypatch.setattr(remote, "LARGEST_INPUT", 100)
    runs, problems = named("memory://bucket")
    assert runs == ["a"]
    assert problems == [("memory://bucket/b.csv", "it could not be fetched: more than 100 bytes in all")]


def test_no_more_files_are_fetched_than_anyone_names(memory, monkeypatch):
    for name in "abc":
        memory(f"/bucket/{name}.csv")
    monkeypatch.setattr(remote, "MOST_FILES", 2)
    runs, problems = named("memory://bucket")
    assert runs == ["a", "b"]
    assert problems == [("memory://bucket", "more than 2 files; the others were not read")]


def test_a_file_on_this_machine_by_its_url(write):
    assert named(f"file://{write('log.csv')}") == (["log"], [])
