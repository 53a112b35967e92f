"""The tab "Overfit" in real TensorBoard processes, beside what TensorBoard's own scalars cost in the same processes.

usage: python benchmarks/board.py [--runs 8] [--evaluations 50] [--points 5000] [--reloads 5] [--starts 1]
                                  [--loaders rust python] [--full]

``--full`` takes 500 runs of 200 evaluations, 1,000 runs for the memory, 1,000,000 points, 300 reloads and 9 starts; the
Python loader of TensorBoard itself needs minutes for that. Four tables:

- Answers: seconds to the first table of runs (TensorBoard has just loaded the log; nothing is imported or judged yet),
  until every run is judged, and for the table after one run got a new point; beside it TensorBoard's own routes for the
  same curves, which judge nothing.
- A long run: seconds to its first view, kilobytes, and a zoom; beside it TensorBoard's own route for its two curves.
- Start: seconds from launching the process to its first answer, with and without the plugin, and what loading the
  plugin takes by itself.
- Memory: megabytes of the server process (the rust loader keeps the log in another process) above one without the
  plugin that answered TensorBoard's own routes, with every run judged; and after how many reloads with new points.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

from tables import show

from overfit_monitor_tensorboard.framing import masked_crc

LOADERS = {"rust": "--load_fast=true", "python": "--load_fast=false"}
PLUGIN = "data/plugin/overfit_monitor"
TAGS = ("Loss/train", "Loss/val")
PATIENCE = 900.0
# TensorBoard's own start, with the plugins that are installed or without ours. TensorFlow is kept out where it is
# installed: TensorBoard would import it, which takes seconds and hundreds of megabytes that have nothing to do with us.
LAUNCH = """
import sys, types
from importlib.metadata import entry_points
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from tensorboard import default, main_lib, program
main_lib.global_init()
left_out = () if sys.argv.pop(1) == "with" else ("overfit_monitor",)
plugins = default.get_static_plugins()
plugins += [point.load() for point in entry_points(group="tensorboard_plugins") if point.name not in left_out]
board = program.TensorBoard(plugins=plugins)
board.configure(sys.argv)
board.main()
"""
LOAD = """
import sys, time
from tensorboard import default
from tensorboard.backend import application
from tensorboard.plugins import base_plugin
import argparse
default.get_static_plugins()
begin = time.perf_counter()
from overfit_monitor_tensorboard.plugin import OverfitPlugin
plugin = OverfitPlugin()
plugin.fix_flags(argparse.Namespace(samples_per_plugin={}))
tab = plugin.load(base_plugin.TBContext(data_provider=object(), logdir="", sampling_hints={}))
tab.get_plugin_apps(), tab.frontend_metadata(), tab.data_plugin_names()
print(1000 * (time.perf_counter() - begin))
"""


def record(payload: bytes) -> bytes:
    """Return one record of an event file."""
    head = struct.pack("<Q", len(payload))
    return b"".join([head, struct.pack("<I", masked_crc(head)), payload, struct.pack("<I", masked_crc(payload))])


def scalars(step: int, wall_time: float, values: Sequence[float]) -> bytes:
    """Return the records of both curves at a step, one each as torch writes them."""
    head = b"\t" + struct.pack("<d", wall_time) + b"\x10" + _varint(step)
    return b"".join(record(head + _summary(tag, value)) for tag, value in zip(TAGS, values, strict=True))


def _summary(tag: str, value: float) -> bytes:
    name = tag.encode()
    content = b"\n" + bytes([len(name)]) + name + b"\x15" + struct.pack("<f", value)
    return b"*" + bytes([len(content) + 2]) + b"\n" + bytes([len(content)]) + content


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 0x7F:
        encoded, number = encoded + bytes([number & 0x7F | 0x80]), number >> 7
    return encoded + bytes([number])


def write_run(folder: Path, points: int, seed: int) -> Path:
    """Write a run that overfits or not, by the seed."""
    folder.mkdir(parents=True)
    path = folder / "events.out.tfevents.1700000000.host.1.0"
    noise, turn, rise = random.Random(seed), points // 3, (seed % 3) * 0.4 / points
    with path.open("wb") as file:
        file.write(record(b"\t" + struct.pack("<d", 1e9) + b"\x1a\rbrain.Event:2"))
        for i in range(points):
            down = math.exp(-6.0 * i / points)
            val = 0.2 + down + max(0, i - turn) * rise + noise.gauss(0, 0.02)
            file.write(scalars(i, 1e9 + i, (down + noise.gauss(0, 0.01), val)))
    return path


class Board:
    """A TensorBoard process and how to ask it."""

    def __init__(self, logdir: Path, loader: str, *, plugin: bool = True) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        options = [f"--logdir={logdir}", f"--port={port}", "--host=127.0.0.1", "--reload_interval=1", LOADERS[loader]]
        self.address = f"http://127.0.0.1:{port}"
        self.log = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `board`
        command = [sys.executable, "-W", "ignore", "-c", LAUNCH, "with" if plugin else "without", *options]
        self.begin = time.perf_counter()
        self.process = subprocess.Popen(
            command, stdout=self.log, stderr=self.log, env=os.environ | {"PYTHONPATH": _paths()}
        )

    def ask(self, path: str, data: bytes | None = None) -> tuple[float, bytes]:
        """Return the seconds that an answer took, and the answer."""
        begin = time.perf_counter()
        with urlopen(Request(f"{self.address}/{path}", data=data), timeout=PATIENCE) as answer:
            content = answer.read()
        return time.perf_counter() - begin, content

    def table(self, **options: Any) -> tuple[float, dict[str, Any]]:
        """Return the seconds that the table of runs took, and the table."""
        query = "&".join(f"{name}={value}" for name, value in options.items())
        seconds, content = self.ask(f"{PLUGIN}/runs?{query}")
        return seconds, json.loads(content)

    def started(self) -> float:
        """Wait for the first answer, and return the seconds since the launch."""
        while True:
            try:
                self.ask("data/environment")
                return time.perf_counter() - self.begin
            except URLError:
                if self.process.poll() is not None or time.perf_counter() - self.begin > PATIENCE:
                    self.log.seek(0)
                    raise SystemExit(self.log.read().decode(errors="replace")) from None
                time.sleep(0.005)

    def loaded(self, runs: int, points: int) -> None:
        """Wait until TensorBoard itself holds every run to its last point."""
        self.started()
        while True:
            tags = json.loads(self.ask("data/plugin/scalars/tags")[1])
            if len(tags) == runs and all(len(found) == len(TAGS) for found in tags.values()):
                last = sorted(tags)[-1]
                series = json.loads(self.ask(f"data/plugin/scalars/scalars?run={quote(last)}&tag={quote(TAGS[1])}")[1])
                if series and series[-1][1] == points - 1:
                    return
            time.sleep(0.1)

    def own(self, runs: Sequence[str]) -> tuple[float, int]:
        """Return seconds and bytes of TensorBoard's own answers for both curves of these runs."""
        seconds, size = 0.0, 0
        for tag in TAGS:
            data = "&".join([f"tag={quote(tag)}", *(f"runs={quote(run)}" for run in runs)]).encode()
            took, content = self.ask("data/plugin/scalars/scalars_multirun", data)
            seconds, size = seconds + took, size + len(content)
        return seconds, size

    def worked(self) -> float:
        """Return the seconds of processor time that the server process has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident(self) -> float:
        """Return the megabytes that the server process has in memory."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * 4096 / 1e6


