"""Damaged and hostile logs: what is read whole, in part, or refused; and whether anything breaks.

usage: python benchmarks/fuzz.py [--count 10000] [--seed 0] [--limit 20]

Each log of `overfit_monitor.testing.sample_logs` (and an event file, where TensorBoard is installed) is mutated and
given to ``check``: named, and in a folder with loops of links, links that lead out, a pipe and a device. A mutation is
one of those in `MUTATIONS`. What is counted:

- read: runs and no remark; noted: runs, with a remark or beside a problem; refused: no run, and a reason in one line;
  passed over: a mutation took from a file what told it to be a log, and only the folder was named
- crashes: an exception that is no error of ours, or a dead process; hangs: more than ``--limit`` seconds of processor
  time for reading a log four times, or nothing said for fifteen times as long
- opened: a file outside the folder, a process, a connection, or a pickle; told by an audit hook
- invented: a value in a run that stands nowhere in the file; not asked of binary formats
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import re
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tables import progress, show

from overfit_monitor.check import check
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.readers import read_runs
from overfit_monitor.testing.sample_logs import EPOCHS, TRAIN, VAL, samples

BINARY = frozenset({"W&B offline", "MLflow SQLite", "pickle", "TensorBoard"})
OUTCOMES = ("read", "noted", "refused", "passed over", "crash", "hang", "opened", "invented")
BATCH = 250
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
    other = rng.choice([content for files in logs().values() for content in files.values()])
    return data[: rng.randrange(len(data))] + other[rng.randrange(len(other)) :]


def noise(rng: random.Random, data: bytes) -> bytes:
    """The first bytes, then nothing but noise."""
    return data[: rng.randint(0, 64)] + rng.randbytes(rng.randint(0, 5000))


def bomb(rng: random.Random, data: bytes) -> bytes:
    """Packed zeros: an archive or a pickle's opcodes in place of the log."""
    import gzip
    import io
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
_LOGS: dict[str, Mapping[str, bytes]] = {}


def logs() -> Mapping[str, Mapping[str, bytes]]:
    """Return the logs that are mutated."""
    if not _LOGS:
        _LOGS.update(samples())
        events = event_file()
        if events is not None:
            _LOGS["TensorBoard"] = {"exp/events.out.tfevents.1.host": events}
    return _LOGS


def event_file() -> bytes | None:
    """Return an event file of the same run, None without TensorBoard."""
    try:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary
        from tensorboard.summary.writer.record_writer import RecordWriter
    except ImportError:
        return None
    import io

    class Kept(io.BytesIO):
        def close(self) -> None:
            """Keep what was written."""

    out = Kept()
    writer = RecordWriter(out)
    writer.write(Event(file_version="brain.Event:2").SerializeToString())
    for step in EPOCHS:
        for tag, value in (("Loss/train", TRAIN[step]), ("Loss/val", VAL[step])):
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            writer.write(Event(step=step, summary=summary).SerializeToString())
    writer.flush()
    return out.getvalue()


class Case(NamedTuple):
    """One mutated log: its number, the format, the mutation, and its files."""

    number: int
    format: str
    mutation: str
    files: Mapping[str, bytes]


