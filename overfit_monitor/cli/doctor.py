"""``overfit-monitor doctor``: what is installed, what is in a log, and why it is judged as it is."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, add_output, put, shows_color
from overfit_monitor.cli.judging import add_compared, chosen

if TYPE_CHECKING:
    from overfit_monitor.doctor import Environment, Log
    from overfit_monitor.doctor.logs import RunInLog

IN_FULL: Final = 5
MOST_LEFT: Final = 10
_COLOR: Final = {"ok": "32", "wrong": "31", "dim": "90", "bold": "1"}
EXAMPLES: Final = """\
examples:
  overfit-monitor doctor                      versions, known trouble
  overfit-monitor doctor runs/                and what is read as what, and why
  overfit-monitor doctor log.csv --val te     what this column would give
  overfit-monitor doctor runs/ --format json  for a bug report

exit status: 0 all is fine, or 2 something is wrong: what, and what to do, is in the output
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Show what is installed, what is in logs, and why the check or the tab says what it says."
    parser.epilog = EXAMPLES
    parser.add_argument("paths", nargs="*", metavar="PATH", help="file, or folder with any number of runs")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    parser.add_argument("--all", action="store_true", help=f"show all runs in full, not the first {IN_FULL} only")
    add_output(parser)
    add_compared(parser)


def run(options: argparse.Namespace) -> int:
    """Look, report, and return the exit status."""
    from overfit_monitor.doctor import look_at_environment, look_at_log

    choice = chosen(options)
    environment = look_at_environment()
    logs = [look_at_log(path, policies=choice.policies, names=choice.names) for path in options.paths]
    if options.format == "json":
        told = {
            "schema_version": 1,
            "environment": environment.model_dump(),
            "logs": [log.model_dump() for log in logs],
        }
        put(json.dumps(told, indent=2) + "\n", options.output)
    else:
        color = options.output is None and shows_color(sys.stdout)
        put("\n".join(_text(environment, logs, _Paint(color), every=options.all)) + "\n", options.output)
    return COULD_NOT_JUDGE if environment.troubles or not all(log.fine for log in logs) else 0


class _Paint:
    def __init__(self, color: bool) -> None:
        self._color = color

    def __call__(self, text: str, how: str) -> str:
        return f"\x1b[{_COLOR[how]}m{text}\x1b[0m" if self._color else text

    def sign(self, fine: bool) -> str:
        return self("✓", "ok") if fine else self("✗", "wrong")


def _text(environment: Environment, logs: Sequence[Log], paint: _Paint, *, every: bool) -> Iterator[str]:
    yield from _environment(environment, paint)
    for log in logs:
        yield ""
        yield from _log(log, paint, every=every)


def _environment(environment: Environment, paint: _Paint) -> Iterator[str]:
    yield paint(f"overfit-monitor {environment.version}", "bold") + f"  {environment.place}"
    yield f"Python {environment.python}  {environment.executable}"
    yield environment.system
    yield ""
    for package in environment.packages:
        if package.version is None and package.extra is not None:
            yield paint(f'- {package.name:<14} not installed: pip install "overfit-monitor[{package.extra}]"', "dim")
        else:
            told = f": {package.trouble}" if package.trouble else ""
            yield f"{paint.sign(not package.trouble)} {package.name:<14} {package.version or 'not installed'}{told}"
    yield ""
    for offer in environment.offers:
        told = f": {offer.why}" if offer.why else ""
        line = f"{offer.group.removeprefix('overfit_monitor.')}: {offer.name} {offer.state}{told}"
        yield paint(f"- {line}", "dim") if offer.state == "unused" else f"{paint.sign(offer.state == 'works')} {line}"
    yield from (paint(f"! {trouble}", "wrong") for trouble in environment.troubles)


def _log(log: Log, paint: _Paint, *, every: bool) -> Iterator[str]:
    files = "" if log.files is None else f"{log.files} file(s), "
    yield paint(_flat(log.path), "bold") + f"  {files}{len(log.runs)} run(s)"
    runs = sorted(log.runs, key=lambda run: run.judged)  # what is wrong comes first
    full = len(runs) if every else IN_FULL
    for run in runs[:full]:
        yield from _run(run, paint)
    for run in runs[full:]:
        told = run.verdict if run.judged else f"not judged: {_flat(run.why)}"
        yield f"{paint.sign(run.judged)} {_flat(run.run)}: {told}"
    left = sorted(log.left, key=lambda each: not each.wrong)
    for each in left if every else left[:MOST_LEFT]:
        yield f"{paint.sign(False) if each.wrong else '-'} not read: {_flat(each.source)}: {_flat(each.why)}"
    more = log.more + (0 if every else max(0, len(left) - MOST_LEFT))
    if more:
        yield f"- and {more} more not read{'' if every else ' (--all names them)'}"
    if log.runs:
        yield f"- {log.tab}"
    if log.commands:
        yield "next:"
        yield from (f"  {command}" for command in log.commands)


def _run(run: RunInLog, paint: _Paint) -> Iterator[str]:
    by = f" (read as {run.reader})" if run.reader else ""
    yield f"{paint.sign(run.judged)} {paint(_flat(run.run), 'bold')}  {_flat(run.source)}{by}"
    steps = "" if run.first_step is None else f", steps {run.first_step} to {run.last_step}"
    yield f"    {run.evaluations} evaluations in {run.observations} steps with a value{steps}"
    if run.compared:
        yield f"    compared: {_flat(run.compared)}"
    yield f"    {run.verdict if run.judged else 'not judged'}: {_flat(run.why)}"
    yield from _names(run)
    yield from (f"    note: {_flat(note)}" for note in (*run.hints, *run.notes))


def _names(run: RunInLog) -> Iterable[str]:
    words = {"val": "validation", "rate": "learning rate"}
    rows = [
        (_flat(n.name), _flat(f"{words.get(n.role, n.role)} {n.metric or ''}").strip(), _flat(n.why)) for n in run.names
    ]
    name_width, role_width = (min(max([len(row[i]) for row in rows], default=0), 32) for i in (0, 1))
    yield from (f"    {name:<{name_width}}  {role:<{role_width}}  {why}" for name, role, why in rows)


def _flat(text: str) -> str:
    from overfit_monitor.reports.base import printable

    return " ".join(printable(text).splitlines())
