"""The tab in a real browser, in front of real TensorBoard processes with both data loaders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("tensorboard")
sync_api = pytest.importorskip("playwright.sync_api")

from . import browser as real  # noqa: E402

LOADERS = ("fast", "slow")
# The second one also stands behind a path prefix, which saves a third process.
ARGUMENTS = {"fast": ["--load_fast=true"], "slow": ["--load_fast=false", "--path_prefix=/deep/down"]}
OVERVIEW = "**/overfit_monitor/runs"
DARK = "rgb(48, 48, 48)"
NONE = "\N{EN DASH}"
INKED = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter(v => v).length"
expect = sync_api.expect


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    real.write_logs(folder)
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    path = real.browser_path()
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(real.FLAGS))
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def tabs(browser: Any, logs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, real.Tab]]:
    with real.tensorboards(logs, tmp_path_factory.mktemp("servers"), ARGUMENTS) as servers:
        for server in servers.values():
            server.wait_for(*real.RUNS)
        yield {name: real.open_tab(browser, server) for name, server in servers.items()}


@pytest.fixture(params=LOADERS)
def either(request: pytest.FixtureRequest, tabs: dict[str, real.Tab]) -> real.Tab:
    tabs[request.param].home()
    return tabs[request.param]


@pytest.fixture
def tab(tabs: dict[str, real.Tab]) -> Iterator[real.Tab]:
    tab = tabs["fast"]
    tab.home()
    yield tab
    tab.page.unroute_all()


def answered(change: Callable[[dict[str, Any]], None]) -> Callable[[Any], None]:
    """Let the server answer, and change its answer on the way."""

    def handle(route: Any) -> None:
        content = route.fetch().json()
        change(content)
        route.fulfill(json=content)

    return handle


def test_table_shows_every_run_the_worst_first(either: real.Tab) -> None:
    assert either.runs() == [real.HOSTILE, real.WATCHED, real.TRAIN_ONLY, real.HEALTHY]
    assert either.column("verdict") == ["Overfitting", "Overfitting", "Inconclusive", "Healthy"]
    rows = {row["run"]: row for row in either.server.get(f"{real.PLUGIN}/runs")["runs"]}
    shown = zip(either.runs(), either.column("onset"), either.column("best"), either.column("advice"), strict=True)
    for run, onset, best, advice in shown:
        row = rows[run]
        assert onset == (NONE if row["onset_step"] is None else str(row["onset_step"]))
        assert best == (NONE if row["best_step"] is None else str(row["best_step"]))
        assert (row["recommendation"] or "") in advice
    assert either.column("advice")[2].startswith("Cannot judge: no validation metric")
    assert "1 alert" in either.column("run")[1]
    assert either.frame.locator(".badge svg").count() == len(real.RUNS)
    assert either.frame.locator("svg.spark path").count() == 3
    either.shoot(f"overview-{'prefix' if 'deep' in either.server.address else 'light'}")
    either.expect_clean()


def test_run_view_shows_curves_marks_and_advice(either: real.Tab) -> None:
    either.open(real.WATCHED)
    frame = either.frame
    detail = either.server.get(f"{real.PLUGIN}/run?run={quote(real.WATCHED)}")
    diagnosis = detail["diagnosis"]
    expect(frame.locator(".run-view canvas")).to_have_count(2)
    frame.wait_for_function(f"[...document.querySelectorAll('canvas')].every(c => ({INKED})(c) > 5000)")
    steps = {name: diagnosis[f"{name}_step"] for name in ("best", "onset", "alarm", "stop")}
    assert None not in steps.values()
    marks = frame.locator("[data-marker]").evaluate_all("all => all.map(m => [m.dataset.marker, m.dataset.step])")
    assert dict(marks) == {name: str(step) for name, step in steps.items()} | {
        "alert": str(detail["alerts"][0]["step"])
    }
    labels = frame.locator(".marker-label")
    places = labels.evaluate_all("all => all.map(l => [l.dataset.markers.split(' ')[0], l.offsetLeft])")
    assert [steps[name] for name, _ in sorted(places, key=lambda place: place[1])] == sorted(set(steps.values()))
    assert frame.locator("[data-finding=overfitting] h3").inner_text() == "Overfitting"
    advice = frame.locator("[data-recommendation] h3").all_inner_texts()
    assert advice == [item["title"] for item in diagnosis["recommendations"]]
    assert frame.locator("[data-recommendation] pre").first.inner_text().strip()
    assert frame.locator("[data-key=not-judged]").get_attribute("open") is None
    assert len(frame.locator("[data-key=not-judged] dt").all()) == len(diagnosis["not_judged"])
    either.shoot(f"run-{'prefix' if 'deep' in either.server.address else 'light'}")
    either.expect_clean()


def test_filter_and_verdicts_narrow_the_table(tab: real.Tab) -> None:
    field = tab.frame.get_by_label("Filter runs")
    field.fill("DIGITS overfitting")
    assert tab.runs() == [real.WATCHED]
    assert tab.frame.get_by_role("status").inner_text() == "1 of 4 runs"
    field.fill("no such run")
    assert "No run matches “no such run”." in tab.frame.locator(".empty").inner_text()
    tab.frame.get_by_role("button", name="Show all runs").click()
    assert len(tab.runs()) == len(real.RUNS)
    healthy = tab.frame.get_by_role("button", name="Healthy")
    healthy.click()
    assert tab.runs() == [real.HEALTHY]
    assert tab.frame.get_by_role("button", name="Healthy").get_attribute("aria-pressed") == "true"


def test_columns_sort_by_keyboard_and_say_so(tab: real.Tab) -> None:
    head = tab.frame.get_by_role("columnheader", name="Best step")
    assert tab.frame.get_by_role("columnheader", name="Verdict").get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").focus()
    tab.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    steps = [text for text in tab.column("best") if text != NONE]
    assert steps == sorted(steps, key=int)
    assert tab.column("best")[-1] == NONE
    tab.page.keyboard.press("Enter")
    assert head.get_attribute("aria-sort") == "descending"
    assert [text for text in tab.column("best") if text != NONE] == steps[::-1]


def test_keyboard_opens_a_run_and_comes_back_to_it(tab: real.Tab) -> None:
    link = tab.frame.get_by_role("link", name=real.WATCHED, exact=True)
    link.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.frame.locator("h1")).to_be_focused()
    assert tab.frame.locator("h1").inner_text() == real.WATCHED
    tab.frame.get_by_role("link", name="All runs").click()
    expect(link).to_be_focused()


def test_address_names_the_run_and_back_leaves_it(tab: real.Tab) -> None:
    tab.open(real.WATCHED)
    assert tab.page.url.endswith(f"#overfit_monitor&p.overfit_monitor.run={quote(real.WATCHED, safe='')}")
    tab.page.go_back()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))
    tab.page.go_forward()
    expect(tab.frame.locator("h1")).to_have_text(real.WATCHED)


def test_deep_link_opens_a_run_whatever_its_name(browser: Any, tabs: dict[str, real.Tab]) -> None:
    anchor = f"#overfit_monitor&p.overfit_monitor.run={quote(real.HOSTILE, safe='')}"
    linked = real.open_tab(browser, tabs["fast"].server, anchor)
    expect(linked.frame.locator("h1")).to_have_text(real.HOSTILE)
    expect(linked.frame.locator(".run-view canvas")).to_have_count(2)
    linked.expect_clean()
    linked.page.close()


def test_both_charts_share_one_cursor(tab: real.Tab) -> None:
    tab.open(real.WATCHED)
    tab.frame.locator(".u-over").first.hover()
    legends = tab.frame.locator(".panel .legend li:last-child")
    expect(legends.first).to_have_text(re.compile(r"^step \d+$"))
    assert len(set(legends.all_inner_texts())) == 1


def test_code_is_copied_as_it_stands(tab: real.Tab) -> None:
    tab.open(real.WATCHED)
    block = tab.frame.locator("[data-recommendation] .code").first
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button")).to_have_text("Copied")
    assert tab.frame.evaluate("navigator.clipboard.readText()") == block.locator("code").text_content()


def test_curves_can_be_chosen_by_hand(tab: real.Tab) -> None:
    tab.open(real.TRAIN_ONLY)
    assert "Log one beside the train metric" in tab.frame.locator(".side").inner_text()
    tab.frame.get_by_text("Compare other curves").click()
    tab.frame.get_by_label("Validation curve").select_option("loss/train")
    tab.frame.get_by_role("button", name="Compare", exact=True).click()
    expect(tab.frame.locator(".facts .ink-val")).to_have_text("loss/train")
    expect(tab.frame.locator(".verdict-line .badge")).not_to_have_text("Inconclusive")
    assert tab.frame.locator(".run-view canvas").first.is_visible()


def test_theme_follows_tensorboard(tab: real.Tab) -> None:
    background = "getComputedStyle(document.body).backgroundColor"
    assert tab.frame.evaluate(background) == "rgb(255, 255, 255)"
    tab.theme("Dark")
    tab.frame.wait_for_function(f"{background} === '{DARK}'")
    tab.shoot("overview-dark")
    tab.open(real.WATCHED)
    expect(tab.frame.locator(".marker-label").first).to_be_visible()
    tab.shoot("run-dark")
    tab.theme("Light")
    tab.frame.wait_for_function(f"{background} === 'rgb(255, 255, 255)'")


def test_reload_shows_what_is_new(tab: real.Tab, logs: Path) -> None:
    tab.page.route(OVERVIEW, answered(lambda content: content["runs"].pop()))
    tab.reload()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS) - 1)
    tab.page.unroute_all()
    tab.reload()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))


def test_no_runs_says_what_to_do(tab: real.Tab) -> None:
    tab.page.route(OVERVIEW, answered(lambda content: content["runs"].clear()))
    tab.reload()
    expect(tab.frame.locator(".empty h2")).to_have_text("No runs yet")
    assert "monitor.log(step=epoch" in tab.frame.locator(".empty code").inner_text()
    assert not tab.frame.locator("table.runs").is_visible()
    tab.shoot("no-runs")


def test_no_validation_anywhere_says_why_nothing_is_judged(tab: real.Tab) -> None:
    def only_train(content: dict[str, Any]) -> None:
        content["runs"] = [row for row in content["runs"] if row["val_tag"] is None]

    tab.page.route(OVERVIEW, answered(only_train))
    tab.reload()
    expect(tab.frame.locator(".notice")).to_contain_text("Cannot judge, because no run here has a validation metric.")
    assert tab.runs() == [real.TRAIN_ONLY]


def test_sampled_run_says_what_that_means(tab: real.Tab) -> None:
    tab.page.route("**/overfit_monitor/run?*", answered(lambda content: content.update(sampled=True)))
    tab.open(real.HEALTHY)
    assert "Judged from a sample." in tab.frame.locator(".summary").inner_text()


def test_run_that_is_gone_leads_back_to_the_table(tab: real.Tab) -> None:
    tab.page.evaluate("location.hash = '#overfit_monitor&p.overfit_monitor.run=gone'")
    notice = tab.frame.get_by_role("alert")
    expect(notice).to_contain_text("gone")
    notice.get_by_role("button", name="All runs").click()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))
    assert all("404" in problem for problem in tab.problems)
    tab.problems.clear()


def test_server_that_is_gone_keeps_the_table_and_says_so(tab: real.Tab) -> None:
    tab.page.route(OVERVIEW, lambda route: route.abort())
    tab.reload()
    notice = tab.frame.get_by_role("alert")
    expect(notice).to_contain_text("TensorBoard does not answer")
    assert len(tab.runs()) == len(real.RUNS)
    tab.page.unroute_all()
    notice.get_by_role("button", name="Try again").click()
    expect(notice).to_be_empty()
    assert all("ERR_FAILED" in problem for problem in tab.problems)
    tab.problems.clear()


def test_hundreds_of_runs_stay_usable(tab: real.Tab) -> None:
    def many(content: dict[str, Any]) -> None:
        first = content["runs"][0]
        content["runs"] = [json.loads(json.dumps(first)) | {"run": f"sweep/{i}"} for i in range(450)]

    tab.page.route(OVERVIEW, answered(many))
    tab.reload()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(200)
    assert tab.runs()[:3] == ["sweep/0", "sweep/1", "sweep/2"]
    tab.frame.get_by_role("button", name="Show all 450 runs").click()
    assert len(tab.runs()) == 450
