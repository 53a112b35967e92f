"""What the commands share: what is compared and judged by, the project's settings, where a report goes."""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TextIO

from overfit_monitor.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from overfit_monitor.policy import Policies
    from overfit_monitor.project_config import CheckConfig
    from overfit_monitor.readers.pairing import Names

PROGRAM: Final = "overfit-monitor"
COULD_NOT_JUDGE: Final = 2
COMPARED: Final = ("metric", "mode")
STOPPING: Final = ("patience", "min_delta", "stopping_baseline", "start_from_epoch", "stopping_threshold")


class Chosen(NamedTuple):
    """What the user chose, on the command line and in the project.

    Attributes:
        policies: What every run is judged by.
        names: The columns that are compared, None to go by the names in the files.
        project: The settings of the project, as they stand in its file; None without one.
    """

    policies: Policies
    names: Names | None
    project: CheckConfig | None


class Output(NamedTuple):
    """One report that is asked for.

    Attributes:
        format: Its format.
        file: Where it goes, None for standard output.
    """

    format: str
    file: Path | None


def add_compared(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say which metric is compared, and where settings are."""
    command.add_argument(
        "--config", type=Path, metavar="FILE", help="TOML or YAML file with settings, instead of pyproject.toml"
    )
    what = command.add_argument_group("what is compared")
    what.add_argument("--metric", metavar="NAME", help="metric to compare; default: loss, or else one known by name")
    what.add_argument("--mode", choices=("min", "max", "auto"), help="whether lower or higher is better; default: auto")
    what.add_argument("--val", metavar="NAME", help="column or tag of the validation metric, as in the file")
    what.add_argument("--train", metavar="NAME", help="column or tag of the train metric; with --val")


def add_stopping(command: argparse.ArgumentParser) -> None:
    """Add the arguments of the stopping policy."""
    stopping = command.add_argument_group("stopping policy, as in Keras")
    stopping.add_argument("--patience", type=int, metavar="N", help="default: stop on evidence, not on a count")
    stopping.add_argument("--min-delta", type=float, metavar="X", help="smallest change that is an improvement")
    stopping.add_argument(
        "--stopping-baseline",
        type=float,
        metavar="X",
        help="value to beat, which Keras calls baseline; with --patience",
    )
    stopping.add_argument("--start-from-epoch", type=int, metavar="N", help="evaluations to wait for")
    stopping.add_argument("--stopping-threshold", type=float, metavar="X", help="stop as soon as the metric is as good")


def add_policy(command: argparse.ArgumentParser) -> None:
    """Add the arguments that say what makes a run fail."""
    policy = command.add_argument_group("what fails")
    policy.add_argument(
        "--fail-on",
        action="append",
        metavar="WORDS",
        help="verdicts (healthy, overfitting, underfitting, diverging, inconclusive) or a severity (info, warning, "
        "error) from which on a run fails; several with commas or by repeating; default: error",
    )
    policy.add_argument(
        "--max-gap",
        metavar="X",
        help="largest generalization gap (validation minus train) at the last step, in the metric's units, or as a "
        "share of the best validation value, such as 10%%; like for like where that was measured",
    )


def add_facts(command: argparse.ArgumentParser) -> None:
    """Add ``--facts``."""
    command.add_argument(
        "--facts", type=Path, metavar="FILE", help="YAML, TOML or JSON with what is known of model, optimizer and data"
    )


def add_output(command: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add ``--output`` for one report."""
    command.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to the terminal")


def add_outputs(command: argparse._ArgumentGroup | argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """Add ``--format`` and ``--output``, which may be given several times."""
    command.add_argument("--format", choices=formats, default="text", help="default: text")
    command.add_argument(
        "--output",
        action="append",
        default=[],
        metavar="[FORMAT=]FILE",
        help="write the report there, not to the terminal; FORMAT=FILE writes one more, beside that of --format, and "
        "may be repeated",
    )


def outputs(options: argparse.Namespace, formats: Sequence[str]) -> list[Output]:
    """Return the reports that are asked for, that on standard output first.

    Raises:
        UsageError: A format is unknown, or two reports go to one place.
    """
    asked: list[Output] = []
    plain = False
    for text in options.output:
        found = re.match(r"([a-z]+)=(.+)", text)
        if found and found[1] not in formats:
            told = unknown_name("format", found[1], formats)
            raise UsageError(f"--output {text}: {told} A file of this name is ./{text}")
        plain = plain or not found
        asked.append(_output(*(found.groups() if found else (options.format, text))))
    every = asked if plain else [Output(options.format, None), *asked]
    places = [output.file for output in every]
    twice = next((place for place in places if places.count(place) > 1), "none")
    if twice != "none":
        raise UsageError(f"--output: two reports go to {'standard output' if twice is None else twice}.")
    return sorted(every, key=lambda output: output.file is not None)


def _output(format: str, file: str) -> Output:
    return Output(format, None if file == "-" else Path(file))


def chosen(options: argparse.Namespace, **more: Any) -> Chosen:
    """Return what the user chose with the arguments of `add_compared`, and those of `add_stopping` and `add_policy`.

    The project's conventions for names are in force from here on.

    Args:
        options: The arguments.
        **more: Further settings that go before those of the project.

    Raises:
        UsageError: The settings cannot be read, or cannot be right together.
    """
    from overfit_monitor.policy import Policies
    from overfit_monitor.project import load_if_any

    project = load_if_any(options.config)
    names = names_of(options, {} if project is None else {"val": project.val, "train": project.train})
    over = told(options, (*COMPARED, *STOPPING, "fail_on", "max_gap")) | more
    if "stopping_baseline" in over:
        over["baseline"] = over.pop("stopping_baseline")
    if project is None:
        policies = Policies(over=over).check()
    else:
        from overfit_monitor.readers.conventions import adopt

        adopt(project.conventions())
        policies = project.policies(over)
    for layer in (over, policies.base, *(layer.given for layer in policies.layers)):
        compared(dict(layer), names)
    return Chosen(policies, names, project)


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


def told(options: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the options of these names that were given."""
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def put(report: str, output: Path | None) -> None:
    """Write a report to a file, whole or not at all, or else to standard output.

    Raises:
        UsageError: The file cannot be written.
    """
    if output is None:
        sys.stdout.write(report)
        sys.stdout.flush()
        return
    content = report.encode("utf-8", "backslashreplace")
    try:
        _replace(output.resolve(), content)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror or error}") from None


def _replace(path: Path, content: bytes) -> None:
    if path.exists() and not path.is_file():
        path.write_bytes(content)  # a pipe or a device is written to, not replaced
        return
    beside = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        with beside.open("xb") as file:
            file.write(content)
        if path.exists():
            beside.chmod(path.stat().st_mode & 0o7777)
        beside.replace(path)
    except BaseException:
        with suppress(OSError):
            beside.unlink()
        raise


def shows_color(stream: TextIO) -> bool:
    """Return whether what is written there is read by a person on a terminal with colours."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def width_of(stream: TextIO) -> int | None:
    """Return the columns of the terminal that a stream goes to, None where it goes to none."""
    return shutil.get_terminal_size().columns if stream.isatty() else None


def say(message: str) -> None:
    """Tell the user one line on standard error."""
    print(f"{PROGRAM}: {' '.join(message.splitlines())}", file=sys.stderr)
