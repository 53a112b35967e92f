"""Reports of the runs that were judged: which the user asked for, and where each goes."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from overfit_monitor.cli.common import put, shows_color, width_of, writable
from overfit_monitor.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from overfit_monitor.reports.base import CheckResult, View
    from overfit_monitor.reports.sketch import Sketch

FORMATS: Final = ("text", "json", "markdown", "github", "junit", "sarif")
FOR_PEOPLE: Final = ("text", "markdown")
WORST: Final = 20


class Output(NamedTuple):
    """One report that is asked for.

    Attributes:
        format: Its format.
        file: Where it goes, None for standard output.
    """

    format: str
    file: Path | None


def add_reports(command: argparse._ArgumentGroup) -> None:
    """Add the arguments that say which reports are written, where to, and how much is in them."""
    command.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    command.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="[FORMAT=]FILE",
        help="write the report there, not to the terminal; FORMAT=FILE writes one more, beside that of --format, and "
        "may be repeated",
    )
    command.add_argument("--explain", action="store_true", help="give the reasoning for each run that is shown")
    command.add_argument("--all", action="store_true", help=f"show every run, not the worst {WORST} only")


def outputs(options: argparse.Namespace) -> list[Output]:
    """Return the reports that are asked for, that on standard output first.

    Raises:
        UsageError: A format is unknown, two reports go to one place, or there is none for the reasoning.
    """
    asked: list[Output] = []
    plain = False
    for text in options.output:
        found = re.fullmatch(r"([a-z]+)=(.*)", text)
        if found and found[1] not in FORMATS:
            told = unknown_name("format", found[1], FORMATS)
            raise UsageError(f"--output {text}: {told} A file of this name is ./{text}")
        if not (found[2] if found else text):
            raise UsageError(f"--output {text}: the name of the file is missing.")
        # What goes to standard output takes the place of what would go there anyhow.
        plain = plain or not found or found[2] == "-"
        asked.append(_output(*(found.groups() if found else (options.format, text))))
    every = asked if plain else [Output(options.format, None), *asked]
    places = [output.file for output in every]
    twice = next((place for place in places if places.count(place) > 1), "none")
    if twice != "none":
        raise UsageError(f"--output: two reports go to {'standard output' if twice is None else twice}.")
    if options.explain and not any(output.format in FOR_PEOPLE for output in every):
        raise UsageError(f"--explain goes with the formats {' and '.join(FOR_PEOPLE)}, not with {options.format}.")
    return sorted(every, key=lambda output: output.file is not None)


def are_drawn(wanted: Sequence[Output]) -> bool:
    """Return whether any of the reports has curves in it."""
    return any(output.format in FOR_PEOPLE for output in wanted)


def publish(
    result: CheckResult, wanted: Sequence[Output], options: argparse.Namespace, sketches: Mapping[str, Sketch]
) -> None:
    """Write the reports.

    Args:
        result: What is reported.
        wanted: The reports.
        options: The arguments of `add_reports`.
        sketches: The validation curves by name of the run.

    Raises:
        UsageError: A file cannot be written.
    """
    logs = [run.source for run in result.runs]
    for output in wanted:
        view = _view(output, options, sketches)
        rendered = import_module(f"overfit_monitor.reports.{output.format}").render(result, view)
        put(rendered, output.file, spare=logs)
        if output.format == "github" and (summary := os.environ.get("GITHUB_STEP_SUMMARY")):
            from overfit_monitor.reports.markdown import append_to

            append_to(Path(summary), result, view)


def _view(output: Output, options: argparse.Namespace, sketches: Mapping[str, Sketch]) -> View:
    from overfit_monitor.reports.base import View

    terminal = output.file is None
    return View(
        sketches=sketches,
        color=terminal and shows_color(sys.stdout),
        width=width_of(sys.stdout) if terminal else None,
        worst=None if options.all else WORST,
        explain=options.explain,
        exit_zero=getattr(options, "exit_zero", False),
    )


def _output(format: str, file: str) -> Output:
    return Output(format, None if file == "-" else writable(Path(file)))
