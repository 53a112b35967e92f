"""The HTML report as text: what is in it, what is left out, and that nothing breaks out of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from overfit_monitor import Monitor
from overfit_monitor.cli import main
from overfit_monitor.records import Observation
from overfit_monitor.reports import bundle, html
from overfit_monitor.reports.base import Unjudged
from overfit_monitor.view.payload import ShownRun, show

HOSTILE = "</script><script>alert(1)</script><!--<img src=x onerror=alert(2)>\"'&\u2028"
STATIC = Path(bundle.__file__).parent.parent / "view" / "static"


def run(name: str, rise: float = 0.0, count: int = 30) -> ShownRun:
    """Return a run that falls for half of its steps and then rises."""
    observations = [
        Observation(step=i, train={"loss": 2.0 / (i + 1)}, val={"loss": 2.0 / (i + 1) + rise * max(0, i - count // 2)})
        for i in range(count)
    ]
    return show(name, Monitor().replay(observations), observations)


def data_of(page: str) -> dict:
    """Return the JSON inside a report."""
    found = re.search(r'<script type="application/json" id="overfit-monitor-data">(.*?)</script>', page, re.S)
    assert found
    return json.loads(found.group(1))


@settings(max_examples=60, deadline=None)
@given(st.text() | st.sampled_from([HOSTILE, "]]>", "<!--<script>", "\x00", "\ud800"]))
def test_no_text_ends_the_script_element(text: str) -> None:
    script = html.as_script({"run": text, text: [text]})
    assert not set(script) & set("<>&\u2028\u2029")
    assert json.loads(script) == {"run": text, text: [text]}


def test_report_holds_table_curves_and_advice_of_every_run() -> None:
    page = html.render([run("b"), run("a/bad", rise=0.1)], title="Sweep", written=datetime(2026, 1, 2, tzinfo=UTC))
    data = data_of(page)
    assert [row["run"] for row in data["overview"]["runs"]] == ["a/bad", "b"]
    assert set(data["runs"]) == {"a/bad", "b"}
    assert data["runs"]["a/bad"]["diagnosis"]["verdict"] == "overfitting"
    assert len(data["runs"]["b"]["series"]["val"]["steps"]) == 30
    assert [(pair["base"], pair["other"]) for pair in data["compare"]["comparisons"]] == [("b", "a/bad")]
    assert (data["title"], data["written"], data["left_out"]) == ("Sweep", "2026-01-02T00:00:00+00:00", [])


def test_reader_without_scripts_gets_the_verdicts() -> None:
    page = html.render(
        [run(HOSTILE, rise=0.1)], errors=[Unjudged(source=HOSTILE, message="was <cut> off")], title=HOSTILE
    )
    plain = re.search(r"<noscript>(.*?)</noscript>", page, re.S)
    assert plain
    cells = [unescape(cell) for cell in re.findall(r"<td>(.*?)</td>", plain.group(1), re.S)]
    assert cells[:3] == [HOSTILE.replace("\u2028", " "), "overfitting", "error"]
    assert "was &lt;cut&gt; off" in page
    assert page.count("<script") == 3  # import map, data, start, and none of a name
    assert HOSTILE not in page


def test_report_of_nothing_and_of_what_cannot_be_judged() -> None:
    assert data_of(html.render([]))["overview"]["runs"] == []
    broken = [Observation(step=i, train={"loss": float("nan")}, val={"loss": float("inf")}) for i in range(9)]
    data = data_of(html.render([show("nan", Monitor().replay(broken), broken)]))
    assert data["runs"]["nan"]["series"]["val"]["values"] == [None] * 9


def test_many_runs_keep_the_worst_in_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(html, "MOST_DETAILED", 3)
    monkeypatch.setattr(html, "MOST_COMPARED", 2)
    monkeypatch.setattr(html, "_POINTS", 600)
    page = html.render([run(f"r{i}", rise=0.1 if i == 4 else 0.0, count=400) for i in range(5)])
    data = data_of(page)
    assert list(data["runs"]) == ["r4", "r0", "r1"]
    assert data["left_out"] == ["r2", "r3"]
    assert len(data["overview"]["runs"]) == 5
    assert len(data["compare"]["comparisons"]) == 1
    assert "2 more can be seen by a report of them alone" in page
    curve = data["runs"]["r4"]["series"]["val"]
    assert len(curve["steps"]) == len(curve["values"]) <= 200
    assert (curve["steps"][0], curve["steps"][-1]) == (0, 399)


def test_bundle_has_every_module_and_style_under_the_policy() -> None:
    parts = bundle.bundle()
    modules = json.loads(parts.import_map)["imports"]
    own = {path.name for path in STATIC.glob("*.js")} - {"contract.js"}  # that one is types only
    assert {name.removeprefix("overfit-monitor/") for name in modules if "vendor" not in name} == own
    sources = {name: base64.b64decode(address.partition(",")[2]).decode() for name, address in modules.items()}
    for name, source in sources.items():
        needed = re.findall(r'(?:from\s|import\s|import\()"([^"]+)"', source)
        assert all(path in modules for path in needed), name
    assert set(bundle.STYLES) == {path.relative_to(STATIC).as_posix() for path in STATIC.rglob("*.css")}
    for part in (parts.import_map, parts.boot, parts.style):
        digest = base64.b64encode(hashlib.sha256(part.encode()).digest()).decode()
        assert f"'sha256-{digest}'" in parts.policy
    assert "unsafe" not in parts.policy
    assert "http" not in parts.policy


def test_command_writes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = [f"{i},{2.0 / (i + 1)},{2.0 / (i + 1) + 0.1 * max(0, i - 15)}" for i in range(30)]
    (tmp_path / "bad.csv").write_text("\n".join(["epoch,train_loss,val_loss", *lines]))
    out = tmp_path / "out.html"
    assert main(["report", str(tmp_path / "bad.csv"), "--output", str(out), "--title", "Mine"]) == 0
    assert f"1 run; the report is in {out}" in capsys.readouterr().err
    data = data_of(out.read_text(encoding="utf-8"))
    assert data["runs"]["bad"]["diagnosis"]["verdict"] == "overfitting"
    assert data["title"] == "Mine"


def test_command_says_what_it_could_not_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "bad.csv").write_text("nothing,here\n")
    (tmp_path / "good.csv").write_text("epoch,val_loss\n" + "".join(f"{i},{2.0 / (i + 1)}\n" for i in range(30)))
    out = tmp_path / "out.html"
    both = [str(tmp_path / name) for name in ("bad.csv", "good.csv")]
    assert main(["report", *both, "--output", str(out)]) == 2
    assert "bad.csv" in capsys.readouterr().err
    written = out.read_text(encoding="utf-8")
    assert "bad.csv" in written
    assert main(["report", both[1], "--output", str(tmp_path / "no" / "where.html")]) == 2
    assert "--output" in capsys.readouterr().err
    assert main(["report", both[0], "--output", str(out)]) == 2
    assert f"there is no run to report on; {out} was not written" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == written


def test_command_obeys_settings_and_prints_to_standard_output(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"{i},{0.5 + i / 100},{0.5 + i / 100 - 0.02 * max(0, i - 15)}" for i in range(30)]
    (tmp_path / "acc.csv").write_text("\n".join(["epoch,a,b", *lines]))
    given_names = ["--train", "a", "--val", "b", "--mode", "max"]
    assert main(["report", str(tmp_path / "acc.csv"), *given_names, "--output", "-"]) == 0
    data = data_of(capsys.readouterr().out)
    assert data["runs"]["acc"]["diagnosis"]["metrics"]["mode"] == "max"


def test_command_judges_in_many_processes_what_it_judges_in_one(tmp_path: Path) -> None:
    for number in range(6):
        lines = [f"{i},{2.0 / (i + 1)},{2.0 / (i + 1) + 0.01 * number * max(0, i - 15)}" for i in range(30)]
        (tmp_path / f"r{number}.csv").write_text("\n".join(["epoch,train_loss,val_loss", *lines]))
    told = []
    for jobs in ("1", "3"):
        out = tmp_path / f"{jobs}.html"
        assert main(["report", str(tmp_path), "--title", "Six", "--output", str(out), "--jobs", jobs, "--quiet"]) == 0
        told.append({name: each for name, each in data_of(out.read_text("utf-8")).items() if name != "written"})
    assert len(told[0]["runs"]) == 6
    assert told[0] == told[1]


def test_command_shows_the_test_at_the_rate_that_the_project_sets(tmp_path: Path) -> None:
    lines = [f"{i},{2.0 / (i + 1)},{2.0 / (i + 1)}" for i in range(30)]
    (tmp_path / "a.csv").write_text("\n".join(["epoch,train_loss,val_loss", *lines]))
    limits = []
    for rate in ("0.01", "0.2"):
        config, out = tmp_path / f"{rate}.toml", tmp_path / "a.html"
        config.write_text(f"false_alarm_rate = {rate}\n")
        told = ["--config", str(config), "--output", str(out), "--quiet"]
        assert main(["report", str(tmp_path / "a.csv"), *told]) == 0
        limits.append(data_of(out.read_text("utf-8"))["runs"]["a"]["test"]["limit"])
    assert limits[0] > limits[1]
