"""From diagnoses to pass, fail or could not judge."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.gate import Limit, conclude, judge
from overfit_monitor.records import Diagnosis, Finding, MetricChoice
from overfit_monitor.reports.base import Unjudged, exit_status


def diagnosis(verdict="healthy", *severities, val="loss"):
    findings = tuple(Finding(id=f"{severity}_thing", severity=severity, message="so it is.") for severity in severities)
    return Diagnosis(verdict=verdict, findings=findings, metrics=MetricChoice(val=val))


OVERFIT = diagnosis("overfitting", "error", "info")
WARNED = diagnosis("healthy", "warning")
HEALTHY = diagnosis("healthy", "info")
YOUNG = diagnosis("inconclusive")
BLIND = diagnosis("inconclusive", val=None)


@pytest.mark.parametrize(
    ("fail_on", "outcomes"),
    [
        # limit, then OVERFIT, WARNED, HEALTHY, YOUNG, BLIND
        ([], ["fail", "pass", "pass", "pass", "error"]),
        (["error"], ["fail", "pass", "pass", "pass", "error"]),
        (["warning"], ["fail", "fail", "pass", "pass", "error"]),
        (["info"], ["fail", "fail", "fail", "pass", "error"]),
        (["overfitting"], ["fail", "pass", "pass", "pass", "error"]),
        (["diverging"], ["pass", "pass", "pass", "pass", "error"]),
        (["inconclusive"], ["pass", "pass", "pass", "fail", "error"]),
        (["diverging, Inconclusive", "warning"], ["fail", "fail", "pass", "fail", "error"]),
        (["error,warning"], ["fail", "fail", "pass", "pass", "error"]),
        (["healthy"], ["pass", "fail", "fail", "pass", "error"]),
    ],
)
def test_limits(fail_on, outcomes):
    limit = Limit.parse(fail_on)
    assert [judge(d, limit).outcome for d in (OVERFIT, WARNED, HEALTHY, YOUNG, BLIND)] == outcomes


def test_reasons():
    assert judge(OVERFIT, Limit()).reason == "error: error_thing: so it is."
    assert judge(OVERFIT, Limit.parse(["overfitting"])).reason == "the verdict is overfitting: so it is."
    assert judge(YOUNG, Limit.parse(["inconclusive"])).reason == "the verdict is inconclusive"
    assert judge(HEALTHY, Limit()).reason is None
    assert judge(BLIND, Limit(), hint="; look there").reason == "no validation metric was found; look there"


def test_an_unknown_word_gets_close_matches():
    with pytest.raises(UsageError, match=r"unknown --fail-on 'overfiting'\. Did you mean 'overfitting'"):
        Limit.parse(["overfiting"])


ERROR = Unjudged(source="x.csv", message="line 1: the file is empty")


@pytest.mark.parametrize(
    ("diagnoses", "errors", "outcome", "status"),
    [
        ([HEALTHY], [], "pass", 0),
        ([HEALTHY, YOUNG], [], "pass", 0),
        ([HEALTHY, OVERFIT], [], "fail", 1),
        ([HEALTHY, BLIND], [], "error", 2),
        ([HEALTHY], [ERROR], "error", 2),
        ([], [ERROR], "error", 2),
        ([OVERFIT, BLIND], [ERROR], "fail", 1),  # a failure is the more certain news
        ([], [], "error", 2),  # nothing was judged
    ],
)
def test_the_whole(diagnoses, errors, outcome, status):
    result = conclude([judge(d, Limit()) for d in diagnoses], errors)
    assert result.outcome == outcome
    assert exit_status(result) == status
