"""Damaged and hostile logs: what is read whole, in part, or refused; and whether anything breaks.

usage: python benchmarks/fuzz.py [--count 10000] [--seed 0] [--limit 20]

Each log of `overfit_monitor.testing.sample_logs` (and event files, where TensorBoard is installed) is mutated and
given to ``check``: named, and in a folder with loops of links, links that lead out, a pipe and a device. A mutation is
one of those in `fuzz_logs.MUTATIONS`. What is counted:

- read: runs and no remark; noted: runs, with a remark or beside a problem; refused: no run, and a reason in one line;
  passed over: a mutation took from a file what told it to be a log, and only the folder was named
- crashes: an exception that is no error of ours, or a dead process; hangs: more than ``--limit`` seconds of processor
  time for reading a log four times, or nothing said for fifteen times as long
- opened: a file outside the folder, a process, a connection, or a pickle; told by an audit hook
- invented: a value in a run that does not stand in the file, or in a record whose checksum fails, or is what a cut left
  of a number; lost: a record with a right checksum that is missing, and nothing said; see `fuzz_truth`
"""

from __future__ import annotations

import argparse
import json
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from fuzz_logs import MUTATIONS, Log, logs
from fuzz_truth import beyond, invented, lost
from tables import progress, show

from overfit_monitor.check import check
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.readers import Run, read_runs

OUTCOMES = ("read", "noted", "refused", "passed over", "crash", "hang", "opened", "invented", "lost")
BATCH = 250


class Case(NamedTuple):
    """One mutated log: its number, the format, the mutation, its files, and the log as it was."""

    number: int
    format: str
    mutation: str
    files: Mapping[str, bytes]
    log: Log


def turn(number: int) -> tuple[str, str]:
    """Return format and mutation of a case: they take turns."""
    names = list(logs())
    return names[number % len(names)], list(MUTATIONS)[number // len(names) % len(MUTATIONS)]


def case(seed: int, number: int) -> Case:
    """Return a case by its number."""
    rng = random.Random(f"{seed}/{number}")
    format, mutation = turn(number)
    log = logs()[format]
    files = dict(log.files)
    hit = rng.choice(sorted(files))
    files[hit] = MUTATIONS[mutation](rng, files[hit])
    return Case(number, format, mutation, files, log)


def put(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write files below a folder, and return their paths."""
    paths = [folder / name for name in files]
    for path, content in zip(paths, files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return paths


def write(files: Mapping[str, bytes], folder: Path) -> list[Path]:
    """Write the files of a case beside traps, and return their paths."""
    paths = put(files, folder)
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
    if (stray := invented(runs, case.files)) is not None:
        return "invented", stray
    if case.mutation == "cut" and (stray := beyond(runs, whole(case.format))) is not None:
        return "invented", stray
    if not problems and (gone := lost(runs, case.log, case.mutation, case.files)) is not None:
        return "lost", gone
    noted = any(run.notes for run in runs)
    named = read_runs(paths)
    if not runs:
        assert named[1] or named[0], "neither a run nor a reason"
        reason = next((problem for problem in problems if problem.source != str(folder)), None)
        return ("refused", reason.message) if reason else ("passed over", "")
    return ("noted" if noted or problems else "read"), ""


@cache
def whole(format: str) -> Sequence[Run]:
    """Return what a log gives that nothing was done to."""
    with tempfile.TemporaryDirectory() as place:
        put(logs()[format].files, Path(place))
        return read_runs([place])[0]


def work(seed: int, numbers: Sequence[int], limit: float) -> None:
    """Judge cases, and print the outcome of each as a line of JSON."""
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, 6 << 30))
    watch = Watch()
    for format, log in logs().items():  # what is imported on the way is not what is watched
        whole(format)
        judged(Case(-1, format, "none", log.files, log), watch)
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
