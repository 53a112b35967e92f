"""What it takes to read and judge logs, each figure beside the peers and a bare ``import numpy``, as whole processes.

usage: python benchmarks/reading.py [--full] [--only NAME ...] [--repeats N]

Every figure is of a process of its own, started one after another: wall time (best and median), CPU time of it and its
children (best), largest memory. ``x`` is the wall time over that of overfit-monitor on the same log, ``x numpy`` over
that of a bare ``import numpy``, which takes its turn with the others. Small logs by default; ``--full`` takes
those of a million rows, 500 files and 10,000 runs. Our modules are compiled before, as pip compiles what it installs. A
peer that is not installed is left out with a line.

The logs are made anew from a fixed seed: Keras-like tables (epoch, loss, val_loss) and event files as torch writes
them. The peers read tables only; event files are read by TensorBoard's own EventAccumulator (``size_guidance`` 0 for
scalars, so that it keeps every point) and by tbparse.
"""

from __future__ import annotations

import argparse
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from tables import progress, show

ACCUMULATE = (
    "import sys; from tensorboard.backend.event_processing.event_accumulator import EventAccumulator as E\n"
    "import pathlib\n"
    "for folder in sorted({p.parent for p in pathlib.Path(sys.argv[1]).rglob('*tfevents*')}):\n"
    "    e = E(str(folder), size_guidance={'scalars': 0}); e.Reload(); [e.Scalars(t) for t in e.Tags()['scalars']]"
)
READ = (
    "import sys, pathlib; from overfit_monitor_tensorboard.events import event_files, read_folder\n"
    "for folder in sorted({p.parent for p in pathlib.Path(sys.argv[1]).rglob('*tfevents*')}):\n"
    "    read_folder(event_files(folder))"
)
TBPARSE = "import sys; from tbparse import SummaryReader; SummaryReader(sys.argv[1]).scalars"
LAUNCH = (
    "import os, sys, time\nquiet = [(os.POSIX_SPAWN_OPEN, fd, os.devnull, os.O_WRONLY, 0) for fd in (1, 2)]\n"
    "start = time.perf_counter()\n"
    "environment = {name: value for name, value in os.environ.items() if name != 'PYTHONDONTWRITEBYTECODE'}\n"
    "pid = os.posix_spawnp(sys.argv[1], sys.argv[1:], environment, file_actions=quiet)\n"
    "_, status, used = os.wait4(pid, 0)\n"
    "print(os.waitstatus_to_exitcode(status), time.perf_counter() - start, used.ru_utime + used.ru_stime,"
    " used.ru_maxrss / 1024)"
)
BARE = "import numpy"
PEERS = {"trainproof": "diagnose", "losslint": "check", "runmedic": "diagnose"}


class Cost(NamedTuple):
    """What a process took: seconds of wall and CPU time, and its largest memory in MB."""

    wall: float
    cpu: float
    memory: float


class Case(NamedTuple):
    """One log, the commands that read it, and how large it is."""

    name: str
    make: Callable[[Path], Path]
    commands: dict[str, Sequence[str]]
    small: bool = False


def measure(command: Sequence[str]) -> Cost | None:
    """Run a command and return what it took, None where it could not be run or did not understand its arguments."""
    # From a small process, because memory is that of the process it was started from at least.
    found = subprocess.run([sys.executable, "-I", "-S", "-c", LAUNCH, *command], capture_output=True, check=False)
    if found.returncode != 0:
        return None
    code, *figures = map(float, found.stdout.decode().split())
    return Cost(*figures) if code in {0, 1} else None


def script(name: str) -> str:
    """Return the path of a peer's command, or its name where it is not installed."""
    try:
        files = metadata.files(name) or []
    except metadata.PackageNotFoundError:
        return name
    return next((str(Path(str(file.locate())).resolve()) for file in files if file.name == name), name)


def curves(n: int, seed: int) -> tuple[Any, Any]:
    """Return train and validation losses of a healthy run."""
    random, step = np.random.default_rng(seed), np.arange(n)
    train = 1.0 / (1.0 + step / 30.0) + 0.01 * random.normal(size=n)
    return train, 1.0 / (1.0 + step / 25.0) + 0.1 + 0.01 * random.normal(size=n)


def tables(runs: int, rows: int) -> Callable[[Path], Path]:
    """Return what writes so many tables; a single one is a file, more are a folder."""

    def write(folder: Path) -> Path:
        for run in range(runs):
            path = folder / f"run{run:05}" / "log.csv" if runs > 1 else folder / "log.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            train, val = curves(rows, run)
            lines = (f"{at},{one},{two}" for at, (one, two) in enumerate(zip(train, val, strict=True)))
            path.write_text("epoch,loss,val_loss\n" + "\n".join(lines) + "\n")
        return folder if runs > 1 else folder / "log.csv"

    return write


