"""The result as SARIF 2.1.0, which GitHub's code scanning and editors show.

A result is a finding of severity warning or error, or what made a run fail; what could not be judged is a
notification of the tool. Paths are relative to the working directory; a log elsewhere is told by name only.

Standard: Static Analysis Results Interchange Format (SARIF) Version 2.1.0, OASIS 2020.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path, PurePath
from typing import Any, Final
from urllib.parse import quote

from overfit_monitor.records import Severity
from overfit_monitor.reports.base import CheckedRun, CheckResult, View, flat
from overfit_monitor.reports.rules import described, page, plain

PACKAGE: Final = "overfit-monitor"
SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
MOST: Final = 5000  # GitHub takes no more of a run
_LEVEL: Final[dict[Severity, str]] = {"info": "note", "warning": "warning", "error": "error"}


def render(check: CheckResult, view: View | None = None) -> str:  # noqa: ARG001  # every report takes it
    """Return the result as SARIF, two spaces to a level, the worst runs first, at most 5,000 results."""
    results = [result for run in check.worst_first for result in _results(run)]
    kept = results[:MOST]
    notes = list(_notifications(check))
    judged = not any(note["level"] == "error" for note in notes)
    if len(results) > len(kept):
        notes.append(_notification(f"{len(results) - len(kept)} further results were left out.", "warning"))
    run = {
        "tool": {"driver": _driver(kept)},
        "invocations": [{"executionSuccessful": judged, "toolExecutionNotifications": notes}],
        "columnKind": "unicodeCodePoints",
        "results": kept,
    }
    log = {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, allow_nan=False) + "\n"


def _driver(results: list[dict[str, Any]]) -> dict[str, Any]:
    ids = sorted({result["ruleId"] for result in results})
    return {
        "name": PACKAGE,
        **_version(),
        "rules": [
            {
                "id": id,
                "name": "".join(word.capitalize() for word in id.split("_")),
                "shortDescription": {"text": id.replace("_", " ")},
                "fullDescription": {"text": described(id)},
                "help": _help(id),
            }
            for id in ids
        ],
    }


def _help(id: str) -> dict[str, str]:
    """Return the whole page of a finding, which GitHub shows beside each result."""
    told = page(id)
    return {"text": described(id)} if told is None else {"text": plain(told), "markdown": told}


def _version() -> dict[str, str]:
    try:
        return {"version": version(PACKAGE)}
    except PackageNotFoundError:
        return {}


def _results(run: CheckedRun) -> Iterator[dict[str, Any]]:
    told = False
    for finding in run.findings:
        decisive = run.outcome == "fail" and finding.id == run.rule
        told = told or decisive
        if finding.severity != "info" or decisive:
            yield _result(run, finding.id, "error" if decisive else _LEVEL[finding.severity], finding.message)
    if run.outcome == "fail" and not told:
        yield _result(run, run.rule or run.verdict, "error", run.reason or run.verdict)


def _result(run: CheckedRun, rule: str, level: str, message: str) -> dict[str, Any]:
    name = flat(run.run or run.source or "")
    do = f" Do: {run.recommendations[0].title}." if run.recommendations else ""
    fingerprint = hashlib.sha256(f"{run.run}\0{rule}".encode("utf-8", "surrogatepass")).hexdigest()
    return {
        "ruleId": rule,
        "level": level,
        "message": {"text": flat(f"{name}: {message}{do}")},
        "locations": [_location(run, name)],
        "partialFingerprints": {"runAndRule/v1": fingerprint},
        "properties": {
            "run": name,
            "verdict": run.verdict,
            "outcome": run.outcome,
            "compared": flat(run.pairing),
            "best_step": run.best_step,
            "onset_step": run.onset_step,
            "alarm_step": run.alarm_step,
        },
    }


def _location(run: CheckedRun, name: str) -> dict[str, Any]:
    location: dict[str, Any] = {"logicalLocations": [{"name": name, "kind": "resource"}]}
    uri = None if run.source is None else relative_uri(run.source)
    if uri is not None:
        # The first line: what is judged is the whole log.
        location["physicalLocation"] = {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}
    return location


def relative_uri(source: str) -> str | None:
    """Return a path as a URI relative to the working directory, None where it does not lie below it.

    Example:
        >>> relative_uri("runs/a b.csv"), relative_uri("../a.csv"), relative_uri("s3://bucket/a.csv")
        ('runs/a%20b.csv', None, None)
    """
    if "://" in source or "\0" in source:
        return None
    path = PurePath(source)
    here = Path.cwd()
    if path.is_absolute():
        if not path.is_relative_to(here):
            return None
        path = path.relative_to(here)
    return None if ".." in path.parts else quote(path.as_posix(), errors="replace")


def _notifications(check: CheckResult) -> Iterator[dict[str, Any]]:
    for run in check.worst_first:
        if run.outcome == "error":
            yield _notification(f"{run.run or run.source}: {run.reason}", "error")
    for error in check.errors:
        yield _notification(f"{error.source}: {error.message}", "error")
    for remark in check.remarks:
        yield _notification(remark, "note")


def _notification(text: str, level: str) -> dict[str, Any]:
    return {"level": level, "message": {"text": flat(text)}}
