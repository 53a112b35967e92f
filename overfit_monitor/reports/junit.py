"""The result as JUnit XML, which CI systems show as tests: a run is a test case."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged, printable

SUITE = "overfit-monitor"


def render(check: CheckResult) -> str:
    """Return the result as one test suite: failures are runs at or above the limit, errors what was not judged."""
    outcomes = [run.outcome for run in check.runs]
    counts = {
        "name": SUITE,
        "tests": str(len(check.runs) + len(check.errors)),
        "failures": str(outcomes.count("fail")),
        "errors": str(outcomes.count("error") + len(check.errors)),
    }
    root = Element("testsuites", counts)
    suite = SubElement(root, "testsuite", counts)
    for run in check.runs:
        _case(suite, run)
    for error in check.errors:
        _error(suite, error)
    indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + tostring(root, encoding="unicode") + "\n"


def _case(suite: Element, run: CheckedRun) -> None:
    case = SubElement(suite, "testcase", {"classname": SUITE, "name": _text(run.run or ""), "time": "0"})
    details = _text("\n".join(_details(run)))
    if run.outcome == "pass":
        SubElement(case, "system-out").text = details
        return
    tag = "failure" if run.outcome == "fail" else "error"
    about = {"type": run.verdict, "message": _text(run.reason or "")}
    SubElement(case, tag, about).text = details


def _error(suite: Element, error: Unjudged) -> None:
    case = SubElement(suite, "testcase", {"classname": SUITE, "name": _text(error.run or error.source), "time": "0"})
    line = _text(f"{error.source}: {error.message}")
    SubElement(case, "error", {"type": "unreadable", "message": line}).text = line


def _details(run: CheckedRun) -> Iterable[str]:
    yield f"{run.source}: {run.verdict}"
    steps = {
        "best": run.best_step,
        "onset": run.onset_step,
        "alarm": run.alarm_step,
        "stop": run.stop_step,
        "last": run.step,
    }
    yield "steps: " + ", ".join(f"{name} {step}" for name, step in steps.items() if step is not None)
    for finding in run.findings:
        yield f"{finding.severity}: {finding.id}: {finding.message}"
    for recommendation in run.recommendations:
        yield f"recommendation: {recommendation.title}: {recommendation.why}"
    for note in run.notes:
        yield f"note: {note}"


def _text(text: str) -> str:
    return printable(text).encode("utf-8", "replace").decode()
