"""Folders of event files as runs."""

import math

import pytest
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.util.tensor_util import make_tensor_proto

from overfit_monitor import Monitor
from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import HEAD_BYTES
from overfit_monitor.readers.pairing import Names
from overfit_monitor_tensorboard.events import EventReader, read_folder


def read(root, **arguments):
    paths = [path for path in root.rglob("*") if path.is_file()]
    return {run.name: run for run in EventReader(**arguments).read(paths, root)}


def verdict(run):
    return Monitor(**run.settings).replay(run.observations).verdict


def test_recognizes_by_name_or_content(logs, tmp_path):
    path = logs.write(tmp_path, {"loss": [1.0]})
    head = path.read_bytes()[:HEAD_BYTES]
    reader = EventReader()
    assert reader.recognizes(path, b"")
    assert reader.recognizes(tmp_path / "renamed.log", head)
    assert not reader.recognizes(tmp_path / "history.csv", b"epoch,loss\n")


def test_one_folder(logs, tmp_path):
    logs.write(tmp_path / "exp", {"Loss/train": logs.falling, "Loss/val": logs.turning})
    (run,) = read(tmp_path).values()
    assert (run.name, run.source, run.notes) == ("exp", str(tmp_path / "exp"), ())
    assert len(run.observations) == 60
    assert run.observations[3].train == {"loss": pytest.approx(0.26)}
    assert verdict(run) == "overfitting"


def test_the_root_itself_is_called_by_its_name(logs, tmp_path):
    logs.write(tmp_path / "exp" / "train", {"epoch_loss": logs.falling})
    logs.write(tmp_path / "exp" / "validation", {"epoch_loss": logs.turning})
    (run,) = read(tmp_path / "exp").values()
    assert (run.name, run.source) == ("exp", str(tmp_path / "exp"))
    assert verdict(run) == "overfitting"


def test_many_runs(logs, tmp_path):
    logs.write(tmp_path / "a", {"train_loss": logs.falling, "val_loss": logs.turning})
    logs.write(tmp_path / "b" / "c", {"train_loss": logs.falling, "val_loss": logs.level})
    assert {name: verdict(run) for name, run in read(tmp_path).items()} == {"a": "overfitting", "b/c": "healthy"}


def test_a_restart_in_a_second_file_preempts_what_it_repeats(logs, tmp_path):
    logs.write(tmp_path, {"train_loss": logs.falling[:40], "val_loss": logs.turning[:40]})
    later = [(i, logs.level[i]) for i in range(20, 60)]
    logs.write(tmp_path, {"train_loss": later, "val_loss": later}, stamp=1700000009, wall_time=5000.0)
    (run,) = read(tmp_path).values()
    assert [o.step for o in run.observations] == list(range(60))
    assert run.observations[19].val["loss"] == pytest.approx(logs.turning[19])
    assert run.observations[20].val["loss"] == pytest.approx(logs.level[20])


def test_names_chosen_by_the_user(logs, tmp_path):
    logs.write(tmp_path / "exp", {"a": logs.falling, "b": logs.turning})
    (run,) = read(tmp_path, names=Names(val="b", train="a")).values()
    assert run.observations[0].val == {"b": 1.0}


