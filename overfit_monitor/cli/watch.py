"""``overfit-monitor watch``: follow logs that grow, and end with the verdict."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from overfit_monitor.cli.common import say
from overfit_monitor.cli.judging import add_judging, chosen
from overfit_monitor.cli.reporting import add_reports, outputs, publish

if TYPE_CHECKING:
    from overfit_monitor.following.acts import Act
    from overfit_monitor.following.follower import Follower
    from overfit_monitor.following.process import OtherProcess
    from overfit_monitor.following.spool import Spool
    from overfit_monitor.following.watching import View

EXAMPLES: Final = """\
examples:
  overfit-monitor watch runs/                       all runs, the worst first
  overfit-monitor watch log.csv --idle 600          until ten quiet minutes
  overfit-monitor watch runs/ --baseline main.json  ends as check would
  python train.py | overfit-monitor watch -         what a training prints
  overfit-monitor watch runs/ --exec 'notify-send overfitting'
  overfit-monitor watch runs/ --webhook https://hooks.slack.com/services/...

end a training that cannot be changed, in two lines of a job:
  python train.py & pid=$!
  overfit-monitor watch runs/exp1 --stop-pid $pid

or a loop that looks for a file, 'if os.path.exists("stop"): break':
  overfit-monitor watch log.csv --stop-file stop

a command that --exec runs finds OVERFIT_MONITOR_RUN, _VERDICT, _STEP, _BEST_STEP, _ONSET_STEP, _ALARM_STEP, \
_STOP_STEP, _REASON, _SOURCE and _EVENT in its environment.

an alarm is a run that reaches --fail-on; a stop is what the stopping policy decides. With --baseline, whether the \
best value got worse is told at the end, when it is known. Ctrl-C ends with the verdict so far.

exit status, as that of check on what the logs hold in the end:
  0  no run is at or above --fail-on
  1  a run is, or with --baseline: got worse
  2  none is, but something could not be judged, or the command is not right
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Follow logs that grow, show how the runs stand, act on alarms, and end with the verdict."
    parser.epilog = EXAMPLES
    parser.add_argument(
        "paths",
        nargs="+",
        metavar="PATH",
        help="file, folder, 'pattern/*.csv', URL, or - for standard input; it need not be there yet",
    )
    _add_ends(parser)
    _add_acts(parser)
    report = parser.add_argument_group("report")
    report.add_argument("--plain", action="store_true", help="lines instead of the live view, as where it is piped")
    add_reports(report)
    add_judging(parser)


def run(options: argparse.Namespace) -> int:
    """Watch, act, report, and return the exit status."""
    from overfit_monitor.following.process import OtherProcess
    from overfit_monitor.following.spool import spooled
    from overfit_monitor.following.watching import Ends, Watching
    from overfit_monitor.readers.sources import STDIN
    from overfit_monitor.reports.base import exit_status

    wanted = outputs(options)
    process = None if options.stop_pid is None else OtherProcess(options.stop_pid)
    with ExitStack() as stack:
        spool = stack.enter_context(spooled(sys.stdin.fileno())) if STDIN in options.paths else None
        follower = _follower(options, spool)
        acts = _acts(options, process)
        over = [each.over for each in (process, spool) if each is not None]
        ends = Ends(until=options.until, idle=options.idle, timeout=options.timeout, over=over)
        stack.enter_context(_terminated_as_interrupted())
        view = stack.enter_context(_view(options))
        watching = Watching(follower, view, acts=acts, ends=ends, slowest=options.interval)
        try:
            why, act = watching.run(), True
        except KeyboardInterrupt:
            why, act = "interrupted", False
        look = watching.finish(act=act)
    say(f"ended: {why}")
    publish(look.result, wanted, options, {run.checked.run or "": run.curve for run in look.runs})
    return exit_status(look.result)


def _add_ends(parser: argparse.ArgumentParser) -> None:
    ends = parser.add_argument_group("when to end; without any: at Ctrl-C")
    ends.add_argument(
        "--until",
        choices=("alarm", "stop", "end"),
        default="end",
        help="the first alarm, the first stop, or neither (default)",
    )
    ends.add_argument("--idle", type=_seconds, metavar="SECONDS", help="when nothing was written for that long")
    ends.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="after that long in any case")
    ends.add_argument(
        "--interval",
        type=_seconds,
        default=5.0,
        metavar="SECONDS",
        help="longest wait before looking again where nothing happens (default: 5)",
    )


def _add_acts(parser: argparse.ArgumentParser) -> None:
    acts = parser.add_argument_group("what to do on an alarm; all but --exec also on a stop")
    acts.add_argument("--exec", metavar="COMMAND", help="run a command, once for each alarm")
    acts.add_argument("--shell", action="store_true", help="run it by a shell")
    acts.add_argument("--webhook", metavar="URL", help="send a message that Slack and others take")
    acts.add_argument(
        "--stop-pid", type=int, metavar="PID", help="signal this process, once; watching ends when it ends"
    )
    acts.add_argument("--signal", default="TERM", metavar="NAME", help="the signal for it (default: TERM)")
    acts.add_argument("--stop-file", type=Path, metavar="FILE", help="write this file, for a loop to look for")


def _follower(options: argparse.Namespace, spool: Spool | None) -> Follower:
    from overfit_monitor.following import Follower
    from overfit_monitor.readers.sources import STDIN

    choice = chosen(options)
    paths = [path if path != STDIN or spool is None else str(spool.path) for path in options.paths]
    return Follower(paths, policies=choice.policies, names=choice.names, facts=choice.facts, baseline=choice.baseline)


def _acts(options: argparse.Namespace, process: OtherProcess | None) -> Sequence[Act]:
    from overfit_monitor.following.acts import RunCommand, SendMessage, StopFile, StopProcess
    from overfit_monitor.following.process import signal_of
    from overfit_monitor.webhook import webhook

    number = signal_of(options.signal)
    acts: list[Act] = []
    if process is not None:
        acts.append(StopProcess(process, number))
    if options.stop_file is not None:
        acts.append(StopFile(options.stop_file))
    if options.exec is not None:
        acts.append(RunCommand(options.exec, shell=options.shell, quiet=_live(options)))
    if options.webhook is not None:
        acts.append(SendMessage(webhook(options.webhook)))
    return acts


def _live(options: argparse.Namespace) -> bool:
    return not options.plain and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@contextmanager
def _view(options: argparse.Namespace) -> Iterator[View]:
    from overfit_monitor.following.lines import Lines

    if _live(options):
        try:
            from overfit_monitor.following.screen import Screen
        except ImportError:
            say('the live view needs rich: pip install "overfit-monitor[watch]"; lines until then')
        else:
            with Screen(sys.stderr) as screen:
                yield screen
            return
    yield Lines(sys.stderr)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Give the verdict so far where a scheduler ends the job."""

    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread may say what a signal does
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0.0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"must be seconds above 0 but got {text!r}")
    return seconds
