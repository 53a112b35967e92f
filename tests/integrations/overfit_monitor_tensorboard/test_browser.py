"""The tab in a real browser, in front of real TensorBoard processes with both data loaders.

What the answers alone decide is in `test_browser_pages`; here is what TensorBoard has a part in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest

pytest.importorskip("tensorboard")
sync_api = pytest.importorskip("playwright.sync_api")

from . import browser as real  # noqa: E402

LOADERS = ("fast", "slow")
# The second one also stands behind a path prefix, which saves a third process.
ARGUMENTS = {"fast": ["--load_fast=true"], "slow": ["--load_fast=false", "--path_prefix=/deep/down"]}
GROWING = "growing/run"
DARK = "rgb(48, 48, 48)"
LIGHT = "rgb(255, 255, 255)"
BACKGROUND = "getComputedStyle(document.body).backgroundColor"
NONE = "\N{EN DASH}"
INKED = "canvas => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.filter(v => v).length"
expect = sync_api.expect


@pytest.fixture(scope="module")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logs")
    real.write_logs(folder)
    return folder


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


def test_table_shows_every_run_the_worst_first(either: real.Tab) -> None:
    rows = {row["run"]: row for row in either.server.get(f"{real.PLUGIN}/runs")["runs"]}
    first = sorted((real.HOSTILE, real.WATCHED), key=lambda run: -rows[run]["loss_lost"])
    assert either.runs() == [*first, real.TRAIN_ONLY, real.HEALTHY]
    assert either.column("verdict") == ["Overfitting", "Overfitting", "Inconclusive", "Healthy"]
    shown = zip(either.runs(), either.column("onset"), either.column("best"), either.column("advice"), strict=True)
    for run, onset, best, advice in shown:
        row = rows[run]
        assert onset == (NONE if row["onset_step"] is None else str(row["onset_step"]))
        assert best == (NONE if row["best_step"] is None else str(row["best_step"]))
        assert (row["recommendation"] or "") in advice
    assert either.column("advice")[2].startswith("Cannot judge: no validation metric")
    assert "1 alert" in either.row(real.WATCHED).inner_text()
    assert either.frame.locator("table.runs .badge svg").count() == len(real.RUNS)
    assert either.frame.locator("svg.spark circle").count() == 3
    either.shoot(f"overview-{'prefix' if 'deep' in either.server.address else 'light'}")
    either.expect_clean()


def test_run_opens_with_its_curves_and_its_advice(either: real.Tab) -> None:
    either.open(real.WATCHED)
    frame = either.frame
    detail = either.server.get(f"{real.PLUGIN}/run?run={quote(real.WATCHED)}")
    frame.wait_for_function(f"[...document.querySelectorAll('.panel canvas')].some(c => ({INKED})(c) > 5000)")
    advice = frame.locator("[data-recommendation] h3").all_inner_texts()
    assert advice == [item["title"] for item in detail["diagnosis"]["recommendations"]]
    assert frame.locator("[data-finding=overfitting]").count() == 1
    either.expect_clean()


def test_chosen_runs_are_compared(either: real.Tab) -> None:
    for run in (real.WATCHED, real.HEALTHY, real.HOSTILE):
        either.row(run).get_by_role("checkbox").check()
    either.frame.get_by_role("button", name="Compare", exact=True).click()
    frame = either.frame
    expect(frame.locator(".compare-view canvas")).to_have_count(2)
    names = quote(",".join((real.WATCHED, real.HEALTHY, real.HOSTILE)), safe="")
    answer = either.server.get(f"{real.PLUGIN}/compare?" + "&".join(f"run={part}" for part in names.split("%2C")))
    rows = frame.locator("table.compared").first.locator("tbody tr")
    assert rows.evaluate_all("rows => rows.map(row => row.dataset.run)") == [run["run"] for run in answer["runs"]]
    told = rows.locator(".told").all_inner_texts()
    assert told[0] == "Best of these"
    for text, pair in zip(told[1:], answer["comparisons"], strict=True):
        assert text.startswith(
            {True: "More than noise", False: "Within noise", None: "Noise is not known"}[pair["sure"]]
        )
        assert pair["reason"][1:] in text
    frame.wait_for_function(f"[...document.querySelectorAll('.panel canvas')].every(c => ({INKED})(c) > 2000)")
    either.shoot("compare-tab")
    either.expect_clean()


def test_new_points_and_new_runs_come_by_themselves(browser: Any, either: real.Tab, logs: Path) -> None:
    """In each of two tabs of the browser, that show different pages."""
    name = f"{GROWING}-{'deep' in either.server.address}"
    train, val = real.curves(overfits=True, seed=7)
    series = {"loss/train": train, "loss/val": val}
    real.write_scalars(logs / name, series, steps=range(15))
    try:
        while name not in either.runs():
            either.reload()
            either.page.wait_for_timeout(500)
        expect(either.row(name).locator(".badge")).not_to_have_text(re.compile("Overfitting|Pending"))
        other = real.open_tab(browser, either.server, f"#overfit_monitor&p.overfit_monitor.run={name}")
        expect(other.frame.locator("h1")).to_have_text(name)
        real.write_scalars(logs / name, series, steps=range(15, real.EPOCHS))
        expect(either.row(name).locator(".badge")).to_have_text("Overfitting")
        expect(other.frame.locator(".verdict-line .badge")).to_have_text("Overfitting")
        other.expect_clean()
        other.page.context.close()
    finally:
        for file in (logs / name).iterdir():
            file.unlink()
        (logs / name).rmdir()
    while name in either.runs():
        either.reload()
        either.page.wait_for_timeout(500)
    either.expect_clean()


def test_keyboard_opens_a_run_and_comes_back_to_it(tab: real.Tab) -> None:
    link = tab.frame.get_by_role("link", name=real.WATCHED, exact=True)
    link.focus()
    tab.page.keyboard.press("Enter")
    expect(tab.frame.locator("h1")).to_be_focused()
    assert tab.frame.locator("h1").inner_text() == real.WATCHED
    tab.page.keyboard.press("Escape")
    expect(link).to_be_focused()


def test_address_names_the_run_and_back_leaves_it(tab: real.Tab) -> None:
    tab.open(real.WATCHED)
    assert tab.page.url.endswith(f"#overfit_monitor&p.overfit_monitor.run={real.WATCHED}")
    tab.page.go_back()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))
    tab.page.go_forward()
    expect(tab.frame.locator("h1")).to_have_text(real.WATCHED)


def test_filters_survive_another_tab_and_a_copied_link(browser: Any, tab: real.Tab) -> None:
    tab.frame.get_by_label("Filter runs").fill("digits")
    tab.frame.get_by_role("button", name="Healthy").click()
    tab.page.wait_for_function("location.hash.includes('verdict=healthy')")
    assert tab.runs() == [real.HEALTHY]
    tab.page.get_by_role("tab", name="Scalars").click()
    tab.page.get_by_role("tab", name="Overfit").click()
    assert "p.overfit_monitor.q=digits&p.overfit_monitor.verdict=healthy" in tab.page.url
    assert tab.runs() == [real.HEALTHY]
    linked = real.open_tab(browser, tab.server, tab.page.url.removeprefix(tab.server.address))
    expect(linked.frame.locator("table.runs tbody tr")).to_have_count(1)
    assert linked.frame.get_by_label("Filter runs").input_value() == "digits"
    linked.expect_clean()
    linked.page.context.close()


def test_deep_link_opens_a_run_whatever_its_name(browser: Any, tabs: dict[str, real.Tab]) -> None:
    anchor = f"#overfit_monitor&p.overfit_monitor.run={quote(real.HOSTILE, safe='')}"
    linked = real.open_tab(browser, tabs["slow"].server, anchor)
    expect(linked.frame.locator("h1")).to_have_text(real.HOSTILE)
    linked.frame.locator(".run-view canvas").first.wait_for()
    linked.expect_clean()
    linked.page.context.close()


def test_theme_follows_tensorboard(tab: real.Tab) -> None:
    assert tab.frame.evaluate(BACKGROUND) == LIGHT
    tab.theme("Dark")
    tab.frame.wait_for_function(f"{BACKGROUND} === '{DARK}'")
    tab.shoot("overview-dark")
    tab.theme("Light")
    tab.frame.wait_for_function(f"{BACKGROUND} === '{LIGHT}'")


def test_reload_shows_what_is_new(tab: real.Tab) -> None:
    def only_first(route: Any) -> None:
        content = route.fetch(url=route.request.url.split("?")[0]).json()
        route.fulfill(json=content | {"runs": content["runs"][:1], "complete": True})

    tab.page.route("**/overfit_monitor/runs*", only_first)
    tab.reload()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(1)
    tab.page.unroute_all()
    tab.page.route("**/overfit_monitor/runs*", lambda route: route.continue_(url=route.request.url.split("?")[0]))
    tab.reload()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))


def test_run_that_is_gone_leads_back_to_the_table(tab: real.Tab) -> None:
    tab.page.evaluate("location.hash = '#overfit_monitor&p.overfit_monitor.run=gone'")
    notice = tab.frame.get_by_role("alert")
    expect(notice).to_contain_text("gone")
    notice.get_by_role("button", name="All runs").click()
    expect(tab.frame.locator("table.runs tbody tr")).to_have_count(len(real.RUNS))
    assert all("404" in problem for problem in tab.problems)
    tab.problems.clear()


def test_report_command_names_the_log_folder(tab: real.Tab, logs: Path) -> None:
    tab.frame.locator("summary", has_text="Download").click()
    tab.frame.get_by_role("button", name="HTML report").click()
    expect(tab.frame.get_by_role("dialog")).to_contain_text(
        f"overfit-monitor report {logs} --output overfit-report.html"
    )
    tab.page.keyboard.press("Escape")
    tab.expect_clean()


def test_other_curves_are_judged_anew_and_every_point_is_read(either: real.Tab) -> None:
    either.open(real.TRAIN_ONLY)
    frame = either.frame
    assert "Log one beside the train metric" in frame.locator(".side").inner_text()
    frame.get_by_text("Compare other curves").click()
    frame.get_by_label("Validation curve").select_option("loss/train")
    frame.get_by_role("checkbox", name="Read every point").check()
    frame.get_by_role("button", name="Compare", exact=True).click()
    expect(frame.locator(".facts .ink-val")).to_contain_text("loss/train")
    expect(frame.locator(".verdict-line")).to_contain_text("every point")
    expect(frame.locator(".verdict-line .badge")).not_to_have_text("Inconclusive")
    for setting in ("val=loss/train", "exact=true"):
        assert f"&p.overfit_monitor.{setting}" in unquote(either.page.url)
    frame.get_by_role("button", name="As named").click()
    expect(frame.locator(".verdict-line .badge")).to_have_text("Inconclusive")
    either.expect_clean()


def test_run_explains_itself_in_both_themes(tab: real.Tab) -> None:
    tab.page.set_viewport_size({"width": 1280, "height": 1080})
    for theme in ("Light", "Dark"):
        tab.theme(theme)
        tab.open(real.WATCHED)
        tab.frame.wait_for_selector(".marker-label")
        best = tab.server.get(f"{real.PLUGIN}/run?run={quote(real.WATCHED)}")["diagnosis"]["best_step"]
        plot = tab.frame.locator("[data-plot=losses] .u-over")
        box = plot.bounding_box()
        plot.hover(position={"x": box["width"] * best / (real.EPOCHS - 1), "y": 0.3 * box["height"]})
        expect(tab.frame.locator(".tooltip")).to_contain_text("the checkpoint to keep")
        tab.shoot(f"run-{theme.lower()}")
        tab.home()
    tab.theme("Light")
    tab.page.set_viewport_size({"width": 1280, "height": 860})
    tab.expect_clean()