def turn(number: int) -> tuple[str, str]:
    """Return format and mutation of a case: they take turns."""
    names = list(logs())
    return names[number % len(names)], list(MUTATIONS)[number // len(names) % len(MUTATIONS)]


def case(seed: int, number: int) -> Case:
    """Return a case by its number."""
    rng = random.Random(f"{seed}/{number}")
    format, mutation = turn(number)
    files = dict(logs()[format])
    hit = rng.choice(sorted(files))
    files[hit] = MUTATIONS[mutation](rng, files[hit])
    return Case(number, format, mutation, files)


def write(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write the files of a case beside traps, and return their paths."""
    paths = []
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(path)
    (folder / "loop").symlink_to(folder)
    (folder / "self.csv").symlink_to(folder / "self.csv")
    (folder / "secret.csv").symlink_to(folder.parent / "secret.csv")
    (folder / "null.json").symlink_to("/dev/zero")
    os.mkfifo(folder / "pipe.log")
    return paths


class Watch:
    """Tells of files outside a folder that are opened, and of worse."""

    def __init__(self) -> None:
        self.folder: str | None = None
        self.seen: list[str] = []
        allowed = (sys.prefix, sys.base_prefix, *sys.path, str(Path(__file__).parents[1]))
        self.allowed = tuple(os.path.realpath(path) for path in allowed if path)
        sys.addaudithook(self.hook)

    def hook(self, event: str, given: tuple[Any, ...]) -> None:
        """Take in one event of the interpreter."""
        if self.folder is None:
            return
        if event in ("open", "sqlite3.connect") and given and isinstance(given[0], str | bytes):
            path = os.fsdecode(given[0]).removeprefix("file:").partition("?")[0]
            real = os.path.realpath(path)
            code = real.startswith(self.allowed) and event == "open" and not real.startswith(self.folder)
            if not real.startswith(self.folder + os.sep) and not code:
                self.seen.append(f"{event} {path}")
        elif event in ("subprocess.Popen", "os.system", "os.exec", "socket.connect", "pickle.find_class"):
            self.seen.append(event)


def judged(case: Case, watch: Watch) -> tuple[str, str]:
    """Return the outcome of a case, and what there is to say of it."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(os.path.realpath(place), "logs")
        folder.mkdir()
        (folder.parent / "secret.csv").write_text("loss,val_loss\n1,2\n", encoding="utf-8")
        paths = write(case.files, folder)
        watch.seen.clear()
        watch.folder = str(folder)
        try:
            outcome = _outcome(folder, paths, case)
        except OverfitMonitorError as error:
            outcome = "crash", f"raised to the caller: {error}"
        except Exception as error:  # noqa: BLE001 (to find it is what this is for)
            outcome = "crash", f"{type(error).__name__}: {error}"
        finally:
            watch.folder = None
    return ("opened", watch.seen[0]) if watch.seen else outcome


def _outcome(folder: Path, paths: Sequence[Path], case: Case) -> tuple[str, str]:
    runs, problems = read_runs([folder])
    for given in ([folder], paths):
        result = check(given)
        assert all("\n" not in error.message for error in result.errors), "a message of several lines"
    if case.format not in BINARY and (stray := _invented(runs, b" ".join(case.files.values()))) is not None:
        return "invented", str(stray)
    noted = any(run.notes for run in runs)
    named = read_runs(paths)
    if not runs:
        assert named[1] or named[0], "neither a run nor a reason"
        reason = next((problem for problem in problems if problem.source != str(folder)), None)
        return ("refused", reason.message) if reason else ("passed over", "")
    return ("noted" if noted or problems else "read"), ""


def _invented(runs: Sequence[Any], content: bytes) -> float | None:
    """Return a value that stands nowhere in the file; sums of parts, and ratios on a console, are not asked."""
    known = {float(text) for text in NUMBER.findall(content)} | {math.inf, -math.inf}
    known |= {-value for value in known}
    for run in runs:
        totals = {"loss"} if any("is the sum of" in note for note in run.notes) else set()
        for observation in run.observations:
            for name, value in (*observation.train.items(), *observation.val.items()):
                if name not in totals and not math.isnan(value) and value not in known and b"/" not in content:
                    return float(value)
    return None


def work(seed: int, numbers: Sequence[int], limit: float) -> None:
    """Judge cases, and print the outcome of each as a line of JSON."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    watch = Watch()
    for format, files in logs().items():  # what is imported on the way is not what is watched
        judged(Case(-1, format, "none", files), watch)
    for number in numbers:
        one = case(seed, number)
        signal.setitimer(signal.ITIMER_PROF, limit)  # SIGPROF ends the process, and so tells of a hang
        outcome = judged(one, watch)
        signal.setitimer(signal.ITIMER_PROF, 0)
        print(json.dumps([number, *outcome]), flush=True)


def outcomes(seed: int, count: int, limit: float) -> Iterator[tuple[int, str, str]]:
    """Yield number, outcome and remark of each case, judged in processes that may die or hang."""
    left = list(range(count))
    while left:
        numbers, left = left[:BATCH], left[BATCH:]
        command = [sys.executable, __file__, "--seed", str(seed), "--limit", str(limit), "--work", *map(str, numbers)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            done = yield from _lines(process, numbers, limit)
        left = numbers[done:] + left
        progress(f"{count - len(left)} of {count}")


def _lines(process: subprocess.Popen[str], numbers: Sequence[int], limit: float) -> Any:
    """Yield what a process prints; return how many cases are settled, the one it died or hung at among them."""
    assert process.stdout is not None
    for done, number in enumerate(numbers):
        ready, _, _ = select.select([process.stdout], [], [], 15 * limit)
        line = process.stdout.readline() if ready else ""
        if not line:
            if not ready:
                process.kill()
            slow = not ready or process.wait() == -signal.SIGPROF
            yield number, "hang" if slow else "crash", f"more than {limit} s" if slow else "the process died"
            return done + 1
        yield tuple(json.loads(line))
    return len(numbers)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables; the exit status is 1 where anything broke."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--limit", type=float, default=20.0, help="seconds of processor time that one log may take")
    parser.add_argument("--work", type=int, nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.work:
        work(options.seed, options.work, options.limit)
        return 0
    by_format, by_mutation = Counter[tuple[str, str]](), Counter[tuple[str, str]]()
    bad: list[str] = []
    try:
        for number, outcome, remark in outcomes(options.seed, options.count, options.limit):
            format, mutation = turn(number)
            by_format[format, outcome] += 1
            by_mutation[mutation, outcome] += 1
            if outcome in OUTCOMES[4:]:
                bad.append(f"case {number}, {format}, {mutation}: {outcome}: {remark}")
    except KeyboardInterrupt:
        progress("interrupted; the tables tell of what was done")
    for title, counted in (("By format", by_format), ("By mutation", by_mutation)):
        rows = list(dict.fromkeys(name for name, _ in counted))
        table = [[name, *(counted[name, outcome] for outcome in OUTCOMES)] for name in rows]
        total = [sum(row[i] for row in table) for i in range(1, len(OUTCOMES) + 1)]  # type: ignore[misc]
        show(title, [title.lower().split()[1], *OUTCOMES], [*table, ["all", *total]])
    print(*bad, sep="\n")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
