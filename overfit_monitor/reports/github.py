"""The result as annotations of a GitHub workflow, at most ten: GitHub shows no more of a step.

https://docs.github.com/en/actions/reference/workflow-commands-for-github-actions
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from overfit_monitor.reports.base import CheckResult, View, exit_status, flat, pairings, plural, summary

MOST: Final = 10
MOST_LENGTH: Final = 2000  # characters of one message
NAMED: Final = 5  # runs that are named where they share an annotation


class _Annotation(NamedTuple):
    level: str
    rule: str
    run: str
    message: str


def render(check: CheckResult, view: View | None = None) -> str:
    """Return the result as workflow commands, one a line, and the summary in words.

    Every run that failed or could not be judged has its own annotation where there are at most ten of them;
    otherwise those that failed for the same reason share one, and so do warnings on runs that passed.
    """
    errors = [*_failed(check), *_unread(check)]
    warnings = list(_warned(check))
    if len(errors) + len(warnings) > MOST:
        errors, warnings = _shared(errors), _shared(warnings)
    annotations = [*errors, *warnings]
    shown = annotations[:MOST]
    lines = [f"::{each.level} title={_property(_title(each))}::{_data(each.message)}" for each in shown]
    if len(annotations) > MOST:
        lines.append(f"{plural(len(annotations) - MOST, 'further annotation')} left out; the summary has all runs")
    lines += [f"compared: {flat('; '.join(pairings(check)[:3]))}"] if check.runs else []
    lines += [f"remark: {flat(remark)}" for remark in check.remarks]
    status = exit_status(check, exit_zero=view is not None and view.exit_zero)
    lines.append(f"{summary(check)} (exit status {status})")
    return "\n".join(lines) + "\n"


def _failed(check: CheckResult) -> Iterator[_Annotation]:
    for run in check.worst_first:
        if run.outcome != "pass":
            do = f" Do: {run.recommendations[0].title}." if run.recommendations and run.outcome == "fail" else ""
            yield _Annotation("error", run.rule or run.verdict, run.run or run.source or "", f"{run.reason}{do}")


def _unread(check: CheckResult) -> Iterator[_Annotation]:
    for error in check.errors:
        yield _Annotation("error", "not read", error.run or error.source, error.message)


def _warned(check: CheckResult) -> Iterator[_Annotation]:
    for run in check.worst_first:
        for finding in run.findings:
            if run.outcome == "pass" and finding.severity != "info":
                yield _Annotation("warning", finding.id, run.run or run.source or "", finding.message)


def _shared(annotations: list[_Annotation]) -> list[_Annotation]:
    by_rule: dict[str, list[_Annotation]] = {}
    for each in annotations:
        by_rule.setdefault(each.rule, []).append(each)
    return [_together(group) for group in by_rule.values()]


def _together(group: list[_Annotation]) -> _Annotation:
    if len(group) == 1:
        return group[0]
    names = ", ".join(each.run for each in group[:NAMED])
    more = f" and {len(group) - NAMED} more" if len(group) > NAMED else ""
    first = group[0]
    return first._replace(run=plural(len(group), "run"), message=f"{names}{more}. The first: {first.message}")


def _title(each: _Annotation) -> str:
    return f"{each.rule.replace('_', ' ')}: {each.run}"


def _data(text: str) -> str:
    short = flat(text)[:MOST_LENGTH]
    return short.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
