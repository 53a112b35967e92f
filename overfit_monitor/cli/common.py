"""What the commands share: what is compared, the project's settings, where a report goes."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TextIO

from overfit_monitor.errors import UsageError

if TYPE_CHECKING:
    from overfit_monitor.readers.pairing import Names

PROGRAM: Final = "overfit-monitor"
COULD_NOT_JUDGE: Final = 2


def add_compared(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which metric is compared, and where settings are."""
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML file with settings, instead of pyproject.toml"
    )
    what = command.add_argument_group("what is compared")
    what.add_argument("--metric", metavar="NAME", help="metric to compare; default: loss, or else one known by name")
    what.add_argument("--mode", choices=("min", "max", "auto"), help="whether lower or higher is better; default: auto")
    what.add_argument("--val", metavar="NAME", help="column or tag of the validation metric, as in the file")
    what.add_argument("--train", metavar="NAME", help="column or tag of the train metric; with --val")


def add_output(command: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add ``--output``."""
    command.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to the terminal")


def names_of(options: argparse.Namespace, project: dict[str, Any]) -> Names | None:
    """Return the columns that the user named, on the command line or else in the project; None for none.

    Takes ``val`` and ``train`` out of the project's settings.

    Raises:
        UsageError: A train column is named alone.
    """
    from overfit_monitor.readers.pairing import Names

    from_project = project.pop("val", None), project.pop("train", None)
    val, train = (options.val, options.train) if options.val or options.train else from_project
    if val is None and train is not None:
        raise UsageError("--train needs --val: the validation metric is what is judged.")
    return None if val is None else Names(val=val, train=train)


def compared(settings: dict[str, Any], names: Names | None) -> dict[str, Any]:
    """Return the settings without a metric that named columns make superfluous.

    Raises:
        UsageError: Both are given.
    """
    if names is not None and settings.pop("metric", None) is not None:
        raise UsageError("metric cannot go together with --val, which names it already.")
    return settings


def told(options: argparse.Namespace, names: tuple[str, ...]) -> dict[str, Any]:
    """Return the options of these names that were given."""
    return {name: getattr(options, name) for name in names if getattr(options, name) is not None}


def put(report: str, output: Path | None) -> None:
    """Write a report to a file, or else to standard output.

    Raises:
        UsageError: The file cannot be written.
    """
    if output is None:
        sys.stdout.write(report)
        sys.stdout.flush()
        return
    try:
        output.write_text(report, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror or error}") from None


def shows_color(stream: TextIO) -> bool:
    """Return whether what is written there is read by a person on a terminal with colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def say(message: str) -> None:
    """Tell the user one line on standard error."""
    print(f"{PROGRAM}: {' '.join(message.splitlines())}", file=sys.stderr)
