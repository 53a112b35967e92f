"""The result as JUnit XML, which CI systems show as tests: a run is a test case.

A run at or above its limit is a failure; what could not be judged is an error. The shape is that of pytest and of
Jenkins' schema ``junit-10.xsd``: properties first, then failure or error, then ``system-out``.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged, View, flat, printable

SUITE = "overfit-monitor"


def render(check: CheckResult, view: View | None = None) -> str:  # noqa: ARG001  # every report takes it
    """Return the result as one test suite: failures are runs at or above the limit, errors what was not judged."""
    outcomes = [run.outcome for run in check.runs]
    counts = {
        "name": SUITE,
        "tests": str(len(check.runs) + len(check.errors)),
        "failures": str(outcomes.count("fail")),
        "errors": str(outcomes.count("error") + len(check.errors)),
        "time": "0",
    }
    root = Element("testsuites", counts)
    suite = SubElement(root, "testsuite", counts | {"skipped": "0"})
    _properties(suite, {"outcome": check.outcome} | {f"remark {i}": told for i, told in enumerate(check.remarks, 1)})
    for run in check.runs:
        _case(suite, run)
    for error in check.errors:
        _error(suite, error)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def properties(run: CheckedRun) -> dict[str, str]:
    """Return what is told of a run as properties, by name."""
    told = {
        "verdict": run.verdict,
        "compared": run.pairing,
        "best_step": run.best_step,
        "best_value": run.best_value,
        "last_value": run.last_value,
        "onset_step": run.onset_step,
        "alarm_step": run.alarm_step,
        "stop_step": run.stop_step,
        "last_step": run.step,
        "rule": run.rule,
        "baseline": None if run.baseline is None else run.baseline.standing,
    }
    return {name: str(value) for name, value in told.items() if value is not None}


def _case(suite: Element, run: CheckedRun) -> None:
    case = SubElement(suite, "testcase", {"classname": SUITE, "name": _text(flat(run.run or "")), "time": "0"})
    _properties(case, properties(run))
    if run.outcome != "pass":
        tag = "failure" if run.outcome == "fail" else "error"
        SubElement(case, tag, {"type": run.rule or run.verdict, "message": _text(run.reason or "")}).text = _text(
            run.reason or ""
        )
    SubElement(case, "system-out").text = _text("\n".join(_details(run)))


def _error(suite: Element, error: Unjudged) -> None:
    name = _text(flat(error.run or error.source))
    case = SubElement(suite, "testcase", {"classname": SUITE, "name": name, "time": "0"})
    line = _text(f"{error.source}: {error.message}")
    SubElement(case, "error", {"type": "unreadable", "message": line}).text = line


def _properties(parent: Element, told: dict[str, str]) -> None:
    group = SubElement(parent, "properties")
    for name, value in told.items():
        SubElement(group, "property", {"name": name, "value": _text(value)})


def _details(run: CheckedRun) -> Iterator[str]:
    yield f"{run.source}: {run.verdict}"
    yield f"compared: {run.pairing}"
    for finding in run.findings:
        yield f"{finding.severity}: {finding.id}: {finding.message}"
    for recommendation in run.recommendations:
        yield f"recommendation: {recommendation.title}: {recommendation.why}"
    if run.baseline is not None:
        yield f"baseline: {run.baseline.reason}"
        if run.baseline.tolerated:
            yield f"tolerated: {run.baseline.tolerated}"
    for note in run.notes:
        yield f"note: {note}"


def _text(text: str) -> str:
    return printable(text).encode("utf-8", "replace").decode()
