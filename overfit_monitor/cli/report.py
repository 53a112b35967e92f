"""``overfit-monitor report``: one HTML file with plots and advice of one or many runs."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import (
    COULD_NOT_JUDGE,
    PROGRAM,
    add_compared,
    add_facts,
    add_stopping,
    chosen,
    put,
    say,
)

if TYPE_CHECKING:
    from overfit_monitor.policy import Policies
    from overfit_monitor.readers import Run
    from overfit_monitor.reports.base import Unjudged
    from overfit_monitor.view.payload import ShownRun

DEFAULT: Final = Path("report.html")
EXAMPLES: Final = """\
examples:
  overfit-monitor report runs/                        all runs below a folder, into report.html
  overfit-monitor report history.csv --output a.html  one run
  overfit-monitor report runs/ --title "Sweep 12"     with a heading of its own

the file has everything in it: it opens from disk, and asks for nothing from the network.

exit status: 0, or 2 if something could not be judged, or wrong usage
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Write one self-contained HTML file with plots, findings and advice of one or many runs."
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder with any number of runs")
    parser.add_argument("--output", type=Path, default=DEFAULT, metavar="FILE", help=f"default: {DEFAULT}; - is stdout")
    parser.add_argument("--title", metavar="TEXT", help="heading of the report; default: the paths")
    add_compared(parser)
    add_stopping(parser)
    add_facts(parser)


def run(options: argparse.Namespace) -> int:
    """Judge, write the report, and return the exit status."""
    from overfit_monitor.reports.html import render

    errors: list[Unjudged] = []
    runs = list(_shown(options, errors))
    for error in errors:
        say(f"{error.source}: {error.message}")
    output = None if str(options.output) == "-" else options.output
    if not runs:
        say(f"there is no run to report on{'' if output is None else f'; {output} was not written'}")
        return COULD_NOT_JUDGE
    title = options.title or ", ".join(options.paths)
    command = shlex.join([PROGRAM, *sys.argv[1:]]) if Path(sys.argv[0]).name == PROGRAM else None
    put(render(runs, errors=errors, title=title, command=command), output)
    if output is not None:
        say(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}; the report is in {output}")
    return COULD_NOT_JUDGE if errors else 0


def _shown(options: argparse.Namespace, errors: list[Unjudged]) -> Iterator[ShownRun]:
    """Yield every run as it is shown; what cannot be read or judged goes to ``errors``."""
    from overfit_monitor.errors import OverfitMonitorError
    from overfit_monitor.facts_file import completed, load_facts
    from overfit_monitor.readers import read_runs
    from overfit_monitor.reports.base import Unjudged

    choice = chosen(options)
    policies = choice.policies.check()
    facts = None if options.facts is None else load_facts(options.facts)
    runs, problems = read_runs(options.paths, names=choice.names)
    errors += [Unjudged(source=problem.source, message=problem.message) for problem in problems]
    for run in runs:
        known = run if facts is None else replace(run, facts=completed(run.facts, facts))
        try:
            yield _judged(known, policies)
        except OverfitMonitorError as error:
            errors.append(Unjudged(source=run.source, run=run.name, message=str(error)))


def _judged(run: Run, policies: Policies) -> ShownRun:
    from overfit_monitor.examination import columns_of, diagnose_run
    from overfit_monitor.view.payload import shown_from_run

    diagnosis = diagnose_run(run, policies.of(run.name).settings)
    columns = columns_of(run, diagnosis)
    named = {} if columns is None else {"tags": {"train": columns.train, "val": columns.val}}
    return shown_from_run(run, diagnosis, **named)
