"""A TensorBoard process to ask, with the tab "Overfit" or without it, and logs to show in it."""

from __future__ import annotations

import json
import math
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

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
        self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log, env=environment())

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


def environment() -> dict[str, str]:
    """Return the environment of a process that imports what this one does."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


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
