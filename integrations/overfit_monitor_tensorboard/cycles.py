"""Records that come round again and again, all of them at once.

A training loop writes the same few scalars at every step. Where their records are as long as those of the round before,
the file is a table: its columns are times, steps, values and CRCs, and everything else must be the same in every row.
Every CRC is checked: a CRC is linear, so that the CRC of a record is that of the one before, changed by what each
byte that differs contributes at its place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from overfit_monitor.columns import Points
from overfit_monitor_tensorboard.framing import CRC_BYTES, HEADER_BYTES, MASK_DELTA

FIRST: Final = 64
MOST: Final = 1 << 14  # rows that are looked at together, so that what is reckoned with stays in the caches
_TIME: Final = range(HEADER_BYTES + 1, HEADER_BYTES + 9)
_STEP_AT: Final = HEADER_BYTES + 10
_LONGEST_STEP: Final = 8

Rows = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Bits = npt.NDArray[np.uint32]


@final
class Sample:
    """A record that was read, of those that come round.

    Args:
        record: All its bytes, header and CRC included.
        step_bytes: Number of bytes of its step, 1 to 8.
        value_at: Place of its value.
        form: How the value is read: ``<f4`` or ``<f8``.
        points: Where step and value go.
        times: Where the wall time goes, None where nobody asks for it.
        crc: The CRC-32C of bytes.
    """

    def __init__(
        self,
        record: bytes,
        *,
        step_bytes: int,
        value_at: int,
        form: str,
        points: Points,
        times: array[float] | None,
        crc: Callable[[bytes], int],
    ) -> None:
        self.record = record
        self._points, self._times = points, times
        self._value_at, self._form = value_at, form
        self._step = range(_STEP_AT, _STEP_AT + step_bytes)
        value = range(value_at, value_at + int(form[-1]))
        fixed = ((0, _TIME.start), (_TIME.stop, _STEP_AT), (self._step.stop, value_at), (value.stop, len(record) - 4))
        self._fixed = [(at, form, _at(record, at, form)) for start, end in fixed for at, form in _words(start, end)]
        self._blank, self._contributions = _contributions(record, (*_TIME, *self._step, *value), crc)

    def alike(self, rows: Rows) -> int:
        """Return how many rows are as this record is."""
        good = self._alike(rows) & (self._reckoned(rows) == _stored(rows))
        return len(rows) if good.all() else int(good.argmin())

    def take(self, rows: Rows) -> None:
        """Take in rows, all of which are as this record is."""
        self._points.steps.extend(self._steps(rows))
        self._points.values.extend(_column(rows, self._value_at, self._form))
        if self._times is not None:
            self._times.extend(_column(rows, _TIME.start, "<f8"))

    def _alike(self, rows: Rows) -> Flags:
        """Return where everything but time, step, value and CRC is the same, and the step is as long."""
        alike = rows[:, self._step[-1]] <= 0x7F
        for at in self._step[:-1]:
            alike &= rows[:, at] > 0x7F
        for at, form, expected in self._fixed:
            alike &= _field(rows, at, form) == expected
        return alike

    def _reckoned(self, rows: Rows) -> Bits:
        """Return the CRCs that the payloads have, given that what is fixed is the same."""
        found = np.full(len(rows), self._blank, dtype=np.uint32)
        for at, contribution in self._contributions:
            found ^= contribution[rows[:, at]]
        return found

    def _steps(self, rows: Rows) -> array[int]:
        steps = np.zeros(len(rows), dtype=np.int64)
        for number, at in enumerate(self._step):
            steps |= (rows[:, at] & 0x7F).astype(np.int64) << (7 * number)
        return array("q", steps.tobytes())


def take_rounds(data: bytes, start: int, samples: Sequence[Sample]) -> int:
    """Take in whole rounds as long as they are as the samples are, and return how many bytes those were.

    Args:
        data: A piece of a file.
        start: Where in it a round begins.
        samples: The records of one round, in their order.
    """
    width = sum(len(sample.record) for sample in samples)
    at, rows = start, FIRST
    while (rows := min(rows, (len(data) - at) // width)) > 0:
        taken = _take(np.frombuffer(data, dtype=np.uint8, count=rows * width, offset=at).reshape(rows, width), samples)
        at += taken * width
        if taken < rows:
            break
        rows = min(8 * rows, MOST)
    return at - start


def may_come_round(step_bytes: int) -> bool:
    """Return whether records with a step of this length can be taken in together."""
    return 1 <= step_bytes <= _LONGEST_STEP


def _take(table: Rows, samples: Sequence[Sample]) -> int:
    ends = list(accumulate(len(sample.record) for sample in samples))
    columns = list(zip(samples, (0, *ends), ends, strict=False))
    count = len(table)
    for sample, start, end in columns:
        count = sample.alike(table[:count, start:end])
    for sample, start, end in columns:
        sample.take(table[:count, start:end])
    return count


def _contributions(
    record: bytes, places: Sequence[int], crc: Callable[[bytes], int]
) -> tuple[int, list[tuple[int, Bits]]]:
    """Return the CRC of the payload with zeros at places, and by what each byte at each of them changes it."""
    payload = bytearray(record[HEADER_BYTES:-CRC_BYTES])
    for at in places:
        payload[at - HEADER_BYTES] = 0
    blank = crc(bytes(payload))
    found = []
    for at in places:
        changes = np.zeros(1, dtype=np.uint32)
        for bit in range(8):
            payload[at - HEADER_BYTES] = 1 << bit
            changes = np.concatenate([changes, changes ^ np.uint32(crc(bytes(payload)) ^ blank)])
        payload[at - HEADER_BYTES] = 0
        found.append((at, changes))
    return blank, found


def _stored(rows: Rows) -> Bits:
    """Return the CRCs as they are stored, without their mask."""
    rotated = _field(rows, rows.shape[1] - CRC_BYTES, "<u4") - np.uint32(MASK_DELTA)
    unmasked: Bits = rotated << np.uint32(15) | rotated >> np.uint32(17)
    return unmasked


def _words(start: int, end: int) -> Iterator[tuple[int, str]]:
    """Yield the places and forms of the numbers that bytes are compared as, the largest first."""
    while start < end:
        size = next(size for size in (8, 4, 2, 1) if start + size <= end)
        yield start, f"<u{size}"
        start += size


def _at(record: bytes, at: int, form: str) -> Any:
    return np.frombuffer(record, dtype=form, count=1, offset=at)[0]


def _field(rows: Rows, at: int, form: str) -> npt.NDArray[Any]:
    """Return the numbers at a place of each row."""
    return rows[:, at : at + int(form[-1])].view(form)[:, 0]


def _column(rows: Rows, at: int, form: str) -> array[float]:
    return array("d", _field(rows, at, form).astype(np.float64).tobytes())
