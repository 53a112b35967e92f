"""What the browser tests need: a log folder, real TensorBoard processes, a real browser."""

from __future__ import annotations

import json
import math
import random
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import urlopen

import pytest

from overfit_monitor import Monitor

from ...chromium import WATCH_VIOLATIONS, shoot

WATCHED = "digits/wide-500"
HEALTHY = "digits/with-dropout"
TRAIN_ONLY = "elsewhere/train-only"
HOSTILE = '<img src=x onerror=alert(1)> & 100% "é"'
RUNS = (HOSTILE, WATCHED, TRAIN_ONLY, HEALTHY)
EPOCHS = 60
PLUGIN = "data/plugin/overfit_monitor"
START_SECONDS = 300.0
# As the command `tensorboard`, but without TensorFlow, which it would import where that is installed, for many seconds.
START = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
from tensorboard.main import run_main
run_main()
"""


def curves(*, overfits: bool, seed: int) -> tuple[list[float], list[float]]:
    """Return train and validation losses that fall together, and part at step 20 if it overfits."""
    noise = random.Random(seed)
    train, val = [], []
    for epoch in range(EPOCHS):
        train.append(2.2 * math.exp(-epoch / 11) + 0.06 + abs(noise.gauss(0, 0.006)))
        rise = 0.02 * max(0, epoch - 20) if overfits else 0.0
        val.append(2.0 * math.exp(-epoch / 9) + 0.3 + rise + noise.gauss(0, 0.012))
    return train, val


def write_scalars(folder: Path, series: dict[str, list[float]], *, steps: range = range(EPOCHS)) -> None:
    """Write an event file as any program would that logs scalars, or write on in it from a later step."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.summary.writer.record_writer import RecordWriter

    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "events.out.tfevents.1700000000.host").open("ab") as file:
        writer = RecordWriter(file)
        if not steps.start:
            writer.write(Event(wall_time=1.7e9, file_version="brain.Event:2").SerializeToString())
        for step in steps:
            values = [Summary.Value(tag=tag, simple_value=points[step]) for tag, points in series.items()]
            writer.write(Event(wall_time=1.7e9 + step, step=step, summary=Summary(value=values)).SerializeToString())


def write_logs(root: Path) -> None:
    """Write the four runs of `RUNS`, one of them watched by our own monitor."""
    train, val = curves(overfits=True, seed=1)
    write_scalars(root / WATCHED, {"loss/train": train, "loss/val": val})
    with Monitor(run_dir=root / WATCHED) as monitor:
        for step in range(EPOCHS):
            monitor.log(step=step, train={"loss": train[step]}, val={"loss": val[step]})
    train, val = curves(overfits=True, seed=2)
    write_scalars(root / HOSTILE, {"train_loss": train, "val_loss": val})
    train, val = curves(overfits=False, seed=3)
    write_scalars(root / HEALTHY, {"loss/train": train, "loss/val": val})
    write_scalars(root / TRAIN_ONLY, {"loss/train": train})


@dataclass(frozen=True)
class Server:
    """A running TensorBoard; ``address`` ends with a slash."""

    address: str

    def get(self, path: str) -> dict:
        """Return a route's JSON."""
        with urlopen(f"{self.address}{path}", timeout=30) as answer:
            return json.load(answer)

    def wait_for(self, *runs: str) -> None:
        """Wait until the plugin has read all these runs to their ends."""
        missing: set[str] = set(runs)
        deadline = time.monotonic() + START_SECONDS
        while missing and time.monotonic() < deadline:
            time.sleep(0.1)
            try:
                rows = self.get(f"{PLUGIN}/runs?wait=5")["runs"]
            except HTTPError as error:
                pytest.fail(f"{self.address}{PLUGIN}/runs: {error}; is the package installed with its entry points?")
            except URLError:
                continue
            read = {row["run"] for row in rows if not row["pending"] and row["last_step"] == EPOCHS - 1}
            missing = set(runs) - read
        assert not missing, f"TensorBoard never showed {sorted(missing)}"


