"""``overfit-monitor replay``: compare stopping policies on past runs."""

from __future__ import annotations

import argparse
from typing import Any, Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, add_output, put, say
from overfit_monitor.cli.judging import add_compared, compared, names_of, told

REPLAYED: Final = ("metric", "mode", "false_alarm_rate")
EXAMPLES: Final = """\
examples:
  overfit-monitor replay runs/               a choice of all policies
  overfit-monitor replay runs/ --policy evidence,patience:15,never
  overfit-monitor replay log.csv --policy gl:3 --format json --truth test_acc

exit status: 0, or 2 if something could not be read, or wrong usage
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = (
        "Show what stopping policies would have done with finished runs: how good a checkpoint they keep, "
        "how many epochs they use, and the best patience for these runs."
    )
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="LOG", help="file, or folder with any number of runs")
    parser.add_argument(
        "--policy",
        action="append",
        metavar="NAME[:VALUE]",
        help="evidence, patience:N, gl:PERCENT, pq:X, up:N or never; several with commas or by repeating; "
        "default: a choice of all",
    )
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    add_output(parser)
    parser.add_argument("--quiet", action="store_true", help="no bar while it takes long")
    parser.add_argument(
        "--truth", metavar="NAME", help="column or tag that checkpoints are judged by; default: test_loss, if there"
    )
    add_compared(parser)


def run(options: argparse.Namespace) -> int:
    """Replay, report, and return the exit status."""
    from overfit_monitor.policy import layered
    from overfit_monitor.progress import bar
    from overfit_monitor.project import load_settings
    from overfit_monitor.replay import DEFAULT_POLICIES, replay
    from overfit_monitor.reports.replay import render, render_json

    project = load_settings(options.config)
    names = names_of(options, project)
    given: dict[str, Any] = {name: project[name] for name in REPLAYED if name in project}
    settings = compared(layered(given, told(options, ("metric", "mode"))), names)
    policies = [text.strip() for words in options.policy or () for text in words.split(",")]
    with bar("runs", quiet=options.quiet) as progress:
        result = replay(
            options.paths,
            policies=policies or DEFAULT_POLICIES,
            settings=settings,
            names=names,
            truth=options.truth,
            progress=progress,
        )
    put(render_json(result) if options.format == "json" else render(result), options.output)
    if options.output is not None or options.format != "text":
        for unread in result.errors:
            say(f"{unread.source}: {unread.message}")
    return COULD_NOT_JUDGE if result.errors else 0
