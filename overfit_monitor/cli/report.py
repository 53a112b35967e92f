"""``overfit-monitor report``: one HTML file with plots and advice of one or many runs."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, PROGRAM, put, say, writable
from overfit_monitor.cli.judging import add_judging, add_speed, chosen, examined_runs

DEFAULT: Final = Path("report.html")
EXAMPLES: Final = """\
examples:
  overfit-monitor report runs/                        into report.html
  overfit-monitor report history.csv --output a.html  one run
  overfit-monitor report runs/ --title "Sweep 12"     a heading of its own

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
    parser.add_argument("--quiet", action="store_true", help="no bar while it takes long, and no word in the end")
    add_judging(parser, gate=False, baseline=False)
    add_speed(parser)


def run(options: argparse.Namespace) -> int:
    """Judge, write the report, and return the exit status."""
    from overfit_monitor.progress import bar
    from overfit_monitor.reports.html import render

    output = None if str(options.output) == "-" else writable(options.output)
    choice = chosen(options)
    examined, errors = examined_runs(options, choice, shown=True)
    for error in errors:
        say(f"{error.source}: {error.message}")
    runs = [each.shown for each in examined if each.shown is not None]
    if not runs:
        say(f"there is no run to report on{'' if output is None else f'; {output} was not written'}")
        return COULD_NOT_JUDGE
    title = options.title or ", ".join(options.paths)
    command = shlex.join([PROGRAM, *sys.argv[1:]]) if Path(sys.argv[0]).name == PROGRAM else None
    with bar("plots", quiet=options.quiet) as progress:
        page = render(runs, errors=errors, title=title, command=command, jobs=options.jobs, progress=progress)
    put(page, output, spare=[run.source for run in runs])
    if output is not None and not options.quiet:
        say(f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}; the report is in {output}")
    return COULD_NOT_JUDGE if errors else 0
