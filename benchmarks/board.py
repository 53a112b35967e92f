"""The tab "Overfit" in real TensorBoard processes, beside what TensorBoard's own scalars cost in the same processes.

usage: python benchmarks/board.py [--runs 8] [--evaluations 50] [--points 5000] [--memory-runs 8] [--reloads 3]
                                  [--starts 1] [--loaders rust python] [--full]

``--full`` takes 500 runs of 200 evaluations, 1,000 runs for the memory, 1,000,000 points, 100 reloads and 9 starts:
some nine minutes, two of them for TensorBoard's Python loader to read a million points. ``--reloads 600`` is a long
soak.
Five tables:

- Answers: seconds to the first table of runs (TensorBoard has just loaded the log; nothing is imported or judged yet),
  until every run is judged, and for the table after one run got a new point; beside it TensorBoard's own routes for the
  same curves, which judge nothing.
- A long run: seconds to its first view, kilobytes, and a zoom; beside it TensorBoard's own route for its two curves.
- Start: seconds from launching the process to its first answer, with and without the plugin, and what loading the
  plugin takes by itself.
- Memory: megabytes of the server process (the rust loader keeps the log in another process) beside one without the
  plugin on the same log: every run judged, some looked at, and after reloads, each of which brought a new point.
- Figures: all of them beside what was asked for and TensorBoard without the tab.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import NamedTuple

from board_process import LOADERS, PLUGIN, Board, append, board, environment, wait_for_step, write_run, write_runs
from tables import progress, show

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


class Figure(NamedTuple):
    """One line of the last table: what, on which loader, ours, TensorBoard's own beside it, and what was asked for."""

    what: str
    loader: str
    ours: str
    beside: str
    asked: str


def answers(folder: Path, loader: str, runs: int, points: int) -> tuple[list[str], list[Figure]]:
    """Return how long the table of runs takes."""
    root = folder / f"answers-{loader}"
    names = write_runs(root, runs, points)
    with board(root, loader) as running:
        running.loaded(runs, points)
        begin, worked = time.perf_counter(), running.worked()
        first, table = running.table()
        judged = sum(not row["pending"] for row in table["runs"])
        while table["pending"]:
            _, table = running.table(since=table["token"], wait=30)
        everything, worked = time.perf_counter() - begin, running.worked() - worked
        again = median(running.table(since=table["token"])[0] for _ in range(5))
        changed, beside = [], []
        for name in names[:5]:
            append(root, name, points)
            wait_for_step(running, name, points)  # TensorBoard itself takes it in only then
            seconds, table = running.table(since=table["token"], wait=30)
            assert [row["run"] for row in table["runs"]] == [name], table
            changed.append(seconds)
            beside.append(running.own([name])[0])
        own = min(running.own(names)[0] for _ in range(3))
    row = [loader, *(f"{s:.3f}" for s in (first, own)), f"{judged} of {runs}"]
    row += [f"{s:.3f}" for s in (everything, worked, again, median(changed))]
    figures = [
        Figure(f"first table of {runs} runs, s", loader, f"{first:.3f}", f"{own:.3f}", "1.0 with the paint"),
        Figure(f"one of {runs} runs changed, ms", loader, ms(median(changed)), ms(median(beside)), "150"),
    ]
    return row, figures


def ms(seconds: float) -> str:
    """Return seconds as milliseconds."""
    return f"{1000 * seconds:.0f}"


def long_run(root: Path, loader: str, points: int) -> tuple[list[list[str]], list[Figure]]:
    """Return how long the view of a long run takes."""
    rows, figures = [], []
    part = f"from={points // 3}&to={points // 2}"
    with board(root, loader) as running:
        running.loaded(1, points)
        running.table(wait=30)  # the engine is imported then: a view alone is measured
        own, size = running.own(["long"])
        for read, wish in (("sample", ""), ("every point", "&exact=true")):
            view, content = running.ask(f"{PLUGIN}/run?run=long{wish}")
            zoom, _ = running.ask(f"{PLUGIN}/series?run=long&{part}{wish}")
            kilobytes = f"{len(content) / 1000:.0f}"
            rows.append([loader, read, f"{view:.3f}", kilobytes, f"{zoom:.3f}", f"{own:.3f}", f"{size / 1000:.0f}"])
            what = f"view of 2 x {points:,} points, {read}"
            figures.append(Figure(f"{what}, s", loader, f"{view:.3f}", f"{own:.3f}", "1.5 with the paint"))
            figures.append(Figure(f"{what}, kB", loader, kilobytes, f"{size / 1000:.0f}", "500"))
    return rows, figures


def starts(folder: Path, count: int) -> tuple[list[str], list[Figure]]:
    """Return what the plugin adds to TensorBoard's start."""
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
        float(subprocess.run(command, capture_output=True, check=True, env=environment()).stdout) for _ in range(count)
    ]
    without, among = median(seconds[False]), median(seconds[True])
    row = [f"{without:.3f}", f"{among:.3f}", f"{1000 * (among - without):+.0f}"]
    row += [f"{1000 * (median(worked[True]) - median(worked[False])):+.0f}", f"{median(loads):.1f}"]
    figures = [Figure("added to the start, ms", "rust", row[2], f"{1000 * without:.0f} in all", "30")]
    return row, figures