@contextmanager
def tensorboards(logs: Path, folder: Path, arguments: dict[str, list[str]]) -> Iterator[dict[str, Server]]:
    """Run several TensorBoards at once over the same logs, by name, and end them afterwards."""
    processes: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for name, extra in arguments.items():
            command = [sys.executable, "-c", START, "--logdir", str(logs), "--port", "0"]
            command += ["--host", "127.0.0.1", "--reload_interval", "1", *extra]
            with (folder / f"{name}.log").open("wb") as log:
                processes[name] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
        yield {name: Server(_address(process, folder / f"{name}.log")) for name, process in processes.items()}
    finally:
        for process in processes.values():
            process.terminate()
        for process in processes.values():
            process.wait(timeout=120)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        found = re.search(r"at (http://\S+)", log.read_text())
        if found:
            return found.group(1)
        time.sleep(0.1)
    pytest.fail(f"TensorBoard did not start:\n{log.read_text()}")


@dataclass(frozen=True)
class Tab:
    """TensorBoard in the browser with our tab open.

    Attributes:
        page: The whole page.
        frame: The plugin's own frame.
        server: The TensorBoard behind it.
        problems: Console errors, uncaught exceptions and opened dialogs so far.
    """

    page: Any
    frame: Any
    server: Server
    problems: list[str] = field(default_factory=list)

    def home(self) -> None:
        """Go to the table of runs, as it is when the tab is first opened."""
        self.page.evaluate("location.hash = '#overfit_monitor'")
        self.frame.goto(self.frame.url)
        self.frame.wait_for_selector("table.runs tbody tr[data-run]")

    def open(self, run: str) -> None:
        """Choose a run in the table."""
        self.frame.get_by_role("link", name=run, exact=True).click()
        self.frame.wait_for_selector(".run-view .summary")

    def column(self, name: str) -> list[str]:
        """Return the texts of a column from top to bottom."""
        return self.frame.locator(f"table.runs tbody td.col-{name}").all_inner_texts()

    def runs(self) -> list[str]:
        """Return the runs in the table, from top to bottom."""
        rows = self.frame.locator("table.runs tbody tr[data-run]")
        return rows.evaluate_all("rows => rows.map(row => row.dataset.run)")

    def row(self, run: str) -> Any:
        """Return a run's row in the table."""
        return self.frame.locator(f"tr[data-run={json.dumps(run, ensure_ascii=False)}]")

    def reload(self) -> None:
        """Press TensorBoard's own reload button."""
        self.page.locator("button.reload-button").click()

    def theme(self, name: str) -> None:
        """Choose a theme in TensorBoard's own menu."""
        self.page.get_by_label("Menu for changing light or dark theme").click()
        self.page.get_by_role("menuitemradio", name=name).or_(self.page.get_by_role("menuitem", name=name)).click()
        self.page.locator(".mat-mdc-menu-panel").wait_for(state="detached")

    def expect_clean(self) -> None:
        """Assert that nothing went wrong so far, and that no log brought in an element of its own."""
        assert self.problems == []
        assert self.frame.evaluate("window.violations") == []
        assert self.frame.locator("img, iframe, object, embed, script[src], [onerror]").count() == 0

    def shoot(self, name: str) -> None:
        """Save a screenshot if ``OVERFIT_MONITOR_SCREENSHOTS`` names a folder."""
        shoot(self.page, name)


def open_tab(browser: Any, server: Server, anchor: str = "#overfit_monitor") -> Tab:
    """Open TensorBoard on our tab and wait for the first answer."""
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    context.add_init_script(WATCH_VIOLATIONS)
    page = context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.extend(_complaint(message, server)))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("dialog", lambda dialog: (problems.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(server.address + anchor)
    frame = page.wait_for_selector('iframe[src*="plugin_entry"]').content_frame()
    frame.wait_for_selector(".overview, .run-view .summary, .compare-view")
    return Tab(page, frame, server, problems)


def _complaint(message: Any, server: Server) -> list[str]:
    source = message.location.get("url", "")
    # Behind a path prefix TensorBoard's own page asks for its font in the wrong place.
    theirs = "/font-roboto/" in source and not source.startswith(server.address)
    return [f"{message.text} ({source})"] if message.type == "error" and not theirs else []
