"""The fast way through event files gives what protobuf gives, record by record, on whole and on damaged files."""

import struct

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.util.tensor_util import make_tensor_proto

from overfit_monitor_tensorboard import framing, scalars
from overfit_monitor_tensorboard.events import read_folder
from overfit_monitor_tensorboard.framing import masked_crc, unmasked


def framed(payload):
    length = struct.pack("<Q", len(payload))
    return length + struct.pack("<I", masked_crc(length)) + payload + struct.pack("<I", masked_crc(payload))


def tensor(tag, value, dtype, *, metadata=True):
    plugin = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="scalars")) if metadata else None
    return Summary.Value(tag=tag, metadata=plugin, tensor=make_tensor_proto(value, dtype=dtype))


def content_tensor(tag, value):
    found = tensor(tag, 0.0, "float32")
    found.tensor.ClearField("float_val")
    found.tensor.tensor_content = struct.pack("<f", value)
    return found


KINDS = {
    "simple": lambda value: Summary.Value(tag="Loss/train", simple_value=value),
    "other tag": lambda value: Summary.Value(tag="Loss/val", simple_value=value),
    "float": lambda value: tensor("a", value, "float32"),
    "double": lambda value: tensor("b", value, "float64"),
    "half": lambda value: tensor("c", value, "float16"),
    "whole": lambda value: tensor("d", int(value), "int32"),
    "content": lambda value: content_tensor("e", value),
    "long tag": lambda value: Summary.Value(tag="x" * 200, simple_value=value),
}


def log(kinds, steps, values):
    records = [framed(Event(wall_time=1.0, file_version="brain.Event:2").SerializeToString())]
    for number, step in enumerate(steps):
        for place, kind in enumerate(kinds):
            value = values[(number + place) % len(values)]
            event = Event(wall_time=1e9 + number, step=step, summary=Summary(value=[KINDS[kind](value)]))
            records.append(framed(event.SerializeToString()))
    return b"".join(records)


def read(path, *, fast):
    with pytest.MonkeyPatch.context() as patch:
        if not fast:
            patch.setattr(scalars.KnownScalars, "skip", lambda self, content, offset: offset)
        folder, timed = read_folder([path]), read_folder([path], timed=True)
    assert repr(timed.curves) == repr(folder.curves)
    assert folder.times == {}
    times = {tag: list(found) for tag, found in timed.times.items()}
    return {tag: list(points) for tag, points in folder.curves.items()}, folder.notes, times


def check(path, content):
    path.write_bytes(content)
    fast, slow = read(path, fast=True), read(path, fast=False)
    assert repr(fast) == repr(slow)  # NaN is like itself here
    return fast[:2]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("steps", [range(700), range(-3, 300), range(2**40, 2**40 + 300)], ids=str)
def test_every_kind_of_record(kind, steps, tmp_path):
    path = tmp_path / "events.out.tfevents.1"
    curves, notes = check(path, log([kind], steps, [0.0, 0.5, -2.0, 7.0]))
    assert notes == []
    assert [[step for step, _ in points] for points in curves.values()] == [list(steps)]
    assert list(map(list, read_folder([path], timed=True).times.values())) == [[1e9 + i for i in range(len(steps))]]


def test_rounds_of_several_tags_over_the_edge_of_a_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(framing, "PIECE", 1 << 15)
    monkeypatch.setattr(scalars, "PIECE", 1 << 15)
    kinds = ["simple", "other tag", "double", "float"]
    curves, _ = check(tmp_path / "events.out.tfevents.1", log(kinds, range(1500), [0.25, 1.5, 3.0]))
    assert {tag: len(points) for tag, points in curves.items()} == dict.fromkeys(curves, 1500)


@pytest.mark.parametrize(
    "kinds", [["content", "content", "double"], ["simple", "other tag", "simple"], ["simple", "simple"]], ids=str
)
def test_a_tag_that_is_twice_in_a_round_stays_in_order(kinds, tmp_path):
    curves, _ = check(tmp_path / "events.out.tfevents.1", log(kinds, range(286), [0.0, 0.5]))
    for points in curves.values():
        steps = [step for step, _ in points]
        assert steps == sorted(steps)


@settings(
    max_examples=25,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # to shrink takes minutes, and the first log is short enough
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kinds=st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=4),
    values=st.lists(st.floats(width=16), min_size=1, max_size=5),
    flips=st.lists(st.tuples(st.integers(0, 1 << 30), st.integers(0, 7)), max_size=4),
    cut=st.integers(0, 60),
)
def test_damage_costs_the_same(kinds, values, flips, cut, tmp_path):
    kinds = [kind for kind in kinds if kind != "whole" or all(-1e4 < value < 1e4 for value in values)] or ["simple"]
    content = bytearray(log(kinds, range(60 + 300 // len(kinds)), values))
    for place, bit in flips:
        content[place % len(content)] ^= 1 << bit
    check(tmp_path / "events.out.tfevents.1", bytes(content[: len(content) - cut]))


def test_a_damaged_tensor_costs_its_record_only(tmp_path):
    """Its half is larger than sixteen bits, or its shape that of a million million values."""
    large = tensor("c", 0.5, "float16")
    large.tensor.half_val[0] = 295_936
    many = tensor("d", 1, "int32")
    many.tensor.tensor_shape.dim.add().size = 10**12
    for odd in (large, many):
        record = framed(Event(wall_time=1.0, step=7, summary=Summary(value=[odd])).SerializeToString())
        curves, _ = check(tmp_path / "events.out.tfevents.1", log(["simple"], range(9), [0.5]) + record)
        assert {tag: len(points) for tag, points in curves.items()} == {"Loss/train": 9}


def test_every_flipped_bit_of_a_record_is_seen(tmp_path):
    content = log(["simple", "double"], range(1, 128), [0.5, 0.25])  # steps of one byte: one table of 127 rows
    whole = len(log([], [], [])) + 2 * 100 * (len(content) - len(log([], [], []))) // (2 * 127)
    for place in range(whole, whole + 110):
        damaged = bytearray(content)
        damaged[place] ^= 0x10
        _, notes = check(tmp_path / "events.out.tfevents.1", bytes(damaged))
        assert notes


def test_a_log_in_which_a_tag_changes_its_kind(tmp_path):
    first = log(["simple"], range(300), [0.5])
    other = Summary.Value(tag="Loss/train", tensor=make_tensor_proto(0.5, dtype="float32"))
    odd = framed(Event(wall_time=1.0, step=7, summary=Summary(value=[other])).SerializeToString())
    several = Summary(value=[KINDS["simple"](1.0), KINDS["other tag"](2.0)])
    two = framed(Event(wall_time=1.0, step=8, summary=several).SerializeToString())
    check(tmp_path / "events.out.tfevents.1", first + odd + two + log(["simple", "simple"], range(300), [0.5]))


@given(st.binary(max_size=40))
def test_the_mask_of_a_crc_comes_off(data):
    crc = unmasked(masked_crc(data))
    assert crc == framing.crc32c()(data)
