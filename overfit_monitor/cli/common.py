"""What all commands share: where text goes, and what is said to the user."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final, TextIO

from overfit_monitor.errors import UsageError

PROGRAM: Final = "overfit-monitor"
COULD_NOT_JUDGE: Final = 2


def add_output(command: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """Add ``--output`` for one report."""
    command.add_argument("--output", type=Path, metavar="FILE", help="write the report there, not to the terminal")


def writable(output: Path) -> Path:
    """Return the file that will be written, as far as can be told before all the work is done.

    Args:
        output: The file.

    Raises:
        UsageError: It is a folder, or in none.
    """
    if output.is_dir():
        raise UsageError(f"--output {output}: that is a folder.")
    if not output.parent.exists():
        raise UsageError(f"--output {output}: there is no folder {output.parent}.")
    return output


def put(report: str, output: Path | None, *, spare: Iterable[str | None] = ()) -> None:
    """Write a report to a file, whole or not at all, or else to standard output.

    Args:
        report: The report.
        output: The file, None for standard output.
        spare: Files that were judged, which are not overwritten.

    Raises:
        UsageError: It cannot be written, or one of the logs would be lost.
    """
    if output is None:
        _print(report)
        return
    if output.is_file() and any(source and _same(output, source) for source in spare):
        raise UsageError(f"--output {output}: that is one of the logs, which would be lost.")
    content = report.encode("utf-8", "backslashreplace")
    try:
        _replace(output.resolve(), content)
    except OSError as error:
        raise UsageError(f"--output {output}: {error.strerror or error}") from None


def _print(report: str) -> None:
    try:
        sys.stdout.write(report)
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"standard output: {error.strerror or error}") from None


def _same(output: Path, source: str) -> bool:
    with suppress(OSError, ValueError):  # an address, or a name of another system
        return output.samefile(source)
    return False


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