def _paths() -> str:
    return os.pathsep.join(path for path in sys.path if path)


@contextmanager
def board(logdir: Path, loader: str, *, plugin: bool = True) -> Iterator[Board]:
    """Run TensorBoard for a while."""
    running = Board(logdir, loader, plugin=plugin)
    try:
        yield running
    finally:
        running.process.terminate()
        running.process.wait(30)
        running.log.close()


def write_runs(root: Path, runs: int, points: int) -> list[str]:
    """Write runs and return their names."""
    names = [f"run{i:04}" for i in range(runs)]
    for i, name in enumerate(names):
        write_run(root / name, points, i)
    return names


def append(root: Path, name: str, step: int) -> None:
    """Give a run a new point."""
    path = next((root / name).glob("*tfevents*"))
    with path.open("ab") as file:
        file.write(scalars(step, time.time(), (0.1, 0.3)))


def wait_for_step(running: Board, name: str, step: int) -> None:
    """Wait until TensorBoard itself holds a step."""
    while True:
        series = json.loads(running.ask(f"data/plugin/scalars/scalars?run={quote(name)}&tag={quote(TAGS[1])}")[1])
        if series[-1][1] >= step:
            return
        time.sleep(0.05)


def answers(folder: Path, loaders: Sequence[str], runs: int, points: int) -> None:
    """Print how long the table of runs takes."""
    rows = []
    for loader in loaders:
        root = folder / f"answers-{loader}"
        names = write_runs(root, runs, points)
        with board(root, loader) as running:
            running.loaded(runs, points)
            begin = time.perf_counter()
            first, table = running.table()
            judged = sum(not row["pending"] for row in table["runs"])
            while table["pending"]:
                _, table = running.table(since=table["token"], wait=30)
            everything = time.perf_counter() - begin
            again = median(running.table(since=table["token"])[0] for _ in range(5))
            changed = []
            for i in range(3):
                append(root, names[i], points)
                wait_for_step(running, names[i], points)  # TensorBoard itself takes it in only then
                seconds, table = running.table(since=table["token"], wait=30)
                assert [row["run"] for row in table["runs"]] == [names[i]], table
                changed.append(seconds)
            own = min(running.own(names)[0] for _ in range(3))
            rows.append([loader, *(f"{s:.3f}" for s in (first, own)), f"{judged} of {runs}"])
            rows[-1] += [f"{s:.3f}" for s in (everything, again, median(changed))]
    head = ["loader", "first answer", "own routes", "judged in it", "all judged", "nothing new", "one run changed"]
    show(f"Seconds, {runs} runs of 2 x {points} points", head, rows)


