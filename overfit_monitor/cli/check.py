"""``overfit-monitor check``: judge runs from their logs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import add_compared, add_output, compared, names_of, put, say, shows_color, told

if TYPE_CHECKING:
    from overfit_monitor.reports.base import CheckResult

SETTINGS: Final = (
    "metric",
    "mode",
    "patience",
    "min_delta",
    "baseline",
    "start_from_epoch",
    "stopping_threshold",
)
EXAMPLES: Final = """\
examples:
  overfit-monitor check runs/                        every run below a folder
  overfit-monitor check history.csv --format json    one file, for a program
  overfit-monitor check runs/ --format junit --output report.xml --fail-on overfitting,diverging
  overfit-monitor check log.csv --train tr --val te  columns with names of their own
  overfit-monitor replay runs/                       what stopping policies would have done

exit status:
  0  no run is at or above --fail-on
  1  a run is
  2  none is, but something could not be judged (unreadable, no validation metric), or wrong usage

settings are also read from [tool.overfit-monitor] of the nearest pyproject.toml that has it;
those of the command line go before them, and both before those a journal holds.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Judge runs from our journal, CSV tables, JSON histories and TensorBoard event files."
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder with any number of runs")
    _add_report(parser)
    add_compared(parser)
    add_settings(parser)
    parser.add_argument(
        "--facts", type=Path, metavar="FILE", help="YAML, TOML or JSON with what is known of model, optimizer and data"
    )


def run(options: argparse.Namespace) -> int:
    """Judge, report, and return the exit status."""
    from overfit_monitor.check import check, layered
    from overfit_monitor.facts_file import load_facts
    from overfit_monitor.gate import Limit
    from overfit_monitor.project import load_settings
    from overfit_monitor.reports.base import EXIT_STATUS

    project = load_settings(options.config)
    from_project = project.pop("fail_on", ())
    limit = Limit.parse(options.fail_on or from_project)
    names = names_of(options, project)
    settings = compared(layered(project, told(options, SETTINGS)), names)
    curves: dict[str, Sequence[float]] | None = {} if options.format == "text" else None
    facts = None if options.facts is None else load_facts(options.facts)
    result = check(options.paths, settings=settings, names=names, limit=limit, curves=curves, facts=facts)
    _write(result, options, curves or {})
    return EXIT_STATUS[result.outcome]


def _add_report(check: argparse.ArgumentParser) -> None:
    report = check.add_argument_group("report")
    report.add_argument("--format", choices=("text", "json", "junit"), default="text", help="default: text")
    add_output(report)
    report.add_argument(
        "--fail-on",
        action="append",
        metavar="WORDS",
        help="verdicts (healthy, overfitting, underfitting, diverging, inconclusive) or a severity (info, warning, "
        "error) from which on a run fails; several with commas or by repeating; default: error",
    )


def add_settings(check: argparse.ArgumentParser) -> None:
    """Add the arguments of the stopping policy."""
    stopping = check.add_argument_group("stopping policy, as in Keras")
    stopping.add_argument("--patience", type=int, metavar="N", help="default: stop on evidence, not on a count")
    stopping.add_argument("--min-delta", type=float, metavar="X", help="smallest change that is an improvement")
    stopping.add_argument("--baseline", type=float, metavar="X", help="value to beat")
    stopping.add_argument("--start-from-epoch", type=int, metavar="N", help="evaluations to wait for")
    stopping.add_argument("--stopping-threshold", type=float, metavar="X", help="stop as soon as the metric is as good")


def _write(result: CheckResult, options: argparse.Namespace, curves: dict[str, Sequence[float]]) -> None:
    put(_render(result, options, curves), options.output)
    if options.output is not None or options.format != "text":
        for unread in result.errors:
            say(f"{unread.source}: {unread.message}")
    if options.output is not None:
        for run in result.runs:
            if run.outcome == "fail":
                say(f"{run.run or run.source}: {run.reason}")
        say(f"{result.outcome}: {len(result.runs)} run(s); the report is in {options.output}")


def _render(result: CheckResult, options: argparse.Namespace, curves: dict[str, Sequence[float]]) -> str:
    if options.format == "json":
        from overfit_monitor.reports.json import render as render_json

        return render_json(result)
    if options.format == "junit":
        from overfit_monitor.reports.junit import render as render_junit

        return render_junit(result)
    from overfit_monitor.reports.text import render

    return render(result, curves=curves, color=options.output is None and shows_color(sys.stdout))
