"""The command line.

Exit status: 0 nothing at or above ``--fail-on``, 1 something is, 2 could not
judge, wrong usage, or a fault of ours. A crash never looks like a verdict.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from overfit_monitor.errors import OverfitMonitorError, UsageError

if TYPE_CHECKING:
    from overfit_monitor.readers.pairing import Names
    from overfit_monitor.reports.base import CheckResult

PROGRAM: Final = "overfit-monitor"
COULD_NOT_JUDGE: Final = 2
SETTINGS: Final = (
    "metric",
    "mode",
    "patience",
    "min_delta",
    "baseline",
    "start_from_epoch",
    "stopping_threshold",
)
REPLAYED: Final = ("metric", "mode", "false_alarm_rate")
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

REPLAY_EXAMPLES: Final = """\
examples:
  overfit-monitor replay runs/                                   a choice of all policies
  overfit-monitor replay runs/ --policy evidence,patience:15,never
  overfit-monitor replay log.csv --policy gl:3 --format json --truth test_acc

exit status: 0, or 2 if something could not be read, or wrong usage
"""


def main(argv: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name, None for those of the process.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else argv
    debug = "--debug" in arguments
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        return _run(arguments)
    except OverfitMonitorError as error:
        return _fail(str(error))
    except KeyboardInterrupt:
        return _fail("interrupted")
    except BrokenPipeError:
        # Whoever read our output has gone; what Python flushes at exit must go somewhere.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COULD_NOT_JUDGE
    except Exception as error:
        if debug:
            raise
        return _fail(f"internal error, please report: {type(error).__name__}: {error} (--debug shows where)")


def _run(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["demo"]:
        return _demo(list(arguments[1:]))
    try:
        options = _parser().parse_args(arguments)
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else COULD_NOT_JUDGE
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Overfitting diagnostics for finished and running training runs.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_check(commands)
    _add_replay(commands)
    commands.add_parser("demo", help="watch a small network overfit, live (needs the extra 'demo')", add_help=False)
    return parser


def _add_check(commands: Any) -> None:
    check = commands.add_parser(
        "check",
        help="judge runs from their logs",
        description="Judge runs from our journal, CSV tables, JSON histories and TensorBoard event files.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.set_defaults(command=_check)
    check.add_argument("paths", nargs="+", metavar="PATH", help="file, or folder with any number of runs")
    _add_report(check)
    _add_settings(check)
    check.add_argument(
        "--facts", type=Path, metavar="FILE", help="YAML, TOML or JSON with what is known of model, optimizer and data"
    )
    check.add_argument("--debug", action="store_true", help="show the traceback of an internal error")


def _add_report(check: argparse.ArgumentParser) -> None:
    report = check.add_argument_group("report")
    report.add_argument("--format", choices=("text", "json", "junit"), default="text", help="default: text")
    report.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to the terminal")
    report.add_argument(
        "--fail-on",
        action="append",
        metavar="WORDS",
        help="verdicts (healthy, overfitting, underfitting, diverging, inconclusive) or a severity (info, warning, "
        "error) from which on a run fails; several with commas or by repeating; default: error",
    )


def _add_settings(check: argparse.ArgumentParser) -> None:
    _add_compared(check)
    stopping = check.add_argument_group("stopping policy, as in Keras")
    stopping.add_argument("--patience", type=int, metavar="N", help="default: stop on evidence, not on a count")
    stopping.add_argument("--min-delta", type=float, metavar="X", help="smallest change that is an improvement")
    stopping.add_argument("--baseline", type=float, metavar="X", help="value to beat")
    stopping.add_argument("--start-from-epoch", type=int, metavar="N", help="evaluations to wait for")
    stopping.add_argument("--stopping-threshold", type=float, metavar="X", help="stop as soon as the metric is as good")


def _add_replay(commands: Any) -> None:
    replay = commands.add_parser(
        "replay",
        help="compare stopping policies on past runs",
        description="Show what stopping policies would have done with finished runs: how good a checkpoint they keep, "
        "how many epochs they use, and the best patience for these runs.",
        epilog=REPLAY_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    replay.set_defaults(command=_replay)
    replay.add_argument("paths", nargs="+", metavar="LOG", help="file, or folder with any number of runs")
    replay.add_argument(
        "--policy",
        action="append",
        metavar="NAME[:VALUE]",
        help="evidence, patience:N, gl:PERCENT, pq:X, up:N or never; several with commas or by repeating; "
        "default: a choice of all",
    )
    replay.add_argument("--format", choices=("text", "json"), default="text", help="default: text")
    replay.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to the terminal")
    replay.add_argument(
        "--truth", metavar="NAME", help="column or tag that checkpoints are judged by; default: test_loss, if there"
    )
    _add_compared(replay)
    replay.add_argument("--debug", action="store_true", help="show the traceback of an internal error")


def _add_compared(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with settings, instead of pyproject.toml"
    )
    what = command.add_argument_group("what is compared")
    what.add_argument("--metric", metavar="NAME", help="metric to compare; default: loss, or else one known by name")
    what.add_argument("--mode", choices=("min", "max", "auto"), help="whether lower or higher is better; default: auto")
    what.add_argument("--val", metavar="NAME", help="column or tag of the validation metric, as in the file")
    what.add_argument("--train", metavar="NAME", help="column or tag of the train metric; with --val")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"{PROGRAM} {version(PROGRAM)}")
        parser.exit()


def _check(options: argparse.Namespace) -> int:
    from overfit_monitor.check import check, layered
    from overfit_monitor.facts_file import load_facts
    from overfit_monitor.gate import Limit
    from overfit_monitor.project import load_settings
    from overfit_monitor.reports.base import EXIT_STATUS

    project = load_settings(options.config)
    told = {name: getattr(options, name) for name in SETTINGS if getattr(options, name) is not None}
    from_project = project.pop("fail_on", ())
    limit = Limit.parse(options.fail_on or from_project)
    names = _names(options, project)
    settings = layered(project, told)
    if names is not None and settings.pop("metric", None) is not None:
        raise UsageError("metric cannot go together with --val, which names it already.")
    curves: dict[str, Sequence[float]] | None = {} if options.format == "text" else None
    facts = None if options.facts is None else load_facts(options.facts)
    result = check(options.paths, settings=settings, names=names, limit=limit, curves=curves, facts=facts)
    _write(result, options, curves or {})
    return EXIT_STATUS[result.outcome]


def _replay(options: argparse.Namespace) -> int:
    from overfit_monitor.check import layered
    from overfit_monitor.project import load_settings
    from overfit_monitor.replay import DEFAULT_POLICIES, replay
    from overfit_monitor.reports.replay import render, render_json

    project = load_settings(options.config)
    names = _names(options, project)
    told = {name: getattr(options, name) for name in ("metric", "mode") if getattr(options, name) is not None}
    settings = layered({name: project[name] for name in REPLAYED if name in project}, told)
    if names is not None and settings.pop("metric", None) is not None:
        raise UsageError("metric cannot go together with --val, which names it already.")
    policies = [text.strip() for told in options.policy or () for text in told.split(",")]
    result = replay(
        options.paths,
        policies=policies or DEFAULT_POLICIES,
        settings=settings,
        names=names,
        truth=options.truth,
    )
    _put(render_json(result) if options.format == "json" else render(result), options.output)
    if options.output is not None or options.format != "text":
        for unread in result.errors:
            _say(f"{unread.source}: {unread.message}")
    return COULD_NOT_JUDGE if result.errors else 0


def _names(options: argparse.Namespace, project: dict[str, Any]) -> Names | None:
    from overfit_monitor.readers.pairing import Names

    from_project = project.pop("val", None), project.pop("train", None)
    val, train = (options.val, options.train) if options.val or options.train else from_project
    if val is None and train is not None:
        raise UsageError("--train needs --val: the validation metric is what is judged.")
    return None if val is None else Names(val=val, train=train)


def _write(result: CheckResult, options: argparse.Namespace, curves: dict[str, Sequence[float]]) -> None:
    _put(_render(result, options, curves), options.output)
    if options.output is not None or options.format != "text":
        for unread in result.errors:
            _say(f"{unread.source}: {unread.message}")
    if options.output is not None:
        for run in result.runs:
            if run.outcome == "fail":
                _say(f"{run.run or run.source}: {run.reason}")
        _say(f"{result.outcome}: {len(result.runs)} run(s); the report is in {options.output}")


def _put(report: str, output: Path | None) -> None:
    if output is None:
        sys.stdout.write(report)
        sys.stdout.flush()
        return
    try:
        output.write_text(report, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror or error}") from None


def _render(result: CheckResult, options: argparse.Namespace, curves: dict[str, Sequence[float]]) -> str:
    if options.format == "json":
        from overfit_monitor.reports.json import render as render_json

        return render_json(result)
    if options.format == "junit":
        from overfit_monitor.reports.junit import render as render_junit

        return render_junit(result)
    from overfit_monitor.reports.text import render

    return render(result, curves=curves, color=options.output is None and _shows_color(sys.stdout))


def _shows_color(stream: TextIO) -> bool:
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def _demo(arguments: list[str]) -> int:
    from overfit_monitor.extensions import registered

    for point in registered("commands"):
        if point.name == "demo":
            try:
                command = point.load()
            except ImportError as error:
                return _fail(f'the demo needs more packages ({error}): pip install "{PROGRAM}[demo]"')
            return int(command(arguments))
    return _fail(f'the demo is not installed: pip install "{PROGRAM}[demo]"')


def _fail(message: str) -> int:
    _say(message)
    return COULD_NOT_JUDGE


def _say(message: str) -> None:
    print(f"{PROGRAM}: {' '.join(message.splitlines())}", file=sys.stderr)