def long_run(folder: Path, loaders: Sequence[str], points: int) -> None:
    """Print how long the view of a long run takes."""
    root = folder / "long"
    write_run(root / "long", points, 1)
    rows = []
    for loader in loaders:
        with board(root, loader) as running:
            running.loaded(1, points)
            running.table(wait=30)  # the engine is imported then: a view alone is measured
            view, content = running.ask(f"{PLUGIN}/run?run=long")
            zoom, _ = running.ask(f"{PLUGIN}/series?run=long&from={points // 3}&to={points // 2}")
            own, size = running.own(["long"])
            rows.append([loader, "sample", f"{view:.3f}", f"{len(content) / 1000:.0f}", f"{zoom:.3f}"])
            rows[-1] += [f"{own:.3f}", f"{size / 1000:.0f}"]
            view, content = running.ask(f"{PLUGIN}/run?run=long&exact=true")
            zoom, _ = running.ask(f"{PLUGIN}/series?run=long&exact=true&from={points // 3}&to={points // 2}")
            rows.append([loader, "every point", f"{view:.3f}", f"{len(content) / 1000:.0f}", f"{zoom:.3f}", "-", "-"])
    head = ["loader", "read", "view, s", "view, kB", "zoom, s", "own routes, s", "own routes, kB"]
    show(f"A run of {points:,} points a curve", head, rows)


def starts(folder: Path, count: int) -> None:
    """Print what the plugin adds to TensorBoard's start."""
    root = folder / "start"
    write_run(root / "run", 10, 0)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    worked: dict[bool, list[float]] = {True: [], False: []}
    for i in range(2 * count):
        plugin = i % 4 in (0, 3)  # in turns, the first and the second alike
        with board(root, "rust", plugin=plugin) as running:
            seconds[plugin].append(running.started())
            worked[plugin].append(running.worked())
    command = [sys.executable, "-W", "ignore", "-c", LOAD]
    loads = [
        float(
            subprocess.run(command, capture_output=True, check=True, env=os.environ | {"PYTHONPATH": _paths()}).stdout
        )
        for _ in range(count)
    ]
    without, among = median(seconds[False]), median(seconds[True])
    row = [f"{without:.3f}", f"{among:.3f}", f"{1000 * (among - without):+.0f}"]
    row += [f"{1000 * (median(worked[True]) - median(worked[False])):+.0f}", f"{median(loads):.1f}"]
    head = ["without, s", "with, s", "difference, ms", "processor time, ms", "loading the plugin, ms"]
    show(f"Start, median of {count}", head, [row])


def memory(folder: Path, runs: int, points: int, reloads: int) -> None:
    """Print the memory of the server process."""
    root = folder / "memory"
    names = write_runs(root, runs, points)
    with board(root, "rust", plugin=False) as running:
        running.loaded(runs, points)
        running.own(names)
        without = running.resident()
    with board(root, "rust") as running:
        running.loaded(runs, points)
        running.own(names)
        _, table = running.table(wait=30)
        while table["pending"]:
            _, table = running.table(since=table["token"], wait=30)
        for name in names[:10]:
            running.ask(f"{PLUGIN}/run?run={name}")
        judged = running.resident()
        rows = [["without the plugin", f"{without:.0f}", ""]]
        rows.append([f"{runs} runs judged, 10 of them looked at", f"{judged:.0f}", f"{judged - without:+.0f}"])
        for i in range(1, reloads + 1):
            name = names[i % runs]
            append(root, name, points + i)
            if i % 5 == 0:
                time.sleep(1.0)
            _, table = running.table(since=table["token"], wait=30)
            running.ask(f"{PLUGIN}/run?run={name}")
            if i in (reloads // 2, reloads):
                rows.append([f"after {i} reloads", f"{running.resident():.0f}", f"{running.resident() - judged:+.0f}"])
    show("Megabytes of the server process", ["state", "resident", "more"], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"runs": (8, 500), "evaluations": (50, 200), "points": (5000, 1_000_000), "reloads": (5, 300)}
    sizes |= {"starts": (1, 9), "memory-runs": (8, 1000)}
    for name, (small, full) in sizes.items():
        parser.add_argument(f"--{name}", type=int, help=f"{small}; with --full {full}")
    parser.add_argument("--loaders", nargs="+", choices=sorted(LOADERS), default=sorted(LOADERS, reverse=True))
    parser.add_argument("--full", action="store_true", help="the sizes that the documentation quotes")
    options = parser.parse_args(arguments)
    given = vars(options)
    size = {n: given[n.replace("-", "_")] or both[options.full] for n, both in sizes.items()}
    folder = Path(tempfile.mkdtemp(prefix="board-"))
    try:
        answers(folder, options.loaders, size["runs"], size["evaluations"])
        long_run(folder, options.loaders, size["points"])
        starts(folder, size["starts"])
        memory(folder, size["memory-runs"], size["evaluations"], size["reloads"])
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
