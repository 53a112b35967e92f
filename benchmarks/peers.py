"""Our ``check`` beside the neighbours on PyPI: how often each is right, how long it takes, and what it can do.

usage: python benchmarks/peers.py [--only times features curves nets] [--runs 120] [--seed 2] [--curves 5]
                                  [--rounds 15] [--jobs 2]

Each tool is called as its console script calls it, on CSV files with the columns epoch, loss and val_loss. *At the
end* is what it says of the whole file. *Streamed* is whether it said it of the file as it was after any evaluation,
as a job that checks a growing log would; for ours that is what a monitor says live, which is the same
(``tests/overfit_monitor/test_check.py``).

Made curves: those of ``overfit_monitor.testing.curves``, overfit where their verdict is, with noise of 0.5, 2 and 8 %.
Nets: those of ``benchmarks/nets.py``, with the truth of ``benchmarks/detection.py``: the loss on a large hidden sample.

Times are of whole processes, one after the other in every round, so that a slow moment falls on all; ratios are
medians over rounds. What each can do is tried, not taken from its documentation: every cell is the outcome of a run.
A tool that is not installed has a row that says so.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from xml.etree import ElementTree as ET

from detection import trained
from peer_tools import OURS, TOOLS, Alternatives, Tool
from rules import observations, ours
from tables import progress, show

from overfit_monitor.testing import curves

NOISES = (0.005, 0.02, 0.08)
TABLES = ("times", "features", "curves", "nets")
ROWS = 200
SHORT = 5  # evaluations that any of them needs before it says a thing


def write(path: Path, train: Sequence[float], val: Sequence[float] | None = None) -> Path:
    """Write a log, without a validation column if there is none."""
    columns = [train] if val is None else [train, val]
    rows = (",".join(map(str, (epoch, *row))) for epoch, row in enumerate(zip(*columns, strict=True)))
    path.write_text("\n".join([",".join(["epoch", "loss", "val_loss"][: 1 + len(columns)]), *rows]) + "\n")
    return path


def made(seeds: int) -> list[dict[str, Any]]:
    """Return made curves with their truth; those whose verdict is neither are no question of overfitting."""
    found = []
    for seed in range(seeds):
        for make in curves.CATALOGUE:
            for sd in NOISES:
                curve = make(100, sd=sd, seed=seed)
                if curve.verdict in ("overfitting", "healthy"):
                    onset = math.nan if curve.onset_step is None else curve.onset_step
                    known = {"train": curve.train, "val": curve.val, "onset": onset}
                    found.append(known | {"truth": curve.verdict == "overfitting"})
    return found


class Answer(NamedTuple):
    """What a tool says of a run.

    Attributes:
        at_end: Whether it calls it overfit at its end.
        ever: Whether it calls it overfit at any time.
        distance: Evaluations between the onset it names at the end and the true one, NaN where either is not known.
    """

    at_end: bool
    ever: bool
    distance: float


def said(run: dict[str, Any], tool: str) -> Answer:
    """Return what a tool says of a run."""
    one = next(each for each in TOOLS if each.name == tool)
    train, val = run["train"], run["val"]
    with TemporaryDirectory() as folder:
        log = Path(folder, "log.csv")
        onset = one.told(write(log, train, val))
        distance = math.nan if onset is None else abs(onset - run["onset"])
        if one is OURS:
            return Answer(onset is not None, bool(ours(observations(train, val)).any()), distance)
        ends = range(SHORT, len(val))
        ever = onset is not None or any(one.told(write(log, train[:end], val[:end])) is not None for end in ends)
        return Answer(onset is not None, ever, distance)


def show_right(title: str, runs: list[dict[str, Any]], jobs: int) -> None:
    """Print how often each tool is right."""
    truth = [run["truth"] for run in runs]
    rows = []
    with ProcessPoolExecutor(jobs) as pool:
        for tool in TOOLS:
            if tool.installed is None:
                rows.append([tool.name, "not installed", *[""] * 4])
                continue
            answers = list(pool.map(partial(said, tool=tool.name), runs, chunksize=4))
            progress(f"{title}: {tool.name}, {len(runs)} runs")
            rows.append([f"{tool.name} {tool.installed}", *_rates(answers, truth)])
    header = ["tool", "recall at the end", "false alarms at the end", "recall streamed", "false alarms streamed"]
    header += ["distance to the onset, median"]
    show(f"{title}: {sum(truth)} overfit, {len(runs) - sum(truth)} healthy", header, rows)


def _rates(answers: Sequence[Answer], truth: Sequence[bool]) -> list[str]:
    sick = [answer for answer, overfit in zip(answers, truth, strict=True) if overfit]
    well = [answer for answer, overfit in zip(answers, truth, strict=True) if not overfit]
    cells = []
    for when in (0, 1):
        cells += [f"{sum(answer[when] for answer in kind) / len(kind):.3f}" if kind else "-" for kind in (sick, well)]
    known = [answer.distance for answer in sick if not math.isnan(answer.distance)]
    return [*cells, f"{statistics.median(known):.1f}" if known else "-"]


def show_times(rounds: int, folder: Path) -> None:
    """Print how long each takes for a file of 200 rows, whole process."""
    curve = curves.overfit(ROWS)
    log = write(folder / "log.csv", curve.train, curve.val)
    commands = {
        "python -c pass": [sys.executable, "-c", "pass"],
        "import numpy": [sys.executable, "-c", "import numpy"],
    }
    commands |= {tool.name: tool.command(*tool.judge, log) for tool in TOOLS if tool.installed}
    seconds: dict[str, list[float]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run(command, cwd=folder, capture_output=True, check=False)
            if number:  # the first round fills the caches
                seconds[name].append(time.perf_counter() - start)
    base = seconds["import numpy"]
    rows = [
        [
            name,
            f"{statistics.median(own):.3f}",
            f"{statistics.median(a / b for a, b in zip(own, base, strict=True)):.2f}",
            f"{min(own):.3f}",
        ]
        for name, own in seconds.items()
    ]
    rows += [[tool.name, "not installed", "", ""] for tool in TOOLS if not tool.installed]
    header = ["whole process", "seconds, median", "times import numpy", "seconds, least"]
    show(f"One CSV of {ROWS} rows, {rounds} rounds", header, rows)


class Tried:
    """Runs one tool in one folder, and tells what came of it."""

    def __init__(self, tool: Tool, folder: Path) -> None:
        """Write the logs that everything is tried on."""
        self.tool, self.folder = tool, folder
        sick, well = curves.overfit(ROWS), curves.falling(ROWS, sd=0.005)
        worse = [value * 1.2 for value in sick.val]
        self.sick = write(folder / "sick.csv", sick.train, sick.val)
        self.worse = write(folder / "worse" / "sick.csv", sick.train, worse) if self._below("worse") else self.sick
        self.well = write(folder / "well.csv", well.train, well.val)
        self.train_only = write(folder / "train_only.csv", sick.train)
        self.broken = folder / "broken.csv"
        self.broken.write_text("epoch,loss,val_loss\n")

    def _below(self, name: str) -> bool:
        (self.folder / name).mkdir()
        return True

    def status(self, log: Path, *more: str, **env: str) -> int:
        """Return the exit status."""
        return self.tool.run(*self.tool.judge, log, *more, folder=self.folder, env=env).returncode

    def text(self, log: Path, *more: str, **env: str) -> str:
        """Return what it prints."""
        result = self.tool.run(*self.tool.judge, log, *more, folder=self.folder, env=env)
        return result.stdout + result.stderr

    def written(self, alternatives: Alternatives, parses: Callable[[str], bool]) -> bool:
        """Return whether any of the arguments makes it print, or write to ``{}``, what can be parsed."""
        for number, arguments in enumerate(alternatives):
            out = self.folder / f"out-{number}"
            result = self.tool.run(
                *self.tool.judge, self.sick, *(word.format(out) for word in arguments), folder=self.folder
            )
            for text in (out.read_text() if out.exists() else "", result.stdout):
                if _parses(parses, text):
                    return True
        return False


def _parses(parses: Callable[[str], bool], text: str) -> bool:
    try:
        return parses(text)
    except (ValueError, ET.ParseError, AttributeError, KeyError, TypeError):
        return False


JUNIT: Alternatives = (["--output", "junit={}"], ["--format", "junit"], ["--junit", "{}"], ["--junit-xml", "{}"])
SARIF: Alternatives = (["--output", "sarif={}"], ["--format", "sarif"], ["--sarif", "{}"])
GITHUB: Alternatives = ([], ["--format", "github"], ["--github"])


def fails_an_overfit_run(tried: Tried) -> bool:
    """Exit status other than 0 on an overfit run, 0 on a healthy one, without being asked."""
    return tried.status(tried.sick) != 0 and tried.status(tried.well) == 0


def fails_where_asked(tried: Tried) -> bool:
    """The same with its option for it."""
    return tried.status(tried.sick, *tried.tool.asked) != 0 and tried.status(tried.well, *tried.tool.asked) == 0


def unreadable_is_no_verdict(tried: Tried) -> bool:
    """A file with a header only ends with another status than both verdicts."""
    return tried.status(tried.broken) not in (0, 1)


def writes_junit(tried: Tried) -> bool:
    """JUnit XML with a test case."""
    return tried.written(JUNIT, lambda text: ET.fromstring(text).find(".//testcase") is not None)


def writes_sarif(tried: Tried) -> bool:
    """SARIF 2.1.0 with a result."""
    return tried.written(SARIF, lambda text: bool(json.loads(text)["runs"][0]["results"]))


def annotates(tried: Tried) -> bool:
    """Annotations of a GitHub workflow, in one."""
    return any(
        line.startswith(("::error", "::warning", "::notice"))
        for arguments in GITHUB
        for line in tried.text(tried.sick, *arguments, GITHUB_ACTIONS="true").splitlines()
    )


def writes_summary(tried: Tried) -> bool:
    """A step summary of a GitHub workflow, in one."""
    summary = tried.folder / "summary.md"
    for arguments in GITHUB:
        tried.text(tried.sick, *arguments, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    return summary.exists() and bool(summary.read_text().strip())


def holds_validation_against_a_baseline(tried: Tried) -> bool:
    """With its own former log or result as baseline, an overfit run as it was passes; one of worse validation fails."""
    base = tried.folder / "base.json"
    made = tried.tool.run("baseline", "update", tried.sick, "--output", base, folder=tried.folder)
    baseline = base if made.returncode == 0 and base.exists() else tried.sick
    ways = [(*tried.tool.judge, log, *tried.tool.asked, "--baseline", baseline) for log in (tried.sick, tried.worse)]
    others = [("compare", baseline, log) for log in (tried.sick, tried.worse)]
    found = (
        [tried.tool.run(*arguments, folder=tried.folder).returncode for arguments in pair] for pair in (ways, others)
    )
    return any(same == 0 and worse == 1 for same, worse in found)


def has_a_pytest_plugin(tried: Tried) -> bool:
    """An entry point that pytest loads."""
    names = (point.dist.name for point in entry_points(group="pytest11") if point.dist)
    return tried.tool.name in names


def names_an_onset(tried: Tried) -> bool:
    """A step at which it began, how near the truth or not."""
    onset = tried.tool.told(tried.sick)
    return onset is not None and not math.isnan(onset)


def says_what_was_not_judged(tried: Tried) -> bool:
    """Of a log without validation: that overfitting could not be judged, and why."""
    text = (tried.text(tried.train_only) + tried.text(tried.train_only, *tried.tool.as_json)).lower()
    return any(reason in text for reason in ("no validation", "no eval", "no val"))


FEATURES = (
    fails_an_overfit_run,
    fails_where_asked,
    unreadable_is_no_verdict,
    writes_junit,
    writes_sarif,
    annotates,
    writes_summary,
    holds_validation_against_a_baseline,
    has_a_pytest_plugin,
    names_an_onset,
    says_what_was_not_judged,
)


def features(tool: Tool, folder: Path) -> dict[str, str]:
    """Return what a tool can do, each tried."""
    if tool.installed is None:
        return {feature.__name__: "not installed" for feature in FEATURES}
    found = {}
    for feature in FEATURES:
        with TemporaryDirectory(dir=folder) as own:
            found[feature.__name__] = "yes" if feature(Tried(tool, Path(own))) else "-"
    progress(f"features: {tool.name}")
    return found


def show_features(folder: Path) -> None:
    """Print what each can do."""
    found = {tool.name: features(tool, folder) for tool in TOOLS}
    rows = [
        [feature.__name__.replace("_", " "), *(found[tool.name][feature.__name__] for tool in TOOLS)]
        for feature in FEATURES
    ]
    show("What each can do, tried", ["feature", *(tool.name for tool in TOOLS)], rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--runs", type=int, default=120, help="nets to train")
    parser.add_argument("--seed", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="tables to print; default: all")
    parser.add_argument("--curves", type=int, default=5, help="made curves of each kind and noise")
    parser.add_argument("--rounds", type=int, default=15, help="rounds of the times")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes")
    asked = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        if "times" in asked.only:
            show_times(asked.rounds, Path(folder))
        if "features" in asked.only:
            show_features(Path(folder))
    if "curves" in asked.only:
        show_right("Made curves", made(asked.curves), asked.jobs)
    if "nets" in asked.only:
        nets = [run for run in trained(asked.runs, asked.seed) if run["truth"] is not None]
        show_right("Nets", nets, asked.jobs)


if __name__ == "__main__":
    main()
