"""``overfit-monitor check``: judge runs from their logs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import (
    Chosen,
    Output,
    add_compared,
    add_facts,
    add_outputs,
    add_policy,
    add_stopping,
    chosen,
    outputs,
    put,
    say,
    shows_color,
    width_of,
)
from overfit_monitor.errors import UsageError

if TYPE_CHECKING:
    from overfit_monitor.baseline import Baseline
    from overfit_monitor.reports.base import CheckResult, View
    from overfit_monitor.reports.sketch import Sketch

FORMATS: Final = ("text", "json", "markdown", "github", "junit", "sarif")
FOR_PEOPLE: Final = ("text", "markdown")
WORST: Final = 20
PATHS: Final = (
    "file, folder with any number of runs, pattern ('runs/**/*.csv'), address (s3://…), or - for standard input"
)
EXAMPLES: Final = """\
examples:
  overfit-monitor check runs/                        every run below a folder
  overfit-monitor check history.csv --explain        the reasoning, with its numbers
  overfit-monitor check runs/ --output json=report.json --output junit=report.xml
  overfit-monitor check runs/ --fail-on overfitting,diverging --max-gap 10%
  overfit-monitor check runs/ --baseline main.json   fail only on what got worse
  overfit-monitor check log.csv --train tr --val te  columns with names of their own
  overfit-monitor replay runs/                       what stopping policies would have done

exit status:
  0  no run is at or above --fail-on
  1  a run is, or with --baseline: got worse
  2  none is, but something could not be judged (unreadable, no validation metric), or wrong usage

settings are also read from [tool.overfit-monitor] of the nearest pyproject.toml that has it, or
from overfit-monitor.toml or .yaml; those of the command line go before them, and both before
those a journal holds.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Judge runs from their logs: our journal, CSV, JSON, TensorBoard, W&B, MLflow, DVCLive, notebooks and consoles."
    )
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help=PATHS)
    _add_report(parser)
    add_policy(parser)
    _add_baseline(parser)
    add_compared(parser)
    add_stopping(parser)
    add_facts(parser)
    _add_speed(parser)


def run(options: argparse.Namespace) -> int:
    """Judge, report, and return the exit status."""
    from overfit_monitor.check import check
    from overfit_monitor.facts_file import load_facts
    from overfit_monitor.progress import bar
    from overfit_monitor.reports.base import EXIT_STATUS

    wanted = outputs(options, FORMATS)
    if options.explain and not any(output.format in FOR_PEOPLE for output in wanted):
        raise UsageError(f"--explain goes with the formats {' and '.join(FOR_PEOPLE)}, not with {options.format}.")
    choice = chosen(options)
    baseline = _baseline(options, choice)
    facts = None if options.facts is None else load_facts(options.facts)
    sketches: dict[str, Sketch] = {}
    with bar("runs", quiet=options.quiet) as progress:
        result = check(
            options.paths,
            policies=choice.policies,
            names=choice.names,
            facts=facts,
            sketches=sketches if any(output.format in FOR_PEOPLE for output in wanted) else None,
            baseline=baseline,
            progress=progress,
            jobs=options.jobs,
            engine=options.engine,
        )
    for output in wanted:
        if output.file is not None or not options.quiet:
            put(_render(result, output, options, sketches), output.file)
    _summarize(result, wanted, options)
    status = EXIT_STATUS[result.outcome]
    return 0 if options.exit_zero and result.outcome == "fail" else status


def _add_report(check: argparse.ArgumentParser) -> None:
    report = check.add_argument_group("report")
    add_outputs(report, FORMATS)
    report.add_argument("--explain", action="store_true", help="give the reasoning for each run that is shown")
    report.add_argument("--all", action="store_true", help=f"show every run, not the worst {WORST} only")
    report.add_argument("--quiet", action="store_true", help="nothing on standard output; files are written")
    report.add_argument("--exit-zero", action="store_true", help="exit with 0 where runs fail; 2 stays 2")


def _add_speed(check: argparse.ArgumentParser) -> None:
    speed = check.add_argument_group("many files")
    speed.add_argument(
        "--jobs", type=int, metavar="N", help="processes; default: one a core where there are many files"
    )
    speed.add_argument(
        "--engine", choices=("processes", "ray", "dask"), default="processes", help="where they run; default: processes"
    )


def _add_baseline(check: argparse.ArgumentParser) -> None:
    baseline = check.add_argument_group("baseline")
    baseline.add_argument(
        "--baseline", metavar="FILE", help="fail only on what got worse than in this file of 'baseline update'"
    )
    add_seeds(baseline)


def add_seeds(command: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add ``--seeds``."""
    command.add_argument(
        "--seeds",
        action="append",
        metavar="PATTERN",
        help="names of runs that are seeds of one configuration, such as '*/seed*': the last * stands for the seed, "
        "the others tell configurations apart; may be repeated",
    )


def _baseline(options: argparse.Namespace, choice: Chosen) -> Baseline | None:
    project = choice.project
    from_project = None if project is None else project.baseline.file
    file = from_project if options.baseline is None else _file(options.baseline)
    if file is None:
        return None
    from overfit_monitor.baseline import Baseline, BaselineRules
    from overfit_monitor.baseline_file import load_baseline

    rules = BaselineRules() if project is None else project.baseline
    seeds = options.seeds or ([] if project is None else project.seeds)
    return Baseline(load_baseline(file), source=str(file), rules=rules, seeds=tuple(seeds))


def _file(given: str) -> Path:
    path = Path(given)
    try:
        float(given)
    except ValueError:
        return path
    if path.exists():
        return path
    raise UsageError(
        f"--baseline must be a file that 'overfit-monitor baseline update' wrote but got {given}; "
        f"the value to beat, as in Keras, is --stopping-baseline {given}."
    )


def _render(result: CheckResult, output: Output, options: argparse.Namespace, sketches: Mapping[str, Sketch]) -> str:
    view = _view(output, options, sketches)
    rendered: str = import_module(f"overfit_monitor.reports.{output.format}").render(result, view)
    if output.format == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
        from overfit_monitor.reports.markdown import append_to

        append_to(Path(summary), result, view)
    return rendered


def _view(output: Output, options: argparse.Namespace, sketches: Mapping[str, Sketch]) -> View:
    from overfit_monitor.reports.base import View

    terminal = output.file is None
    return View(
        sketches=sketches,
        color=terminal and shows_color(sys.stdout),
        width=width_of(sys.stdout) if terminal else None,
        worst=None if options.all else WORST,
        explain=options.explain,
    )


def _summarize(result: CheckResult, wanted: list[Output], options: argparse.Namespace) -> None:
    """Tell on standard error what the report on standard output does not tell to a person."""
    shown = wanted[0].file is None and wanted[0].format in (*FOR_PEOPLE, "github") and not options.quiet
    if shown:
        return
    for unread in result.errors:
        say(f"{unread.source}: {unread.message}")
    written = [str(output.file) for output in wanted if output.file is not None]
    if not written or options.quiet:
        return
    for run in result.worst_first[:WORST]:
        if run.outcome != "pass":
            say(f"{run.run or run.source}: {run.reason}")
    say(f"{result.outcome}: {len(result.runs)} run(s); the report is in {' and '.join(written)}")
