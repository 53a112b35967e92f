"""The command line.

A module for each command, imported when that command is called. Each has
``describe(parser)``, which adds its arguments, and
``run(options)``, which returns the exit status.

Exit status: 0 nothing at or above ``--fail-on``, 1 something is, 2 could not
judge, wrong usage, or a fault of ours. A crash never looks like a verdict.
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import copy_context
from importlib import import_module
from typing import Any, Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, PROGRAM, say
from overfit_monitor.cli.parsing import Parser
from overfit_monitor.errors import OverfitMonitorError

# In the order in which the help lists them; the module has the name of the command.
COMMANDS: Final = {
    "check": "judge runs from their logs",
    "watch": "follow logs that grow, and end with the verdict",
    "report": "write an HTML file with plots and advice",
    "baseline": "write down what runs are like, for 'check --baseline'",
    "replay": "compare stopping policies on past runs",
    "doctor": "say what is installed, and what is in a log",
    "schema": "print the JSON schemas of reports and settings",
    "completion": "make a shell complete all this",
    "demo": "watch a small network overfit, live (needs the extra 'demo')",
}

# Building records, pydantic reads the entry points of every installed package to look for plug-ins of its own, which
# takes as long as reading and judging a run. They would have no part in our records.
PLUGINS: Final = "PYDANTIC_DISABLE_PLUGINS"

# Python looks for cycles of garbage after every 700 new objects. A command makes tens of thousands while it imports and
# hardly a cycle, so that this alone took a tenth of the time of judging a short run.
NEW_OBJECTS: Final = 100_000

EPILOG: Final = f"""\
'{PROGRAM} COMMAND --help' has examples of each command.

exit status: 0 nothing is at or above --fail-on, 1 something is, 2 could not judge
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
        with _briefly(whole_process=argv is None):
            return copy_context().run(_run, arguments)  # what a command puts in force ends with it
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


@contextmanager
def _briefly(*, whole_process: bool) -> Iterator[None]:
    """Leave out what only pays in a process that lives long.

    Args:
        whole_process: Whether nothing comes after: then what is there need not be looked through once more at the end.
    """
    told, thresholds = os.environ.get(PLUGINS), gc.get_threshold()
    os.environ.setdefault(PLUGINS, "__all__")
    gc.set_threshold(NEW_OBJECTS, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        if whole_process:
            gc.freeze()
        if told is None:
            os.environ.pop(PLUGINS, None)


def _run(arguments: Sequence[str]) -> int:
    if arguments[:1] == ["demo"]:  # its own arguments are those of the integration that has it
        return _command("demo").run(list(arguments[1:]))  # type: ignore[no-any-return]
    top = parser(arguments[:1])
    if not arguments:
        top.print_help(sys.stderr)
        return COULD_NOT_JUDGE
    try:
        options = top.parsed(arguments)
    except SystemExit as exit:  # of --help and --version
        return exit.code if isinstance(exit.code, int) else COULD_NOT_JUDGE
    return _command(options.command).run(options)  # type: ignore[no-any-return]


def parser(called: Sequence[str] = tuple(COMMANDS)) -> Parser:
    """Return the parser of the command line.

    Args:
        called: Commands whose arguments are needed; the others are known by name only, and not imported.
    """
    top = Parser(
        prog=PROGRAM,
        description="Overfitting diagnostics for finished and running training runs.",
        epilog=EPILOG,
    )
    top.add_argument("--version", action=_Version, nargs=0, help="print the version and exit")
    commands = top.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    for name, help in COMMANDS.items():
        command = commands.add_parser(name, help=help)
        if name in called and name != "demo":
            _command(name).describe(command)
            command.add_argument("--debug", action="store_true", help="show the traceback of an internal error")
    return top


def _command(name: str) -> Any:
    return import_module(f"overfit_monitor.cli.{name}")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"{PROGRAM} {version(PROGRAM)}")
        parser.exit()


def _fail(message: str) -> int:
    say(message)
    return COULD_NOT_JUDGE
