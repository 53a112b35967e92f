"""The logs that are mutated, and the mutations; see `fuzz`."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from overfit_monitor.testing.sample_logs import EPOCHS, TRAIN, VAL, samples, wandb_offline

MANY = range(300)  # epochs of a long log: readers have other ways through these, and W&B more than one block
HOSTILE = [
    b"1e400", b"-1e999", b"9" * 400, b"9" * 5000, b"NaN", b"-Infinity", b"null", b"true", b'""', b"=cmd|' /C calc'!A0",
    b"@SUM(1+1)", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x1b[2J\x1b]0;x\x07", b"1e-400", b"0x10", b"1_0", b"-0",
    b"<script>alert(1)</script>", b"../../../etc/passwd", b"${IFS}", b"%s%n", b"1,5", b"\r", b"\\u0000", b"\\ud800",
    b"\xed\xa0\x80",
]  # fmt: skip
NUMBER = re.compile(rb"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")

Mutation = Callable[[random.Random, bytes], bytes]


def flipped(rng: random.Random, data: bytes) -> bytes:
    """One to eight bits turned."""
    out = bytearray(data)
    for _ in range(rng.randint(1, 8)):
        out[rng.randrange(len(out))] ^= 1 << rng.randrange(8)
    return bytes(out)


def cut(rng: random.Random, data: bytes) -> bytes:
    """Cut off at any byte."""
    return data[: rng.randrange(len(data))]


def hole(rng: random.Random, data: bytes) -> bytes:
    """A piece taken out of the middle."""
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 200) :]


def swapped(rng: random.Random, data: bytes) -> bytes:
    """Two pieces in each other's place."""
    a, b, c = sorted(rng.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def repeated(rng: random.Random, data: bytes) -> bytes:
    """Some lines twice, some lines gone."""
    lines = data.splitlines(keepends=True)
    return b"".join(line * rng.choice((0, 1, 1, 1, 1, 2)) for line in lines) or data


def shuffled(rng: random.Random, data: bytes) -> bytes:
    """All lines in any order."""
    lines = data.splitlines(keepends=True)
    rng.shuffle(lines)
    return b"".join(lines)


def cell(rng: random.Random, data: bytes) -> bytes:
    """Numbers replaced by what no logger writes."""
    places = list(NUMBER.finditer(data))
    for place in sorted(rng.sample(places, min(len(places), rng.randint(1, 4))), key=lambda m: -m.start()):
        data = data[: place.start()] + rng.choice(HOSTILE) + data[place.end() :]
    return data


def inserted(rng: random.Random, data: bytes) -> bytes:
    """Hostile bytes anywhere."""
    for _ in range(rng.randint(1, 5)):
        at = rng.randrange(len(data) + 1)
        data = data[:at] + rng.choice(HOSTILE) + data[at:]
    return data


def bloated(rng: random.Random, data: bytes) -> bytes:
    """Something of absurd size: a line, brackets, columns, zeros."""
    at = rng.randrange(len(data) + 1)
    kind = rng.randrange(6)
    size = rng.choice((1_000, 100_000, 1_500_000))
    block = [b"[", b"1,", b'{"a":', b"\0", b"9", b"val_loss,"][kind] * (size // (1, 2, 5, 1, 1, 9)[kind])
    return data[:at] + block + data[at:]


def spliced(rng: random.Random, data: bytes) -> bytes:
    """The beginning of this log, the end of another."""
    other = rng.choice([content for log in logs().values() for content in log.files.values()])
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def noise(rng: random.Random, data: bytes) -> bytes:
    """The first bytes, then nothing but noise."""
    return data[: rng.randint(0, 64)] + rng.randbytes(rng.randint(0, 5000))


def bomb(rng: random.Random, data: bytes) -> bytes:
    """Packed zeros: an archive or a pickle's opcodes in place of the log."""
    import gzip
    import zipfile

    kind = rng.randrange(4)
    if kind == 0:
        return gzip.compress(b"loss,val_loss\n" + b"1,2\n" * 1_000_000, mtime=0)
    if kind == 1:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("archive/data.pkl", b"\0" * 10_000_000)
        return out.getvalue()
    if kind == 2:  # would run a command if it were ever loaded
        return b"\x80\x04cos\nsystem\n(S'touch /tmp/overfit-monitor-pwned val_loss'\ntR."
    return b"\x80\x05X" + (2**31).to_bytes(4, "little") + b"val_loss" + data


MUTATIONS: Mapping[str, Mutation] = {
    made.__name__: made
    for made in (flipped, cut, hole, swapped, repeated, shuffled, cell, inserted, bloated, spliced, noise, bomb)
}


Curves = Sequence[tuple[int, float, float]]
Point = tuple[str, int, float]


class Record(NamedTuple):
    """One record of a format with checksums: its pieces as they stand in the file, and split, step, value of each."""

    pieces: tuple[bytes, ...]
    points: frozenset[Point]

    def whole_in(self, content: bytes) -> bool:
        """Return whether it stands in a file with all its bytes, its checksums among them."""
        return all(piece in content for piece in self.pieces)


class Log(NamedTuple):
    """A log that is mutated: its files, and what its records hold where they have checksums."""

    files: Mapping[str, bytes]
    records: tuple[Record, ...] = ()


@cache
def logs() -> Mapping[str, Log]:
    """Return the logs that are mutated by the name of their format."""
    found = {name: Log(files) for name, files in samples().items()}
    short = list(zip(EPOCHS, TRAIN, VAL, strict=True))
    long = [(e, 1 / (1 + e), 0.6 + 0.004 * abs(e - 100.5)) for e in MANY]
    for curves, more in ((short, ""), (long, ", long")):
        files = wandb_offline(curves)
        found[f"W&B offline{more}"] = Log(files, tuple(_wandb_records(*files.values(), curves)))
        events = _event_records(curves)
        if events is not None:
            content = b"".join(piece for record in events for piece in record.pieces)
            found[f"TensorBoard{more}"] = Log({"exp/events.out.tfevents.1.host": content}, events)
    return found


def _event_records(curves: Curves) -> tuple[Record, ...] | None:
    """Return the records of an event file, None without TensorBoard."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        return None

    def record(event: Event, *points: Point) -> Record:
        out = io.BytesIO()
        RecordWriter(out).write(event.SerializeToString())
        return Record((out.getvalue(),), frozenset(points))

    found = [record(Event(file_version="brain.Event:2"))]
    for step, *pair in curves:
        for split, value in zip(("train", "val"), pair, strict=True):
            summary = Summary(value=[Summary.Value(tag=f"Loss/{split}", simple_value=value)])
            point = (split, step, float(np.float32(value)))
            found.append(record(Event(wall_time=1.5e9 + step, step=step, summary=summary), point))
    return tuple(found)


def _wandb_records(content: bytes, curves: Curves) -> Iterator[Record]:
    """Yield the records of an undamaged ``.wandb`` file; the first is the run, each of the others an epoch."""
    points = iter([frozenset[Point](), *(frozenset({("train", e, t), ("val", e, v)}) for e, t, v in curves)])
    at, pieces = 7, list[bytes]()
    while at < len(content):
        if (1 << 15) - at % (1 << 15) < 7:
            at += (1 << 15) - at % (1 << 15)
        end = at + 7 + int.from_bytes(content[at + 4 : at + 6], "little")
        pieces.append(content[at:end])
        if content[at + 6] in (1, 4):  # whole, or the last piece
            yield Record(tuple(pieces), next(points))
            pieces = []
        at = end
