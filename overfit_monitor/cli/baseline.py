"""``overfit-monitor baseline``: write down what runs are like, and show what is written."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, put, say, writable
from overfit_monitor.cli.judging import add_judging, add_seeds, add_speed, chosen, examined_runs
from overfit_monitor.cli.parsing import existing
from overfit_monitor.errors import UsageError

if TYPE_CHECKING:
    from overfit_monitor.baseline_file import BaselineFile, Judged
    from overfit_monitor.cli.judging import Chosen
    from overfit_monitor.reports.base import Unjudged

EXAMPLES: Final = """\
examples:
  overfit-monitor baseline update runs/ --output main.json
  overfit-monitor baseline update runs/ --output main.json --seeds '*/seed*'
  overfit-monitor baseline show main.json           as a table
  overfit-monitor check runs/ --baseline main.json  fail on what got worse

exit status: 0, or 2 if something could not be judged (then nothing is written), or wrong usage
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Write down what runs are like, in a small file that is committed and reviewed, or show it."
    parser.epilog = EXAMPLES
    actions = parser.add_subparsers(title="actions", required=True, metavar="ACTION", dest="action")
    update = actions.add_parser("update", help="write the baseline anew from runs", epilog=EXAMPLES)
    update.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder with any number of runs")
    update.add_argument("--output", type=Path, required=True, metavar="FILE", help="the file of the baseline")
    update.add_argument(
        "--keep-going", action="store_true", help="leave out what could not be judged, and write the rest"
    )
    add_seeds(update)
    update.add_argument("--quiet", action="store_true", help="no bar while it takes long, and no table in the end")
    add_judging(update, baseline=False)
    add_speed(update)
    show = actions.add_parser("show", help="show a baseline as a table", epilog=EXAMPLES)
    show.add_argument("file", type=existing, metavar="FILE", help="the file of the baseline")
    for action in (update, show):
        action.add_argument("--debug", action="store_true", help="show the traceback of an internal error")


def run(options: argparse.Namespace) -> int:
    """Update or show, and return the exit status."""
    from overfit_monitor.baseline_file import load_baseline
    from overfit_monitor.reports.baseline import render

    if options.action == "show":
        sys.stdout.write(render(load_baseline(options.file)))
        return 0
    return _update(options)


def _update(options: argparse.Namespace) -> int:
    from overfit_monitor.baseline_file import as_json, load_baseline, summarized
    from overfit_monitor.reports.baseline import changes, render

    choice = chosen(options)
    before = load_baseline(options.output) if writable(options.output).exists() else None
    judged, errors = _judged(options, choice)
    for error in errors:
        say(f"{error.source}: {error.message}")
    if not judged:
        raise UsageError("no run could be judged, so there is nothing to write down.")
    if errors and not options.keep_going:
        raise UsageError(f"{len(errors)} could not be judged, so nothing was written; --keep-going leaves them out.")
    now = summarized(judged, options.seeds or choice.seeds or _seeds_of(before))
    put(as_json(now), options.output)
    if not options.quiet:
        sys.stdout.write(render(now) if before is None else changes(before, now))
    return COULD_NOT_JUDGE if errors else 0


def _judged(options: argparse.Namespace, choice: Chosen) -> tuple[list[Judged], list[Unjudged]]:
    from overfit_monitor.reports.base import Unjudged

    examined, errors = examined_runs(options, choice, measured=True)
    judged = [(e.checked, e.measured) for e in examined if e.measured is not None and e.checked.metrics.val is not None]
    blind = [each.checked for each in examined if each.checked.metrics.val is None]
    return judged, [*errors, *(Unjudged(source=r.source or "", run=r.run, message=r.reason or "") for r in blind)]


def _seeds_of(before: BaselineFile | None) -> list[str]:
    return [name for name in before.groups if "*" in name] if before is not None else []
