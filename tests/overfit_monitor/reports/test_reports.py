"""One result in every form."""

import json as standard
import math
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

import overfit_monitor
from overfit_monitor.records import Finding, MetricChoice, NotJudged, Recommendation
from overfit_monitor.reports import json, junit, text
from overfit_monitor.reports.base import CheckedRun, CheckResult, Unjudged

SCHEMA = Path(overfit_monitor.__file__).parent / "schemas" / "check-v1.schema.json"
UNSEEN = NotJudged(id="memorization", reason="no detector")
OVERFIT = CheckedRun(
    outcome="fail",
    reason="error: overfitting: it <rises> & rises.",
    verdict="overfitting",
    run='a "b"',
    source="runs/a",
    step=40,
    best_step=12,
    onset_step=15,
    alarm_step=20,
    metrics=MetricChoice(train="loss", val="loss"),
    findings=(
        Finding(
            id="overfitting",
            severity="error",
            message="it <rises> & rises.",
            onset_step=15,
            alarm_step=20,
            evidence={"rise": math.inf, "noise": math.nan, "count": 3, "words": None},
        ),
        Finding(id="plateau", severity="info", message="still."),
    ),
    recommendations=(
        Recommendation(
            id="stop", title="Stop at 12", why="So.", change={"a": math.nan, "b": [1, math.inf]}, code="stop()\nnow()"
        ),
        Recommendation(id="decay", title="Decay", why="So.", change={}, code="decay()"),
    ),
    not_judged=(UNSEEN,),
    notes=("line 3 left out.",),
)
HEALTHY = CheckedRun(
    outcome="pass",
    verdict="healthy",
    run="h",
    source="h.csv",
    step=9,
    metrics=MetricChoice(val="loss"),
    not_judged=(UNSEEN, NotJudged(id="plateau", reason="too few")),
)
YOUNG = CheckedRun(
    outcome="pass",
    verdict="inconclusive",
    run="y",
    source="y.csv",
    metrics=MetricChoice(val="loss"),
    not_judged=(UNSEEN, NotJudged(id="overfitting", reason="needs 8 values")),
)
BLIND = CheckedRun(
    outcome="error", reason="no validation metric was found", verdict="inconclusive", run="n", not_judged=(UNSEEN,)
)
UNREAD = Unjudged(source="x\x1b[31m\x00.csv", message="line 1: the file is empty")
CHECK = CheckResult(outcome="fail", runs=(HEALTHY, OVERFIT, YOUNG, BLIND), errors=(UNREAD,))
EMPTY = CheckResult(outcome="error")


def test_text_is_worst_first_and_plain():
    assert text.render(CHECK, curves={"h": [3.0, 2.0, 1.0]}) == (
        'overfitting   a "b"  best 12, onset 15, alarm 20, last 40\n'
        "    error: it <rises> & rises.\n"
        "    do: Stop at 12\n"
        "    note: line 3 left out.\n"
        "inconclusive  n\n"
        "    not judged: no validation metric was found\n"
        "healthy       h      last 9  █▅▁\n"
        "inconclusive  y\n"
        "    not judged: needs 8 values\n"
        "not read      x [31m .csv: line 1: the file is empty\n"
        "not judged in any run: memorization (no detector)\n"
        "fail: 4 runs: 1 healthy, 1 overfitting, 1 inconclusive, 2 not judged (exit status 1)\n"
    )


def test_text_in_colour_says_the_same():
    shown = text.render(CHECK, color=True)
    assert "\x1b[31moverfitting " in shown
    plain = shown
    for code in ("31", "32", "33", "0"):
        plain = plain.replace(f"\x1b[{code}m", "")
    assert plain == text.render(CHECK)


def test_text_of_nothing():
    assert text.render(EMPTY) == "error: 0 runs: nothing to judge (exit status 2)\n"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([], ""),
        ([math.nan], ""),
        ([1.0], "▁"),
        ([2.0, 2.0], "▁▁"),
        ([0.0, 7.0, math.nan, 3.0], "▁█ ▄"),
        ([-1.7e308, 1.7e308], "▁█"),
        ([math.inf, 0.0, 1.0], " ▁█"),
        ([float(i) for i in range(240)], "▁▁▂▂▂▃▃▃▃▄▄▄▅▅▅▆▆▆▆▇▇▇██"),
    ],
)
def test_sparkline(values, shown):
    assert text.sparkline(values) == shown


@pytest.mark.parametrize("count", [1, 23, 24, 25, 47, 48, 49, 1000, 100_001])
def test_a_sparkline_is_never_too_wide(count):
    assert 1 <= len(text.sparkline([1.0] * count)) <= text.WIDTH


def test_json_has_the_shape_of_the_contract():
    told = standard.loads(json.render(CHECK))
    assert (told["schema_version"], told["outcome"]) == (1, "fail")
    run = told["runs"][1]
    assert run["metrics"] == {"train": "loss", "val": "loss", "mode": "min", "also": {}}
    assert {
        name: run[name] for name in ("run", "source", "verdict", "best_step", "onset_step", "alarm_step", "stop_step")
    } == {
        "run": 'a "b"',
        "source": "runs/a",
        "verdict": "overfitting",
        "best_step": 12,
        "onset_step": 15,
        "alarm_step": 20,
        "stop_step": None,
    }
    assert run["findings"][0] == {
        "id": "overfitting",
        "severity": "error",
        "message": "it <rises> & rises.",
        "onset_step": 15,
        "onset_range": None,
        "alarm_step": 20,
        "evidence": {"rise": None, "noise": None, "count": 3, "words": None},
        "speaks_for": [],
        "speaks_against": [],
        "experiment": "",
    }
    assert run["recommendations"][0]["change"] == {"a": None, "b": [1, None]}
    assert run["not_judged"] == [{"id": "memorization", "reason": "no detector"}]
    assert told["errors"] == [{"source": UNREAD.source, "run": None, "message": UNREAD.message}]


def test_the_published_schema_is_that_of_the_records():
    assert standard.loads(SCHEMA.read_text(encoding="utf-8")) == json.schema()


@pytest.mark.parametrize("check", [CHECK, EMPTY])
def test_json_is_valid_by_the_published_schema(check):
    schema = standard.loads(SCHEMA.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    told = standard.loads(json.render(check))
    validator.validate(told)
    validator.validate(told | {"a_later_field": 1})
    for wrong in ({"outcome": "maybe"}, {"schema_version": 2}, {"runs": [{"verdict": "healthy"}]}):
        assert list(validator.iter_errors(told | wrong))


def test_junit():
    root = ET.fromstring(junit.render(CHECK))
    (suite,) = root
    for element in (root, suite):
        assert [element.get(name) for name in ("tests", "failures", "errors")] == ["5", "1", "2"]
    cases = {case.get("name"): case for case in suite}
    assert list(cases) == ["h", 'a "b"', "y", "n", "x [31m .csv"]
    failure = cases['a "b"'].find("failure")
    assert (failure.get("type"), failure.get("message")) == ("overfitting", OVERFIT.reason)
    assert "recommendation: Stop at 12: So." in failure.text
    assert "note: line 3 left out." in failure.text
    assert cases["n"].find("error").get("message") == BLIND.reason
    assert cases["x [31m .csv"].find("error").get("message") == "x [31m .csv: line 1: the file is empty"
    assert [child.tag for child in cases["h"]] == ["system-out"]


def test_junit_of_nothing():
    assert ET.fromstring(junit.render(EMPTY)).get("tests") == "0"