def events(files: int, scalars: int) -> Callable[[Path], Path]:
    """Return what writes so many event files of so many scalars, half of them train and half validation."""

    def write(folder: Path) -> Path:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        from overfit_monitor_tensorboard.framing import masked_crc

        def framed(event: Any) -> bytes:
            payload = event.SerializeToString()
            length = struct.pack("<Q", len(payload))
            crcs = struct.pack("<I", masked_crc(length)), struct.pack("<I", masked_crc(payload))
            return length + crcs[0] + payload + crcs[1]

        for number in range(files):
            path = folder / f"run{number:05}" / f"events.out.tfevents.{number}"
            path.parent.mkdir(parents=True, exist_ok=True)
            both = dict(zip(("Loss/train", "Loss/val"), curves(scalars // 2, number), strict=True))
            with path.open("wb") as file:
                file.write(framed(Event(wall_time=1.0, file_version="brain.Event:2")))
                for at in range(scalars // 2):
                    for tag, values in both.items():
                        value = Summary.Value(tag=tag, simple_value=float(values[at]))
                        file.write(framed(Event(wall_time=1e9 + at, step=at, summary=Summary(value=[value]))))
        return folder

    return write


def cases(full: bool) -> list[Case]:
    """Return the logs of the table."""
    ours = [sys.executable, "-m", "overfit_monitor", "check"]
    check = {"overfit-monitor": ours} | {name: [script(name), word] for name, word in PEERS.items()}
    read: dict[str, Sequence[str]] = {
        "overfit-monitor, reading": [sys.executable, "-c", READ],
        "overfit-monitor, check": ours,
        "EventAccumulator": [sys.executable, "-c", ACCUMULATE],
    }
    if find_spec("tbparse"):
        read["tbparse"] = [sys.executable, "-c", TBPARSE]
    million, many, most = (1_000_000, 500, 10_000) if full else (20_000, 10, 20)
    return [
        Case("one table of 200 rows", tables(1, 200), check, small=True),
        Case(f"one table of {million:,} rows", tables(1, million), check),
        Case(f"{many} tables of 200 rows", tables(many, 200), check),
        Case(f"{most:,} tables of 200 rows", tables(most, 200), {"overfit-monitor": ours}),
        Case(f"one event file of {million:,} scalars", events(1, million), read),
        Case(f"{many} event files of 200 scalars", events(many, 200), read),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="logs of a million rows, 500 files, 10,000 runs")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only cases whose name holds one of these")
    parser.add_argument("--repeats", type=int, default=0, metavar="N", help="default: 9 of a small table, else 1 or 3")
    asked = parser.parse_args(arguments)
    # No log, but the modules are compiled then.
    measure([sys.executable, "-m", "overfit_monitor", "check", __file__])
    rows = []
    for case in cases(asked.full):
        if asked.only and not any(word in case.name for word in asked.only):
            continue
        with tempfile.TemporaryDirectory() as folder:
            path = case.make(Path(folder))
            progress(case.name)
            rows += lines(case, path, asked.repeats or (9 if case.small else 1 if asked.full else 3))
    head = ["log", "read by", "wall s", "median", "CPU s", "MB", "x", "x numpy"]
    show("Reading and judging logs, whole processes", head, rows)


def lines(case: Case, path: Path, repeats: int) -> list[list[str]]:
    """Return the lines of one log: all commands take turns, as often as asked for."""
    commands = {BARE: [sys.executable, "-c", BARE]} | {name: [*who, str(path)] for name, who in case.commands.items()}
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            costs[name] += [cost for cost in [measure(command)] if cost is not None]
    best = {name: min(found) for name, found in costs.items() if found}
    first = next((best[name] for name in case.commands if name in best), None)
    rows = []
    for name, found in costs.items():
        if not found:
            rows.append([case.name, name, "not installed, or it does not read this", *[""] * 5])
            continue
        walls = best[name].wall, median(cost.wall for cost in found)
        figures = [*walls, min(cost.cpu for cost in found)]
        ratios = [f"{walls[0] / other.wall:.1f}" if other else "" for other in (first, best.get(BARE))]
        memory = f"{max(cost.memory for cost in found):.0f}"
        rows.append([case.name, name, *(f"{figure:.2f}" for figure in figures), memory, *ratios])
    return rows


if __name__ == "__main__":
    main()
