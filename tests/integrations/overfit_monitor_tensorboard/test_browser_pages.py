"""Overview and comparison in a real browser, with answers made by hand: every state that they can be in."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from ...chromium import WATCH_VIOLATIONS, shoot  # noqa: E402
from . import stage as made  # noqa: E402

expect = sync_api.expect
HOSTILE = '<img src=x onerror=alert(1)> & 100% "é"'
KINDS = ("overfitting", "healthy", "underfitting", "healthy", "diverging")
FEW = (
    made.row("digits/wide", "overfitting", 3),
    made.row("digits/dropout", "overfitting", 5, sampled=True),
    made.row("vit/hot", "diverging", 2),
    made.row("vit/tiny", "underfitting", 4),
    made.row("elsewhere/train-only", "inconclusive", 1),
    made.row("digits/all", "healthy", 1),
    made.row("resnet/base", "healthy", 7),
)
WORST_FIRST = [
    "vit/hot",
    "digits/wide",
    "digits/dropout",
    "vit/tiny",
    "elsewhere/train-only",
    "digits/all",
    "resnet/base",
]
# Stands in for the browser's own, which a headless one denies.
NOTIFICATION = """
window.told = [];
window.Notification = class { constructor(title, options) { window.told.push([title, options]); } close() {} };
window.Notification.permission = "default";
window.Notification.requestPermission = async () => (window.Notification.permission = "%s");
"""


@pytest.fixture(scope="module")
def server() -> Iterator[made.Stage]:
    with made.staged() as stage:
        yield stage


@pytest.fixture
def stage(server: made.Stage) -> made.Stage:
    server.show(*FEW)
    server.failing.clear()
    server.applied.clear()
    server.asked.clear()
    return server


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, accept_downloads=True)
    context.add_init_script(WATCH_VIOLATIONS)
    yield context
    context.close()


@pytest.fixture
def open_page(stage: made.Stage, context: Any) -> Iterator[Callable[..., Any]]:
    """Return what opens the pages at an anchor; nothing may go wrong in them that the test does not allow for."""
    opened: list[tuple[Any, list[str]]] = []

    def open_(anchor: str = "", script: str = "") -> Any:
        page = context.new_page()
        page.clock.install()
        if script:
            page.add_init_script(script)
        problems: list[str] = []
        page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.problems = problems
        page.goto(stage.address + anchor)
        page.wait_for_selector("main > :not(.loading, .unseen), [role=alert]:not(:empty)")
        opened.append((page, problems))
        return page

    yield open_
    for page, problems in opened:
        assert problems == []
        assert page.evaluate("window.violations") == []
        assert page.locator("img, iframe, object, embed, [onerror]").count() == 0
        page.close()


def runs(page: Any) -> list[str]:
    """Return the runs in the table from top to bottom."""
    rows = page.locator("table.runs tbody tr[data-run]")
    return rows.evaluate_all("rows => rows.map(row => row.dataset.run)")


def column(page: Any, name: str) -> list[str]:
    return [text.replace("\u202f", " ") for text in page.locator(f"table.runs tbody td.col-{name}").all_inner_texts()]


def news(page: Any) -> None:
    """Let the time pass until the page asks for news."""
    page.clock.fast_forward(6000)


def again(page: Any) -> None:
    """Press "Try again", unless the page has found by itself meanwhile that it can go on."""
    page.evaluate(
        "[...document.querySelectorAll('[role=alert] button')].find(b => b.textContent === 'Try again')?.click()"
    )


def test_rows_say_what_matters_the_worst_first(open_page: Callable[..., Any]) -> None:
    page = open_page()
    assert runs(page) == WORST_FIRST
    assert column(page, "verdict")[:2] == ["Diverging", "Overfitting"]
    assert column(page, "lost")[1] == f"{100 * FEW[0]['loss_lost']:.0f} %"
    assert column(page, "noise")[1] == f"±{100 * FEW[0]['noise']:.1f} %"
    assert column(page, "onset")[1] == str(FEW[0]["onset_step"])
    assert column(page, "best")[1] == str(FEW[0]["best_step"])
    assert column(page, "advice")[1] == FEW[0]["recommendation"]
    assert column(page, "advice")[4] == "Cannot judge: no validation metric is among the tags: loss/train"
    assert "sampled" in column(page, "run")[2]
    row = page.locator("tr[data-run='digits/wide']")
    assert row.locator("svg.spark path").count() == 2
    assert row.locator("svg.spark circle").count() == 1


def test_row_that_waits_for_its_verdict_says_so_and_gets_it(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    waiting = made.row("late", "overfitting", 3)
    stage.show(*FEW, waiting | {"pending": True, "verdict": "inconclusive", "severity": None, "version": "0"})
    page = open_page()
    assert runs(page)[-1] == "late"
    assert column(page, "verdict")[-1] == "Pending"
    assert column(page, "advice")[-1] == "Not judged yet"
    stage.show(*FEW, waiting | {"pending": False})
    expect(page.locator("tr[data-run=late] .badge")).to_have_text("Overfitting")
    expect(page.locator("[role=status].unseen")).to_have_text("late is overfitting")


def test_filters_stand_in_the_address_and_are_restored_from_it(open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.get_by_label("Filter runs").fill("digits STOP")
    assert runs(page) == ["digits/wide", "digits/dropout"]
    page.wait_for_function("location.hash === '#q=digits%20STOP'")
    expect(page.locator(".count")).to_have_text("2 of 7 runs")
    page.get_by_role("button", name="Overfitting").click()
    page.get_by_role("button", name="Healthy").click()
    assert page.evaluate("location.hash") == "#q=digits%20STOP&verdict=overfitting,healthy"
    page.get_by_role("columnheader", name="Best step").get_by_role("button").click()
    page.reload()
    page.wait_for_selector("table.runs tbody tr")
    assert page.get_by_label("Filter runs").input_value() == "digits STOP"
    assert runs(page) == ["digits/wide", "digits/dropout"]
    assert page.get_by_role("columnheader", name="Best step").get_attribute("aria-sort") == "ascending"
    page.go_back()
    assert page.get_by_role("columnheader", name="Best step").get_attribute("aria-sort") == "none"
    page.get_by_label("Filter runs").fill("no such run")
    expect(page.locator(".empty")).to_contain_text("No run matches “no such run”.")
    page.get_by_role("button", name="Show all runs").click()
    assert len(runs(page)) == len(FEW)
    assert page.evaluate("location.hash") in {"", "#"} or "q=" not in page.evaluate("location.hash")


def test_columns_sort_both_ways_with_the_unknown_last(open_page: Callable[..., Any]) -> None:
    page = open_page()
    head = page.get_by_role("columnheader", name="Lost since best")
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "descending"
    known = [text for text in column(page, "lost") if text != "\N{EN DASH}"]
    assert known == sorted(known, key=lambda text: -float(text.split()[0]))
    assert column(page, "lost")[-1] == "\N{EN DASH}"
    head.get_by_role("button").click()
    assert head.get_attribute("aria-sort") == "ascending"
    assert [text for text in column(page, "lost") if text != "\N{EN DASH}"] == known[::-1]
    assert column(page, "lost")[-1] == "\N{EN DASH}"


def test_keyboard_walks_chooses_and_compares(open_page: Callable[..., Any]) -> None:
    page = open_page()
    press = page.keyboard.press
    for key in ("j", "ArrowDown", "k"):
        press(key)
    expect(page.get_by_role("link", name=WORST_FIRST[0])).to_be_focused()
    press("j")
    press("x")
    press("j")
    press("x")
    assert page.evaluate("location.hash") == "#runs=digits/wide,digits/dropout"
    expect(page.get_by_role("button", name="Compare", exact=True)).to_be_visible()
    press("/")
    expect(page.get_by_label("Filter runs")).to_be_focused()
    press("Escape")
    press("c")
    expect(page.locator("h1")).to_have_text("Compare")
    expect(page.locator("h1")).to_be_focused()
    press("?")
    expect(page.get_by_role("dialog")).to_contain_text("All runs")
    press("Escape")
    expect(page.get_by_role("dialog")).to_have_count(0)
    press("Escape")
    expect(page.locator("table.runs")).to_be_visible()


def test_thousand_runs_have_few_rows_in_the_page_and_all_in_reach(
    stage: made.Stage, open_page: Callable[..., Any]
) -> None:
    stage.show(*(made.row(f"sweep/{i:04}", KINDS[i % 5], i) for i in range(1000)))
    page = open_page()
    table = page.locator("table.runs")
    assert table.get_attribute("aria-rowcount") == "1001"
    assert 10 < len(runs(page)) < 60
    first = runs(page)[0]
    page.mouse.wheel(0, 20_000)
    page.wait_for_function(f"!document.querySelector(`tr[data-run='{first}']`)")
    tops = page.locator("table.runs tr[data-run]").evaluate_all("rows => rows.map(row => row.getBoundingClientRect())")
    assert tops[0]["top"] < 0
    assert tops[-1]["bottom"] > 860
    assert {tops[i + 1]["top"] - tops[i]["top"] for i in range(len(tops) - 1)} == {50}
    page.keyboard.press("End")
    expect(page.locator("tr[aria-rowindex='1001']")).to_be_visible()
    last = page.locator("tr[aria-rowindex='1001'] a")
    expect(last).to_be_focused()
    page.mouse.wheel(0, -60_000)
    page.wait_for_function(f"document.querySelector(`tr[data-run='{first}']`)")
    expect(last).to_be_focused()
    page.get_by_label("Filter runs").fill("sweep/0123")
    assert runs(page) == ["sweep/0123"]


def test_news_change_only_their_rows_and_keep_the_focus(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate("for (const row of document.querySelectorAll('tr[data-run]')) row.seen = true")
    page.get_by_role("link", name="digits/all").focus()
    stage.change("digits/all", verdict="overfitting", severity="error", alarm_step=40, loss_lost=0.2)
    stage.rows.pop("vit/tiny")
    stage.rows["new"] = made.row("new", "healthy", 9)
    news(page)
    expect(page.locator("tr[data-run='digits/all'] .badge")).to_have_text("Overfitting")
    assert sorted(runs(page)) == sorted({*WORST_FIRST, "new"} - {"vit/tiny"})
    fresh = page.evaluate(
        "[...document.querySelectorAll('tr[data-run]')].filter(row => !row.seen).map(row => row.dataset.run)"
    )
    assert sorted(fresh) == ["digits/all", "new"]
    expect(page.get_by_role("link", name="digits/all")).to_be_focused()
    expect(page.locator("[role=status].unseen")).to_have_text("digits/all is overfitting, new is healthy")
    since = [query.get("since") for route, query in stage.asked if route == "runs"]
    assert since[0] is None
    assert None not in since[1:]


def test_page_that_is_not_seen_asks_for_nothing(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.evaluate("document.querySelector('main').hidden = true")
    page.wait_for_load_state("networkidle")
    before = len(stage.asked)
    news(page)
    page.wait_for_timeout(300)
    assert len(stage.asked) == before
    with page.expect_response("**/runs*"):
        page.evaluate("document.querySelector('main').hidden = false")


def test_comparison_says_which_is_better_and_whether_that_is_noise(
    stage: made.Stage, open_page: Callable[..., Any]
) -> None:
    change = {"id": "weight_decay", "step": 20, "before": {"weight_decay": 0.0}, "after": {"weight_decay": 0.01}}
    stage.applied = {"digits/dropout": [change | {"undone_step": None}]}
    page = open_page("#page=compare&runs=digits/all,digits/dropout,resnet/base")
    expect(page.locator(".compare-view canvas")).to_have_count(2)
    answer = made.compared([FEW[5], FEW[1], FEW[6]])
    best, second, third = (run["run"] for run in answer["runs"])
    text = page.locator(".compare-summary").inner_text()
    assert text.startswith(f"{best} is ahead, but not by more than noise.")
    assert f"{second} is not told apart from it. It is better than {third} by more than noise." in text
    rows = page.locator("table.compared").first.locator("tbody tr")
    assert rows.evaluate_all("rows => rows.map(row => row.dataset.run)") == [best, second, third]
    assert "Within noise" in rows.nth(1).inner_text()
    assert "More than noise" in rows.nth(2).inner_text()
    assert "The best levels of 60" not in text
    assert "the best levels of 60 evaluations each are compared" in rows.nth(2).inner_text()
    applied = page.locator("table.changes tbody tr").inner_text()
    assert "weight_decay 0 → 0.01" in applied
    assert "% better" in applied
    page.locator(".u-over").first.hover()
    expect(page.locator(".tooltip")).to_contain_text(second)
    shoot(page, "compare-light")
    page.get_by_role("button", name=f"Leave out {third}").click()
    expect(rows).to_have_count(2)
    assert third not in page.evaluate("decodeURIComponent(location.hash)")
    page.go_back()
    expect(rows).to_have_count(3)
    page.get_by_role("button", name="Train curves").click()
    assert "curves=val" in page.evaluate("location.hash")
    page.get_by_role("link", name=third).click()
    expect(page.get_by_role("alert")).to_contain_text("nothing is known")
    page.problems.clear()


def test_comparison_of_what_cannot_be_compared_says_why(open_page: Callable[..., Any]) -> None:
    page = open_page("#page=compare&runs=digits/all,elsewhere/train-only")
    expect(page.locator(".compare-summary h2")).to_have_text("These runs cannot be compared.")
    expect(page.locator(".compare-summary p")).to_have_text("Elsewhere/train-only has no validation metric")
    page.get_by_label("Add a run").select_option("digits/wide")
    expect(page.locator("table.compared").first.locator("tbody tr")).to_have_count(3)


def test_comparison_of_one_run_asks_for_another(open_page: Callable[..., Any]) -> None:
    page = open_page("#page=compare&runs=digits/all")
    expect(page.locator(".compare-summary h2")).to_have_text("Choose two runs or more")


def test_comparison_zooms_into_the_address(open_page: Callable[..., Any]) -> None:
    page = open_page("#page=compare&runs=digits/all,digits/dropout")
    page.locator(".u-over").first.wait_for()
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.25, box["y"] + 50)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 60, steps=4)
    page.mouse.up()
    page.wait_for_function("/from=1[45]&to=4[34]/.test(location.hash)")
    page.reload()
    page.get_by_role("button", name="Reset zoom").click()
    assert "from=" not in page.evaluate("location.hash")


def test_a_healthy_run_with_a_warning_says_it(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    told = {"severity": "warning", "message": "train and validation differ from the start"}
    stage.show(made.row("odd", "healthy", 1, **told), made.row("plain", "healthy", 2, severity="info", message="noisy"))
    page = open_page()
    assert column(page, "advice") == ["Train and validation differ from the start", "Nothing to change"]


def test_comparison_over_the_time(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    change = {"id": "dropout", "step": 20, "before": {"p": 0.0}, "after": {"p": 0.5}, "undone_step": None}
    stage.applied = {"digits/dropout": [change]}
    page = open_page("#page=compare&runs=digits/all,digits/dropout&curves=val")
    page.get_by_role("button", name="Relative time").click()
    assert "axis=relative" in page.evaluate("location.hash")
    chart = page.locator("[data-plot=losses] .plot")
    chart.focus()
    page.keyboard.press("End")
    said = page.locator(".compare-charts [role=status]")
    expect(said).to_contain_text("29 min 30 s: ")  # 59 steps of half a minute
    page.keyboard.press("+")
    page.wait_for_function("/from=[\\d.]+&to=1770/.test(location.hash)")
    page.get_by_role("button", name="Wall time").click()
    assert "from=" not in page.evaluate("location.hash")
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 20 / 59, box["y"] + 50)
    expect(page.locator(".tooltip .card-title").first).to_contain_text("Nov 2023")
    expect(page.locator(".tooltip")).to_contain_text("Dropout: p 0 → 0.5")
    shoot(page, "compare-time")


def test_time_is_not_offered_where_a_run_has_none(open_page: Callable[..., Any]) -> None:
    def timeless(route: Any) -> None:
        answer = route.fetch().json()
        answer["runs"][0]["series"] = {n: c | {"times": None} for n, c in answer["runs"][0]["series"].items()}
        route.fulfill(json=answer)

    page = open_page()
    page.route("**/compare*", timeless)
    page.evaluate("location.hash = '#page=compare&runs=digits/all,digits/dropout&axis=wall'")
    page.locator(".u-over").first.hover()
    expect(page.locator(".tooltip .card-title").first).to_contain_text("Step ")
    expect(page.get_by_role("button", name="Wall time")).to_be_hidden()


def test_fifty_runs_are_compared_and_told_apart(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    names = [f"sweep/{i:02}" for i in range(60)]
    stage.show(*(made.row(name, KINDS[i % 4], i) for i, name in enumerate(names)))
    page = open_page("#sort=run")
    page.get_by_label("Compare all runs shown").check()
    expect(page.locator(".chosen-runs")).to_contain_text("50 runs chosen")
    page.evaluate("scrollTo(0, 1e6)")
    expect(page.get_by_label("Compare sweep/50", exact=True)).to_be_disabled()
    page.get_by_role("button", name="Compare", exact=True).click()
    rows = page.locator("table.compared").first.locator("tbody tr")
    expect(rows).to_have_count(50)
    assert len(page.locator(".compare-summary").inner_text()) < 700
    assert "of 20 that are as good, one is called worse all the same" in page.locator(".compare-summary").inner_text()
    assert "best levels" not in "".join(rows.all_inner_texts())
    expect(page.locator(".compare-tables p", has_text="The best levels of 60 evaluations each are")).to_have_count(1)
    signs = rows.locator(".run-swatch").evaluate_all("signs => signs.map(sign => sign.style.background)")
    assert len(set(signs)) == 50
    expect(page.locator("[data-plot=losses] .legend")).to_be_hidden()
    expect(page.get_by_label("Add a run")).to_be_hidden()
    before = picture(page)
    rows.nth(30).hover()
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() !== before", arg=before)
    page.mouse.move(5, 5)
    page.wait_for_function("before => document.querySelector('canvas').toDataURL() === before", arg=before)
    page.evaluate("scrollTo(0, 0)")
    shoot(page, "compare-fifty")
    box = page.locator(".u-over").first.bounding_box()
    page.mouse.move(box["x"] + box["width"] * 0.8, box["y"] + box["height"] * 0.7)
    expect(page.locator(".tooltip tbody tr")).to_have_count(8)
    expect(page.locator(".tooltip")).to_contain_text("8 nearest of 50")
    expect(page.locator(".tooltip .pointed")).to_have_count(1)
    shoot(page, "compare-pointed")


def picture(page: Any) -> str:
    """Return what the first chart looks like."""
    return str(page.locator("canvas").first.evaluate("canvas => canvas.toDataURL()"))


def test_comparison_is_read_and_zoomed_by_keyboard(open_page: Callable[..., Any]) -> None:
    page = open_page("#page=compare&runs=digits/all,digits/dropout&curves=val")
    page.locator(".u-over").first.wait_for()
    chart = page.locator("[data-plot=losses] .plot")
    chart.focus()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    said = page.locator(".compare-charts [role=status]")
    expect(said).to_contain_text("Step 1: ")
    for name in ("digits/all", "digits/dropout"):
        assert name in said.inner_text()
    page.keyboard.press("+")
    expect(page.get_by_role("button", name="Reset zoom")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    expect(page.locator("h1")).to_have_text("Compare")
    page.keyboard.press("j")
    expect(page.locator(".compare-view")).to_be_visible()


def test_tables_are_downloaded_as_csv_and_json(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    stage.show(*FEW, made.row('=cmd|"x"', "healthy", 3, recommendation="a, b\nc"))
    page = open_page()

    def download(item: str) -> str:
        page.locator("summary", has_text="Download").click()
        with page.expect_download() as found:
            page.get_by_role("button", name=item).click()
        return Path(found.value.path()).read_text()

    table = list(csv.DictReader(io.StringIO(download("Table as CSV"))))
    assert len(table) == len(FEW) + 1
    assert [row["run"] for row in table if row["run"].startswith("'")] == ['\'=cmd|"x"']
    by_name = {row["run"]: row for row in table}
    assert float(by_name["digits/wide"]["loss_lost"]) == FEW[0]["loss_lost"]
    assert by_name["elsewhere/train-only"]["best_step"] == ""
    rows = json.loads(download("Table as JSON"))
    assert {row["run"] for row in rows} == set(stage.rows)
    page.locator("summary", has_text="Download").click()
    page.get_by_role("button", name="HTML report").click()
    expect(page.get_by_role("dialog")).to_contain_text("overfit-monitor report LOGDIR")
    page.problems.clear()  # this server has no environment to tell


def test_charts_are_downloaded_as_a_picture(open_page: Callable[..., Any]) -> None:
    page = open_page("#page=compare&runs=digits/all,digits/dropout")
    expect(page.locator(".compare-view canvas")).to_have_count(2)
    page.locator("summary", has_text="Download").click()
    with page.expect_download() as found:
        page.get_by_role("button", name="Charts as PNG").click()
    picture = Path(found.value.path()).read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert len(picture) > 20_000


def test_notifications_come_once_for_a_new_alarm_and_only_where_asked_for(
    stage: made.Stage, open_page: Callable[..., Any]
) -> None:
    page = open_page(script=NOTIFICATION % "granted")
    button = page.get_by_role("button", name="Notify me when a run begins to go wrong")
    assert button.get_attribute("aria-pressed") == "false"
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    alarm = {"verdict": "overfitting", "severity": "error", "onset_step": 12, "alarm_step": 40, "message": "it rises"}
    stage.change("digits/all", **alarm)
    news(page)
    page.wait_for_function("window.told.length === 1")
    stage.change("digits/all", loss_lost=0.3)
    news(page)
    expect(page.locator("tr[data-run='digits/all'] td.col-lost")).to_have_text(re.compile("30"))
    [[title, options]] = page.evaluate("window.told")
    assert title == "digits/all: overfitting since step 12"
    assert options["body"].startswith("It rises")
    assert options["tag"] == "overfit-monitor digits/all"
    page.reload()
    expect(button).to_be_visible()
    assert page.evaluate("localStorage.getItem('overfit-monitor.notify')") == "on"
    page.evaluate("Notification.permission = 'granted'")
    button.click()
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true")
    page.evaluate("localStorage.clear()")


def test_notifications_that_are_denied_are_told_of(open_page: Callable[..., Any]) -> None:
    page = open_page(script=NOTIFICATION % "denied")
    button = page.get_by_role("button", name="Notify me when a run begins to go wrong")
    button.click()
    expect(page.locator("p.notice")).to_contain_text("does not let the page notify you")
    assert button.get_attribute("aria-pressed") == "false"
    assert page.evaluate("localStorage.getItem('overfit-monitor.notify')") is None


def test_server_that_is_gone_keeps_the_table_and_says_so(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    page = open_page()
    page.route("**/runs*", lambda route: route.abort())
    news(page)
    notice = page.get_by_role("alert")
    expect(notice).to_contain_text("TensorBoard does not answer")
    assert runs(page) == WORST_FIRST
    page.unroute_all()
    again(page)
    expect(notice).to_be_empty()
    assert all("ERR_FAILED" in problem for problem in page.problems)
    page.problems.clear()


@pytest.mark.parametrize(
    ("status", "content", "text"),
    [
        (500, '{"error": "overfit-monitor could not answer: OSError"}', "overfit-monitor could not answer: OSErrorTry"),
        (404, "not found", "not foundTry"),
        (502, "", "TensorBoard answered with status 502."),
    ],
)
def test_answer_that_fails_says_why_and_can_be_asked_for_again(
    stage: made.Stage, open_page: Callable[..., Any], status: int, content: str, text: str
) -> None:
    stage.failing["runs"] = status, content
    page = open_page()
    expect(page.get_by_role("alert")).to_contain_text(text)
    stage.failing.clear()
    again(page)
    expect(page.locator("table.runs")).to_be_visible()
    assert all(str(status) in problem for problem in page.problems)
    page.problems.clear()


def test_no_runs_say_what_to_do(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    stage.show()
    page = open_page()
    expect(page.locator(".empty h2")).to_have_text("No runs yet")
    assert "monitor.log(step=epoch" in page.locator(".empty code").inner_text()
    assert not page.locator("table.runs").is_visible()
    stage.show(*FEW)
    news(page)
    expect(page.locator("table.runs")).to_be_visible()


def test_no_validation_anywhere_says_why_nothing_is_judged(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    stage.show(FEW[4])
    page = open_page()
    expect(page.locator("main .notice")).to_contain_text("Cannot judge, because no run here has a validation metric.")


def test_names_that_are_code_stay_text_on_every_page(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    evil = {"recommendation": HOSTILE, "message": HOSTILE, "train_tag": HOSTILE, "val_tag": HOSTILE}
    names = [HOSTILE, "a,b\\c", "<script>alert(2)</script>", "__proto__", "."]
    stage.show(*(made.row(name, "overfitting", i + 2, **evil) for i, name in enumerate(names)))
    page = open_page()
    assert set(runs(page)) == set(names)
    for name in names:
        page.locator(f"tr[data-run={json.dumps(name, ensure_ascii=False)}] input").check()
    page.get_by_role("button", name="Compare", exact=True).click()
    table = page.locator("table.compared").first.locator("tbody tr")
    expect(table).to_have_count(5)
    assert set(table.evaluate_all("rows => rows.map(row => row.dataset.run)")) == set(names)
    assert set(page.locator("table.compared tbody th a").all_inner_texts()) == {*names[:-1], "(log folder itself)"}
    page.reload()
    expect(table).to_have_count(5)


def test_two_pages_watch_side_by_side(stage: made.Stage, open_page: Callable[..., Any]) -> None:
    one, two = open_page(), open_page("#verdict=healthy")
    stage.change("resnet/base", verdict="overfitting", severity="error")
    one.bring_to_front()
    news(one)
    expect(one.locator("tr[data-run='resnet/base'] .badge")).to_have_text("Overfitting")
    two.bring_to_front()
    news(two)
    expect(two.locator("tr[data-run='resnet/base']")).to_have_count(0)


def scan(page: Any) -> list[tuple[str, str]]:
    """Return what axe-core finds wrong, each with the first element concerned."""
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    found = axe.Axe().run(page).response["violations"]
    return [(item["id"], item["nodes"][0]["html"][:200]) for item in found]


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_state_is_accessible(stage: made.Stage, browser: Any, theme: str, open_page: Callable[..., Any]) -> None:
    waiting = made.row("late", "healthy", 3) | {"pending": True, "verdict": "inconclusive"}
    stage.show(*FEW, waiting)
    stage.applied = {
        "digits/dropout": [
            {"id": "weight_decay", "step": 20, "before": {"wd": 0.0}, "after": {"wd": 0.01}, "undone_step": None}
        ]
    }
    page = open_page("#runs=digits/all,digits/dropout,resnet/base")
    page.emulate_media(color_scheme=theme)
    page.wait_for_function(f"document.documentElement.dataset.theme === '{theme}'")
    page.get_by_role("button", name="Healthy").click()
    page.get_by_role("button", name="Overfitting").click()
    assert scan(page) == []
    shoot(page, f"overview-filtered-{theme}")
    page.locator("summary", has_text="Download").click()
    assert scan(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Keys").click()
    expect(page.get_by_role("dialog")).to_contain_text("Compare the chosen runs")
    assert scan(page) == []
    page.keyboard.press("Escape")
    page.get_by_label("Filter runs").fill("no such run")
    assert scan(page) == []
    page.keyboard.press("Escape")
    page.keyboard.press("c")
    expect(page.locator(".compare-view canvas")).to_have_count(2)
    assert scan(page) == []
    shoot(page, f"compare-{theme}")
    stage.failing["runs"] = 500, "overfit-monitor could not answer"
    page.keyboard.press("Escape")
    expect(page.get_by_role("alert")).to_contain_text("could not answer")
    assert scan(page) == []
    stage.failing.clear()
    stage.show()
    again(page)
    expect(page.locator(".empty h2")).to_have_text("No runs yet")
    assert scan(page) == []
    assert all("500" in problem for problem in page.problems)
    page.problems.clear()
