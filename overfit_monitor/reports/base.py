"""What a report shows: the result of one check, as published in ``schemas/``."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from overfit_monitor.records import SCHEMA_VERSION, Diagnosis, Record

Outcome = Literal["pass", "fail", "error"]
EXIT_STATUS: Final[dict[Outcome, int]] = {"pass": 0, "fail": 1, "error": 2}


class CheckedRun(Diagnosis):
    """The diagnosis of one run and what the gate made of it.

    Attributes:
        outcome: ``fail`` at or above the limit, ``error`` where it could not be judged, else ``pass``.
        reason: Why it failed or could not be judged, None for ``pass``.
    """

    outcome: Outcome
    reason: str | None = None


class Unjudged(Record):
    """A file that could not be read, or a run in it that could not be judged at all.

    Attributes:
        source: File or folder.
        run: Name of the run, None where the file did not get as far as one.
        message: What is wrong, with the place in the file where there is one.
    """

    source: str
    run: str | None = None
    message: str


class CheckResult(Record):
    """The result of one check.

    Attributes:
        schema_version: Version of this shape; fields may be added within a version.
        outcome: ``fail`` if any run failed, else ``error`` if anything could not be judged, else ``pass``.
        runs: Every run that was read, in the order in which they were named.
        errors: What was named and is not among the runs, and why.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    outcome: Outcome
    runs: tuple[CheckedRun, ...] = ()
    errors: tuple[Unjudged, ...] = ()


def printable(text: str) -> str:
    """Return text without control characters, which could redraw a terminal and are not allowed in XML."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)
