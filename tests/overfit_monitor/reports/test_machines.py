"""What CI systems read: JUnit, SARIF, annotations and Markdown."""

import json as standard
import re
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from overfit_monitor.detectors import CATALOGUE
from overfit_monitor.errors import UsageError
from overfit_monitor.reports import github, json, junit, markdown, sarif
from overfit_monitor.reports.base import CheckResult, View, exit_status
from overfit_monitor.reports.rules import FINDINGS, described, page, plain

from .results import BESIDE, BLIND, CHECK, CURVE, EMPTY, HOSTILE_CHECK, OVERFIT, many

HERE = Path(__file__).parent
SARIF = standard.loads((HERE / "sarif-schema" / "sarif-2.1.0-rtm.5.json").read_text(encoding="utf-8"))
CHECKS = {"all": CHECK, "beside": BESIDE, "hostile": HOSTILE_CHECK, "empty": EMPTY, "many": many(12, 3)}
ALL = pytest.mark.parametrize("check", CHECKS.values(), ids=CHECKS)

# What Jenkins' junit-10.xsd and pytest's xunit2 allow: attributes, and children in this order.
SHAPE = {
    "testsuites": ({"name", "time", "tests", "failures", "errors"}, ["testsuite"]),
    "testsuite": ({"name", "time", "tests", "failures", "errors", "skipped"}, ["properties", "testcase"]),
    "testcase": ({"name", "classname", "time"}, ["properties", "failure", "error", "system-out"]),
    "properties": (set(), ["property"]),
    "property": ({"name", "value"}, []),
    "failure": ({"type", "message"}, []),
    "error": ({"type", "message"}, []),
    "system-out": (set(), []),
}


@ALL
def test_junit_has_the_common_shape(check):
    root = ET.fromstring(junit.render(check))
    for element in root.iter():
        attributes, order = SHAPE[element.tag]
        assert set(element.keys()) <= attributes
        children = [child.tag for child in element]
        assert children == sorted(children, key=order.index)
    cases = list(root.iter("testcase"))
    for element in (root, root[0]):
        counts = [len(cases), len(list(root.iter("failure"))), len(list(root.iter("error")))]
        assert [int(element.get(name)) for name in ("tests", "failures", "errors")] == counts
    assert len(cases) == len(check.runs) + len(check.errors)


def test_junit():
    root = ET.fromstring(junit.render(CHECK))
    cases = {case.get("name"): case for case in root[0].iter("testcase")}
    assert list(cases) == ["h", 'a "b"', "y", "n", "x [31m .csv"]
    failure = cases['a "b"'].find("failure")
    assert (failure.get("type"), failure.get("message"), failure.text) == (
        "overfitting",
        OVERFIT.reason,
        OVERFIT.reason,
    )
    told = cases['a "b"'].find("system-out").text.splitlines()
    assert "recommendation: Stop at 12: So." in told
    assert "note: line 3 left out." in told
    assert "compared: val loss with train loss, lower is better" in told
    properties = {item.get("name"): item.get("value") for item in cases['a "b"'].iter("property")}
    assert properties == {
        "verdict": "overfitting",
        "compared": "val loss with train loss, lower is better",
        "best_step": "12",
        "onset_step": "15",
        "alarm_step": "20",
        "last_step": "40",
        "rule": "overfitting",
    }
    assert cases["n"].find("error").get("message") == BLIND.reason
    assert cases["x [31m .csv"].find("error").get("message") == "x [31m .csv: line 1: the file is empty"
    assert [child.tag for child in cases["h"]] == ["properties", "system-out"]


@ALL
def test_sarif_is_valid_by_the_official_schema(check):
    jsonschema.Draft4Validator(SARIF).validate(standard.loads(sarif.render(check)))


def test_sarif():
    (run,) = standard.loads(sarif.render(CHECK))["runs"]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("overfitting", "error")
    assert result["message"]["text"] == 'a "b": it <rises> & rises. Do: Stop at 12.'
    assert result["locations"][0]["physicalLocation"]["artifactLocation"] == {"uri": "runs/a"}
    (rule,) = run["tool"]["driver"]["rules"]
    assert rule["fullDescription"]["text"] == FINDINGS["overfitting"]
    assert rule["help"]["markdown"].startswith("**What it means.** Validation has become worse than its own best")
    assert "**What to do.** Keep the best step" in rule["help"]["markdown"]
    assert "](../" not in rule["help"]["markdown"]
    assert rule["help"]["text"].startswith("What it means. Validation has become worse than its own best")
    told = [note["message"]["text"] for note in run["invocations"][0]["toolExecutionNotifications"]]
    assert told == ["n: no validation metric was found", "x [31m .csv: line 1: the file is empty"]
    assert run["invocations"][0]["executionSuccessful"] is False
    again = standard.loads(sarif.render(CHECK.model_copy(update={"runs": CHECK.runs[::-1]})))["runs"][0]["results"]
    assert again[0]["partialFingerprints"] == result["partialFingerprints"]


def test_sarif_has_at_most_5000_results():
    (run,) = standard.loads(sarif.render(many(5003)))["runs"]
    assert len(run["results"]) == 5000
    assert run["invocations"][0]["toolExecutionNotifications"][0]["message"]["text"].startswith("3 further results")


