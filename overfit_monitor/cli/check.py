"""``overfit-monitor check``: judge runs from their logs."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import say
from overfit_monitor.cli.judging import add_judging, add_speed, chosen
from overfit_monitor.cli.reporting import FOR_PEOPLE, WORST, Output, add_reports, are_drawn, outputs, publish

if TYPE_CHECKING:
    from overfit_monitor.reports.base import CheckResult
    from overfit_monitor.reports.sketch import Sketch

PATHS: Final = (
    "file, folder with any number of runs, pattern ('runs/**/*.csv'), address (s3://…), or - for standard input"
)
EXAMPLES: Final = """\
examples:
  overfit-monitor check runs/                       every run below a folder
  overfit-monitor check history.csv --explain       the reasoning in full
  overfit-monitor check runs/ --output json=a.json --output junit=a.xml
  overfit-monitor check runs/ --fail-on overfitting,diverging --max-gap 10%
  overfit-monitor check runs/ --baseline main.json  fail on what got worse
  overfit-monitor check log.csv --train tr --val te columns of other names
  overfit-monitor check 's3://bucket/runs/*.csv'    and whatever fsspec reads

exit status:
  0  no run is at or above --fail-on
  1  a run is, or with --baseline: got worse
  2  none is, but something could not be judged, or the command is not right

settings are also read from [tool.overfit-monitor] of the nearest pyproject.toml that has it, or from \
overfit-monitor.toml or .yaml; those of the command line go before them, and both before those a journal holds.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Judge runs from their logs: our journal, CSV, JSON, TensorBoard, W&B, MLflow, DVCLive, notebooks and consoles."
    )
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help=PATHS)
    report = parser.add_argument_group("report")
    add_reports(report)
    report.add_argument("--quiet", action="store_true", help="nothing on standard output; files are written")
    report.add_argument("--exit-zero", action="store_true", help="exit with 0 where runs fail; 2 stays 2")
    add_judging(parser)
    add_speed(parser)


def run(options: argparse.Namespace) -> int:
    """Judge, report, and return the exit status."""
    from overfit_monitor.check import check
    from overfit_monitor.progress import bar
    from overfit_monitor.reports.base import exit_status

    wanted = outputs(options)
    choice = chosen(options)
    sketches: dict[str, Sketch] = {}
    with bar("runs", quiet=options.quiet) as progress:
        result = check(
            options.paths,
            policies=choice.policies,
            names=choice.names,
            facts=choice.facts,
            sketches=sketches if are_drawn(wanted) else None,
            baseline=choice.baseline,
            progress=progress,
            jobs=options.jobs,
            engine=options.engine,
        )
    publish(result, [each for each in wanted if each.file or not options.quiet], options, sketches)
    _summarize(result, wanted, options)
    return exit_status(result, exit_zero=options.exit_zero)


def _summarize(result: CheckResult, wanted: list[Output], options: argparse.Namespace) -> None:
    """Tell on standard error what the report on standard output does not tell to a person."""
    from overfit_monitor.reports.base import summary

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
    say(f"{summary(result)}; the report is in {' and '.join(written)}")