def tensor_value(tag, value, *, plugin="scalars", dtype=None):
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    return Summary.Value(tag=tag, metadata=metadata, tensor=make_tensor_proto(value, dtype=dtype))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (Summary.Value(tag="t", simple_value=0.5), 0.5),
        (Summary.Value(tag="t", simple_value=math.inf), math.inf),
        (tensor_value("t", 0.5, dtype="float32"), 0.5),
        (tensor_value("t", 0.1, dtype="float64"), 0.1),
        (tensor_value("t", 0.5, dtype="float16"), 0.5),
        (tensor_value("t", 3, dtype="int64"), 3.0),
        (tensor_value("t", [0.5], dtype="float32"), 0.5),
        (tensor_value("t", [0.5, 0.6], dtype="float32"), None),
        (tensor_value("t", 0.5, plugin="histograms", dtype="float32"), None),
        (tensor_value("t", "0.5"), None),
        (Summary.Value(tag="t", image=Summary.Image(height=1, width=1)), None),
    ],
)
def test_what_is_a_scalar(value, expected, logs, tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(logs.record(step=7, summary=Summary(value=[value])))
    folder = read_folder([path])
    assert folder.notes == []
    assert folder.curves == ({} if expected is None else {"t": [(7, expected)]})


def test_metadata_with_the_first_record_only(logs, tmp_path):
    first = tensor_value("t", 1.0, dtype="float32")
    later = Summary.Value(tag="t", tensor=first.tensor)
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(b"".join(logs.record(step=i, summary=Summary(value=[v])) for i, v in enumerate([first, later])))
    assert read_folder([path]).curves == {"t": [(0, 1.0), (1, 1.0)]}


def test_a_flipped_byte_costs_one_value_and_is_told_with_its_place(logs, tmp_path):
    path = logs.write(tmp_path / "exp", {"train_loss": logs.falling, "val_loss": logs.turning})
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    (run,) = read(tmp_path).values()
    assert sum(len(o.train) + len(o.val) for o in run.observations) == 119
    (note,) = run.notes
    assert note.startswith(f"{path}: the record at byte ")
    assert verdict(run) == "overfitting"


def test_a_record_that_is_whole_and_no_event_is_skipped(logs, tmp_path):
    from io import BytesIO

    from tensorboard.summary.writer.record_writer import RecordWriter

    odd = BytesIO()
    RecordWriter(odd).write(b"\xff\xff\xff not a message")
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(odd.getvalue() + logs.scalar("loss", 0, 0.5))
    folder = read_folder([path])
    assert (folder.curves, len(folder.notes)) == ({"loss": [(0, 0.5)]}, 1)


def test_damage_in_a_large_picture_is_of_no_interest(logs, tmp_path):
    picture = Summary.Value(tag="p", image=Summary.Image(encoded_image_string=bytes(1 << 17)))
    content = bytearray(logs.record(step=1, summary=Summary(value=[picture])))
    content[1 << 16] ^= 1
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(bytes(content) + logs.scalar("loss", 0, 0.5))
    assert read_folder([path]).curves == {"loss": [(0, 0.5)]}


def test_a_truncated_file_gives_a_run_and_a_note(logs, tmp_path):
    path = logs.write(tmp_path / "exp", {"train_loss": logs.falling, "val_loss": logs.level})
    path.write_bytes(path.read_bytes()[:-5])
    (run,) = read(tmp_path).values()
    assert len(run.notes) == 1
    assert verdict(run) == "healthy"


@pytest.mark.parametrize("content", [b"", b"epoch,loss\n1,2\n" * 20, b"\0" * 100])
def test_no_event_file_at_all_is_an_error_that_names_it(content, tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match=r"events\.out\.tfevents\.1: byte 0: no record could be read"):
        read(tmp_path)


def test_an_empty_file_beside_a_good_run_does_not_hide_it(logs, tmp_path):
    logs.write(tmp_path / "good", {"train_loss": logs.falling, "val_loss": logs.level})
    empty = tmp_path / "bad" / "events.out.tfevents.1"
    empty.parent.mkdir()
    empty.touch()
    runs = read(tmp_path)
    assert verdict(runs["good"]) == "healthy"
    assert not runs["bad"].observations
    assert runs["bad"].notes == (f"{empty}: byte 0: no record could be read (0 bytes).",)


def test_a_folder_with_pictures_only_is_no_run(logs, tmp_path):
    logs.write(tmp_path / "good", {"train_loss": logs.falling, "val_loss": logs.level})
    logs.write(tmp_path / "pictures", {})
    assert set(read(tmp_path)) == {"good"}


def test_a_file_that_is_gone_is_a_note(tmp_path):
    folder = read_folder([tmp_path / "events.out.tfevents.1"])
    assert folder.notes == [f"{tmp_path}/events.out.tfevents.1: No such file or directory."]