def memory(
    folder: Path, loaders: Sequence[str], runs: int, points: int, reloads: int
) -> tuple[list[list[str]], list[Figure]]:
    """Return the memory of server processes, of all loaders at once, since reloads take a second each."""
    root = folder / "memory"
    names = write_runs(root, runs, points)
    rows, figures, stages = [], [], {max(1, reloads // 5), max(1, 3 * reloads // 5), reloads}
    with ExitStack() as stack:
        both = {name: [stack.enter_context(board(root, name, plugin=p)) for p in (False, True)] for name in loaders}
        tokens = {name: _looked_at(bare, ours, names, points) for name, (bare, ours) in both.items()}
        seen = {name: [(bare.resident(), ours.resident())] for name, (bare, ours) in both.items()}
        rows += [[name, f"{runs} runs judged, {min(10, runs)} looked at", *_beside(*seen[name][0])] for name in loaders]
        for i in range(1, reloads + 1):
            run, step = names[i % runs], points + i
            append(root, run, step)
            for name, (bare, ours) in both.items():
                tokens[name] = _reloaded(bare, ours, run, step, tokens[name])
            if i in stages:
                progress(f"{i} of {reloads} reloads")
                for name, (bare, ours) in both.items():
                    seen[name].append((bare.resident(), ours.resident()))
                    rows.append([name, f"after {i} reloads", *_beside(*seen[name][-1])])
    for name in loaders:
        (bare, ours), early, late = seen[name][0], seen[name][1], seen[name][-1]
        figures.append(Figure(f"memory of {runs} runs, MB", name, f"{ours - bare:+.0f}", f"{bare:.0f} in all", "100"))
        grown = [f"{b - a:+.1f}" for a, b in zip(early, late, strict=True)]
        what = f"growth over the last {reloads - min(stages)} of {reloads} reloads, MB"
        figures.append(Figure(what, name, grown[1], grown[0], "none"))
    return rows, figures


def _beside(without: float, among: float) -> list[str]:
    return [f"{without:.0f}", f"{among:.0f}", f"{among - without:+.0f}"]


def _looked_at(bare: Board, ours: Board, names: Sequence[str], points: int) -> str:
    """Have every run judged and some looked at, and TensorBoard's own routes asked on both."""
    for running in (bare, ours):
        running.loaded(len(names), points)
        running.own(names)
    _, table = ours.table(wait=30)
    while table["pending"]:
        _, table = ours.table(since=table["token"], wait=30)
    for name in names[:10]:
        ours.ask(f"{PLUGIN}/run?run={name}")
    ours.ask(f"{PLUGIN}/compare?" + "&".join(f"run={name}" for name in names[:10]))
    return str(table["token"])


def _reloaded(bare: Board, ours: Board, run: str, step: int, token: str) -> str:
    """Wait until both have taken in a point, and look at it on both."""
    for running in (bare, ours):
        wait_for_step(running, run, step)
        running.own([run])
    _, table = ours.table(since=token, wait=30)
    ours.ask(f"{PLUGIN}/run?run={run}")
    return str(table["token"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sizes = {"runs": (8, 500), "evaluations": (50, 200), "points": (5000, 1_000_000), "reloads": (3, 100)}
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
        _show(folder, options.loaders, size)
    finally:
        shutil.rmtree(folder)


def _show(folder: Path, loaders: Sequence[str], size: dict[str, int]) -> None:
    runs, evaluations, points = size["runs"], size["evaluations"], size["points"]
    figures: list[Figure] = []
    told = [answers(folder, loader, runs, evaluations) for loader in loaders]
    head = ["loader", "first answer", "own routes", "judged in it", "all judged", "processor time", "nothing new"]
    show(f"Seconds, {runs} runs of 2 x {evaluations} points", [*head, "one run changed"], [row for row, _ in told])
    figures += [figure for _, found in told for figure in found]
    write_run(folder / "long" / "long", points, 1)
    views = [long_run(folder / "long", loader, points) for loader in loaders]
    head = ["loader", "read", "view, s", "view, kB", "zoom, s", "own routes, s", "own routes, kB"]
    show(f"A run of {points:,} points a curve", head, [row for rows, _ in views for row in rows])
    figures += [figure for _, found in views for figure in found]
    row, found = starts(folder, size["starts"])
    head = ["without, s", "with, s", "difference, ms", "processor time, ms", "loading the plugin, ms"]
    show(f"Start, median of {size['starts']}", head, [row])
    rows, more = memory(folder, loaders, size["memory-runs"], evaluations, size["reloads"])
    show("Megabytes of the server process", ["loader", "state", "without the tab", "with it", "more"], rows)
    show("Figures", ["figure", "loader", "with the tab", "TensorBoard's own", "asked for"], [*figures, *found, *more])


if __name__ == "__main__":
    main()
