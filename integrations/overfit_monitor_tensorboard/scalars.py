"""The fast way through event files: records that differ from one seen before in step, time and value only.

A log holds the same few records again and again. What a record is made of is found out once, by protobuf; from then on
it is known again by its bytes, all of which must be the same but those of time, step and value.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, final

from overfit_monitor.columns import Points
from overfit_monitor_tensorboard.cycles import Sample, may_come_round, take_rounds
from overfit_monitor_tensorboard.framing import CRC_BYTES, HEADER_BYTES, PIECE, Bytes, crc32c, length_in, unmasked

# Tags of protobuf fields in `Event`, `Summary`, `Summary.Value` and `TensorProto`, as bytes of the wire format.
_TIME, _STEP, _SUMMARY = 0x09, 0x10, 0x2A
_TAG, _SIMPLE_VALUE, _TENSOR = 0x0A, 0x15, 0x42
_TENSOR_VALUES: Final[Mapping[bytes, str]] = {
    b"\x22\x04": "<f4",  # tensor_content of 4 bytes
    b"\x22\x08": "<f8",
    b"\x2a\x04": "<f4",  # float_val, packed
    b"\x32\x08": "<f8",  # double_val, packed
}
_DTYPE: Final = 0x08
_FORMS: Final = {1: "<f4", 2: "<f8"}  # DT_FLOAT, DT_DOUBLE
_STRUCTS: Final = {"<f4": "<f", "<f8": "<d"}
_AFTER_TIME: Final = 9
_WALL_TIME: Final = struct.Struct("<d").unpack_from
_TRIED: Final = 256  # records after which it is looked whether they come round
_MOST_SHAPES: Final = 1 << 16


class Shape(NamedTuple):
    """How records of one tag are made, from the field ``summary`` on.

    Attributes:
        length: Number of bytes.
        before: Bytes between the tag and the value.
        value_at: Place of the value.
        after: Bytes after the value.
        value: Reads the value at a place.
        add_step: Takes the step.
        add_value: Takes the value.
        form: How the value is read.
        points: Where step and value go.
        times: Where the wall time goes, None where nobody asks for it.
    """

    length: int
    before: bytes
    value_at: int
    after: bytes
    value: Callable[[bytes, int], tuple[float]]
    add_step: Callable[[int], None]
    add_value: Callable[[float], None]
    form: str
    points: Points
    times: array[float] | None


@final
class KnownScalars:
    """Takes in records that are made as one before.

    Attributes:
        skipped: Whether any was taken in since this was last set to False.
    """

    def __init__(self) -> None:
        self.skipped = False
        self._shapes: dict[bytes, Shape] = {}
        self._lengths: dict[bytes, int] = {}

    def learn(self, payload: bytes, value: float, points: Points, times: array[float] | None = None) -> None:
        """Remember how a record with a single scalar is made, if it is made in a usual way.

        Args:
            payload: The record.
            value: The scalar in it.
            points: Where its step and value went.
            times: Where its wall time went, None where nobody asks for it.
        """
        try:
            summary = payload[_body_at(payload)[1] :]
            name_end = 6 + summary[5]
            found = _value_in(summary, name_end)
            if found is None or len(self._shapes) >= _MOST_SHAPES:
                return
            at, form = found
            read: Any = struct.Struct(_STRUCTS[form]).unpack_from
            if read(summary, at)[0] != value:
                return
        except (IndexError, struct.error):
            return
        self._shapes[summary[:name_end]] = Shape(
            len(summary),
            summary[name_end:at],
            at,
            summary[at + int(form[-1]) :],
            read,
            points.steps.append,
            points.values.append,
            form,
            points,
            times,
        )

    def skip(self, content: Bytes, offset: int) -> int:
        """Take in records from a place on as long as they are known, and return where the next begins.

        Every one of them is checked against its CRC; one that does not pass is left to the caller.
        """
        if not self._shapes:
            return offset
        while True:
            if not content.base <= offset < content.base + len(content.data):
                content.load(offset)
            taken: list[tuple[int, Shape]] = []
            beyond, more = self._some(content.data, offset - content.base, taken)
            if len(taken) == _TRIED:
                beyond += _rounds(content.data, beyond, taken)
            at = content.base + beyond
            self.skipped |= at != offset
            if not more or at == offset or at >= content.size:
                return at
            offset = at
            if len(taken) < _TRIED:
                content.load(offset)  # the next record is not whole here

    def _some(self, data: bytes, at: int, taken: list[tuple[int, Shape]]) -> tuple[int, bool]:
        """Take in some records, and return the place of the first that is not, and whether there may be more."""
        shapes, lengths, crc, end_of_data = self._shapes, self._lengths, crc32c(), len(data)
        for _ in range(_TRIED):
            header = data[at : at + HEADER_BYTES]
            length = lengths.get(header)
            if length is None:
                if len(header) < HEADER_BYTES:
                    return at, True
                length = length_in(header)
                if length is None:
                    return at, False
                if len(lengths) < _MOST_SHAPES:
                    lengths[header] = length
            start = at + HEADER_BYTES
            end = start + length
            if end + CRC_BYTES > end_of_data:
                return at, length < PIECE
            payload = data[start:end]
            try:
                step, body = _body_at(payload)
                shape = shapes.get(payload[body : body + 6 + payload[body + 5]])
            except IndexError:
                return at, False
            if (
                shape is None
                or length - body != shape[0]
                or not payload.startswith(shape[1], body + shape[2] - len(shape[1]))
                or not payload.endswith(shape[3])
                or crc(payload) != unmasked(int.from_bytes(data[end : end + CRC_BYTES], "little"))
            ):
                return at, False
            shape[5](step)
            shape[6](shape[4](payload, body + shape[2])[0])
            if shape[9] is not None:
                shape[9].append(_WALL_TIME(payload, 1)[0])
            taken.append((at, shape))
            at = end + CRC_BYTES
        return at, True


def _rounds(data: bytes, at: int, taken: Sequence[tuple[int, Shape]]) -> int:
    """Take in the rounds that go on as the latest records did, and return how many bytes those were."""
    shapes = [id(shape) for _, shape in taken]
    period = next((n for n in range(1, _TRIED // 2 + 1) if shapes[-n:] == shapes[-2 * n : -n]), None)
    if period is None:
        return 0
    if len({id(shape.points) for _, shape in taken[-period:]}) < period:
        return 0  # rounds are taken in a column at a time, which would part a tag that is in one twice from its order
    starts = [start for start, _ in taken[-period:]]
    samples = []
    for start, end, (_, shape) in zip(starts, (*starts[1:], at), taken[-period:], strict=True):
        record = data[start:end]
        body = len(record) - HEADER_BYTES - CRC_BYTES - shape.length
        step_bytes = body - _AFTER_TIME - 1
        if not may_come_round(step_bytes):
            return 0
        samples.append(
            Sample(
                record,
                step_bytes=step_bytes,
                value_at=HEADER_BYTES + body + shape.value_at,
                form=shape.form,
                points=shape.points,
                times=shape.times,
                crc=crc32c(),
            )
        )
    return take_rounds(data, at, samples)


def _body_at(payload: bytes) -> tuple[int, int]:
    """Return the step of an event and where the field ``summary`` begins.

    Raises:
        IndexError: It is no event of time, step and summary, in this order.
    """
    if payload[0] != _TIME:
        raise IndexError
    kind = payload[_AFTER_TIME]
    if kind == _SUMMARY:
        return 0, _AFTER_TIME  # a step of 0 is not written
    step = payload[_AFTER_TIME + 1]
    at = _AFTER_TIME + 2
    if step > 0x7F:
        step, shift = step & 0x7F, 7
        while True:
            byte = payload[at]
            at += 1
            step |= (byte & 0x7F) << shift
            if byte <= 0x7F:
                break
            shift += 7
    if kind != _STEP or payload[at] != _SUMMARY or at > _AFTER_TIME + 11:
        raise IndexError
    step &= (1 << 64) - 1
    return (step - (1 << 64) if step >> 63 else step), at


def _value_in(summary: bytes, at: int) -> tuple[int, str] | None:
    """Return where after the tag the value begins and how it is to be read, None where that is not plain to see."""
    whole = summary[1] == len(summary) - 2 and summary[2] == _TAG and summary[3] == len(summary) - 4
    if not whole or summary[4] != _TAG:
        return None  # more than one value, or lengths of two bytes
    if summary[at] == _SIMPLE_VALUE:
        return at + 1, "<f4"
    if summary[at] != _TENSOR:
        return None
    return _in_tensor(summary, at + 2, at + 2 + summary[at + 1])


def _in_tensor(summary: bytes, at: int, end: int) -> tuple[int, str] | None:
    found: list[tuple[int, str]] = []
    kind = 0
    while at < end:
        form = _TENSOR_VALUES.get(summary[at : at + 2])
        if form is not None:
            found.append((at + 2, form))
        if summary[at] & 7 == 2:
            at += 2 + summary[at + 1]
        elif summary[at] & 7 == 0 and summary[at + 1] <= 0x7F:
            kind = summary[at + 1] if summary[at] == _DTYPE else kind
            at += 2
        else:
            return None
    return found[0] if len(found) == 1 and found[0][1] == _FORMS.get(kind) else None