@pytest.mark.parametrize(
    ("source", "uri"),
    [("runs/a b.csv", "runs/a%20b.csv"), ("{here}/x/ü.csv", "x/%C3%BC.csv"), ("/etc/x", None), ("../x", None)],
)
def test_sarif_has_relative_paths_only(source, uri, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert sarif.relative_uri(source.format(here=tmp_path)) == uri


def test_every_finding_is_described_as_on_its_page():
    pages = Path("docs/findings") if Path("docs/findings").exists() else HERE.parents[2] / "docs" / "findings"
    assert set(FINDINGS) == {page.stem for page in pages.glob("*_*.md")} | {
        page.stem for page in pages.glob("*.md") if page.stem != "README"
    }
    assert {detector().id for detector in CATALOGUE} <= set(FINDINGS)
    for id, sentence in FINDINGS.items():
        told = " ".join((pages / f"{id}.md").read_text(encoding="utf-8").split())
        assert f"**What it means.** {sentence}" in told
        assert not re.search(r"\]\((?!https?:)", page(id)), "a link that leads nowhere"
        assert not re.search(r"\*\*|`", plain(page(id)))
    assert described("head_of_mine") == "Head of mine."
    assert page("head_of_mine") is page("../findings/overfitting") is None


@ALL
def test_annotations_are_at_most_ten_and_escaped(check):
    lines = github.render(check).splitlines()
    commands = [line for line in lines if line.startswith("::")]
    assert len(commands) <= 10
    for line in commands:
        _, command, message = line.split("::", 2)
        level, title = command.split(" title=", 1)
        assert level in {"error", "warning"}
        assert ":" not in title
        assert "," not in title
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", title + message)
    assert all(line.isprintable() for line in lines)
    assert lines[-1].endswith(f"(exit status {exit_status(check)})")


def test_annotations():
    assert github.render(CHECK).splitlines()[:3] == [
        '::error title=overfitting%3A a "b"::error: overfitting: it <rises> & rises. Do: Stop at 12.',
        "::error title=no validation%3A n::no validation metric was found",
        "::error title=not read%3A x [31m .csv::line 1: the file is empty",
    ]
    assert github.render(many(12)).splitlines()[0] == (
        "::error title=overfitting%3A 12 runs::bad0, bad1, bad2, bad3, bad4 and 7 more. The first: error: overfitting: "
        "it <rises> & rises. Do: Stop at 12."
    )
    warned = OVERFIT.findings[0].model_copy(update={"severity": "warning", "message": "50% off"})
    check = CheckResult(outcome="pass", runs=(OVERFIT.model_copy(update={"outcome": "pass", "findings": (warned,)}),))
    assert github.render(check).splitlines()[0] == '::warning title=overfitting%3A a "b"::50%25 off'


@ALL
def test_markdown_has_one_row_a_run_whatever_its_name(check):
    shown = markdown.render(check, View(sketches={"h": CURVE}))
    rows = [line for line in shown.splitlines() if line.startswith("| ")]
    assert len(rows) == (1 + len(check.runs) if check.runs else 0)
    assert len({row.count("|") for row in rows}) <= 1
    assert all(char.isprintable() or char == "\n" for char in shown)
    assert "<b>" not in shown
    assert "@user" not in shown
    assert "![" not in shown


def test_markdown_renders_as_a_table():
    markdown_it = pytest.importorskip("markdown_it")
    for check in CHECKS.values():
        html = markdown_it.MarkdownIt("gfm-like", {"html": True, "linkify": False}).render(markdown.render(check))
        assert html.count("<tr>") == (1 + len(check.runs) if check.runs else 0)
        assert html.count("<details>") == html.count("</details>")
        assert "<img" not in html
        assert "<b>" not in html


def test_markdown_explains_and_shows_code():
    shown = markdown.render(CHECK)
    assert "**Stop at 12.** So." in shown
    assert "```python\nstop()\nnow()\n```" in shown
    assert "```text\nRun h. Healthy" in markdown.render(CHECK, View(explain=True))
    fenced = OVERFIT.recommendations[0].model_copy(update={"code": "````\nx"})
    check = CheckResult(outcome="fail", runs=(OVERFIT.model_copy(update={"recommendations": (fenced,)}),))
    assert "`````python\n````\nx\n`````" in markdown.render(check)


def test_the_summary_of_a_step_stays_below_its_limit(tmp_path):
    path = tmp_path / "summary.md"
    path.write_text("before\n", encoding="utf-8")
    long = OVERFIT.model_copy(update={"reason": "x" * 30_000})
    check = CheckResult(outcome="fail", runs=(long,) * 100)
    markdown.append_to(path, check, View())
    told = path.read_text(encoding="utf-8")
    assert told.startswith("before\n## ❌ overfit-monitor")
    assert "Shortened: of all, fail: 100 runs" in told
    assert 100_000 < path.stat().st_size < markdown.MOST_BYTES
    path.write_text("x" * markdown.MOST_BYTES, encoding="utf-8")
    markdown.append_to(path, check, View())
    assert path.stat().st_size == markdown.MOST_BYTES
    with pytest.raises(UsageError, match=r"GITHUB_STEP_SUMMARY .*: Is a directory"):
        markdown.append_to(tmp_path, check, View())


@ALL
def test_every_report_can_be_written(check):
    for render in (json.render, junit.render, sarif.render, github.render, markdown.render):
        assert render(check).encode("utf-8", "backslashreplace")
