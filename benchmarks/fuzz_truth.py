"""Whether what a reader gave stands in the bytes of the file; see `fuzz`.

- Formats with checksums (event files, ``.wandb``): every value must be of a record that stands in the mutated file with
  all its bytes, and where nothing was said, and the mutation left them in order, no such record may be missing.
- SQLite has no checksums: every value must stand in the file as SQLite stores numbers.
- Text: every value must stand in the file as a number; on a console also as a ratio, with semicolons also with a
  decimal comma; ``loss`` may be the sum of its parts where the run says so.
- A text that is cut off may give nothing that the whole one did not, so no number of which digits are missing.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from fuzz_logs import NUMBER, Log, Point, logs

from overfit_monitor.readers import Run

CHECKSUMMED = frozenset({"tensorboard", "wandb"})
IN_ORDER = frozenset({"flipped", "cut", "hole", "cell", "inserted", "bloated"})  # these repeat and move nothing
ANSI = re.compile(rb"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])|\x08")
RATIO = re.compile(rb"(\d+(?:\.\d*)?|\.\d+)/(\d+(?:\.\d+)?)")


class Value(NamedTuple):
    """A value in a run, where it is, and what was measured beside it."""

    split: str
    metric: str
    step: int
    value: float
    beside: Mapping[str, float]


def invented(runs: Sequence[Run], files: Mapping[str, bytes]) -> str | None:
    """Return a value in the runs that stands nowhere in the files, None where there is none."""
    content = b"\n".join(files.values())
    # A piece of another log may bring its records, whole as they were.
    records = [record for log in logs().values() for record in log.records]
    whole = {point for record in records if record.whole_in(content) for point in record.points}
    known = _numbers(content)
    for run in runs:
        parts = _parts(run)
        for one in values(run):
            if run.reader in CHECKSUMMED:
                there = (one.split, one.step, one.value) in whole
            elif run.reader == "mlflow-sqlite":
                there = math.isnan(one.value) or _stored(one.value, content)
            else:
                there = math.isnan(one.value) or one.value in known or _reckoned(one, parts, run, content)
            if not there:
                return f"{run.reader}: {one.split} {one.metric} at step {one.step} is {one.value}"
    return None


def lost(runs: Sequence[Run], log: Log, mutation: str, files: Mapping[str, bytes]) -> str | None:
    """Return a record that stands whole in the files and is missing in runs without a remark."""
    if not log.records or mutation not in IN_ORDER or not runs or any(run.notes for run in runs):
        return None
    content = b"\n".join(files.values())
    read = {(one.split, one.step, one.value) for run in runs for one in values(run)}
    missing: Iterable[Point] = (
        point for record in log.records if record.whole_in(content) for point in record.points - read
    )
    return next((f"not read, and nothing said: {point}" for point in missing), None)


def values(run: Run) -> Iterator[Value]:
    """Yield all values of a run."""
    for seen in run.observations:
        for split, measured in (("train", seen.train), ("val", seen.val)):
            for metric, value in measured.items():
                yield Value(split, metric, seen.step, value, measured)


def beyond(runs: Sequence[Run], whole: Sequence[Run]) -> str | None:
    """Return a value of runs from a file that was cut off which the whole file does not give."""
    known = {(one.split, one.metric, one.value) for run in whole for one in values(run)}
    for run in runs:
        for one in values(run):
            if (one.split, one.metric, one.value) not in known:
                return (
                    f"{run.reader}: {one.split} {one.metric} at step {one.step} is {one.value}, and not so when whole"
                )
    return None


def _numbers(content: bytes) -> frozenset[float]:
    """Return all numbers in a text, also where colours stand between their digits."""
    texts = (content, ANSI.sub(b"", content), content.replace(b",", b".") if b";" in content else b"")
    found = {float(number) for text in texts for number in NUMBER.findall(text)}
    return frozenset(found | {-number for number in found} | {math.inf, -math.inf})


def _parts(run: Run) -> list[str]:
    """Return the parts that the run says its loss is the sum of."""
    said = next((note for note in run.notes if "is the sum of" in note), "")
    return re.findall(r"\w+_loss", said)


def _reckoned(one: Value, parts: Sequence[str], run: Run, content: bytes) -> bool:
    if parts and one.metric == "loss":
        return math.isclose(one.value, sum(one.beside[part] for part in parts), rel_tol=1e-9, abs_tol=1e-300)
    ratios = RATIO.findall(ANSI.sub(b"", content)) if run.reader in ("console", "notebook") else []
    return any(float(b) and one.value == float(a) / float(b) for a, b in ratios)


def _stored(value: float, content: bytes) -> bool:
    """Return whether SQLite may have stored the number in these bytes (https://sqlite.org/fileformat.html, 2.1)."""
    if struct.pack(">d", value) in content:
        return True
    whole = value.is_integer() and abs(value) < 2**63
    return whole and any(
        int(value).to_bytes(size, "big", signed=True) in content
        for size in (1, 2, 3, 4, 6, 8)
        if abs(value) < 2 ** (8 * size - 1)
    )
