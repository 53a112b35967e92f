"""The view of one run in a real browser: its plots, what they explain, what can be changed and taken away."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("tensorboard")
sync_api = pytest.importorskip("playwright.sync_api")

from overfit_monitor import Monitor  # noqa: E402
from overfit_monitor.records import Observation  # noqa: E402
from overfit_monitor.view import payload  # noqa: E402

from ...chromium import WATCH_VIOLATIONS  # noqa: E402
from . import full_run as made  # noqa: E402
from .stage import Stage, staged  # noqa: E402

expect = sync_api.expect
HOSTILE = '<img src=x onerror=alert(1)> & 100% "é"'
PLOTS = ["losses", "gap", "test", "rate"]


class View:
    """The page of a run on a stage.

    Attributes:
        stage: The server behind it.
        page: The page.
        problems: Console errors, uncaught exceptions and opened dialogs so far.
    """

    def __init__(self, stage: Stage, context: Any) -> None:
        self.stage = stage
        self.page = context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))

    def show(self, shown: Any, more: str = "") -> dict[str, Any]:
        """Open a run and wait until it is drawn; return its JSON."""
        detail = payload.details(shown)
        self.stage.show(payload.row(shown))
        self.stage.details = {shown.name: detail}
        self.stage.asked.clear()
        self.page.goto("about:blank")
        self.page.goto(f"{self.stage.address}#run={quote(shown.name, safe='')}{more}")
        self.page.wait_for_selector(".run-view .summary")
        self.page.wait_for_function(
            "document.querySelectorAll('.u-over').length === document.querySelectorAll('.panel').length"
        )
        return detail

    def setting(self, name: str) -> str | None:
        """Return a setting of the address."""
        return self.page.evaluate("name => new URLSearchParams(location.hash.slice(1)).get(name)", name)

    def point(self, share: float, plot: str = "losses") -> None:
        """Move the pointer over a plot, ``share`` of its width from the left."""
        box = self.page.locator(f"[data-plot={plot}] .u-over").bounding_box()
        self.page.mouse.move(box["x"] + share * box["width"], box["y"] + 0.5 * box["height"])

    def drag(self, start: float, end: float, plot: str = "losses") -> None:
        """Drag over a part of a plot."""
        self.point(start, plot)
        self.page.mouse.down()
        self.point((start + end) / 2, plot)
        self.point(end, plot)
        self.page.mouse.up()

    def first_label(self, plot: str) -> str:
        """Return how a plot's canvas looks, to tell whether it has changed."""
        return self.page.locator(f"[data-plot={plot}] canvas").evaluate("canvas => canvas.toDataURL()")

    def values(self) -> dict[str, str]:
        """Return the values in the legends."""
        entries = self.page.locator(".legend-entry:has(b)")
        return dict(entries.evaluate_all("all => all.map(e => [e.dataset.curve, e.querySelector('b').textContent])"))

    def expect_clean(self) -> None:
        """Assert that nothing went wrong, and that no text became an element."""
        assert self.problems == []
        assert self.page.evaluate("window.violations") == []
        assert self.page.locator("img, iframe, object, embed, [onerror]").count() == 0


@pytest.fixture(scope="module")
def opened(browser: Any) -> Iterator[View]:
    with staged() as stage:
        context = browser.new_context(viewport={"width": 1280, "height": 1000}, accept_downloads=True)
        context.grant_permissions(["clipboard-read", "clipboard-write"])
        context.add_init_script(WATCH_VIOLATIONS)
        context.route("**/environment", lambda route: route.fulfill(json={"data_location": "/logs/it's mine"}))
        yield View(stage, context)
        context.close()


@pytest.fixture
def view(opened: View) -> Iterator[View]:
    yield opened
    problems = list(opened.problems)
    opened.problems.clear()
    opened.stage.failing.clear()
    assert problems == []


def test_plots_marks_and_values_are_those_of_the_json(view: View) -> None:
    detail = view.show(made.full_run())
    assert view.page.locator(".panel").evaluate_all("all => all.map(p => p.dataset.plot)") == PLOTS
    marked = view.page.locator("[data-marker]").evaluate_all("all => all.map(m => [m.dataset.marker, m.dataset.step])")
    expected: dict[str, list[str]] = {}
    for mark in detail["marks"]:
        step = detail["diagnosis"]["onset_step"] if mark["kind"] == "onset" else mark["step"]
        expected.setdefault(mark["kind"], []).append(str(step))
    assert {kind: steps.split() for kind, steps in marked} == expected
    assert set(expected) == {"best", "onset", "alarm", "stop", "alert", "learning_rate", "applied"}
    assert float(view.values()["val"]) == pytest.approx(detail["series"]["val"]["values"][-1], rel=1e-3)
    labels = view.page.locator(".marker-label.main")
    places = labels.evaluate_all("all => all.map(l => [Number(l.dataset.steps.split(' ')[0]), l.offsetLeft])")
    assert [step for step, _ in sorted(places)] == [step for step, _ in sorted(places, key=lambda place: place[1])]
    view.expect_clean()


def test_card_explains_what_is_pointed_at_in_every_plot(view: View) -> None:
    detail = view.show(made.full_run())
    best = detail["diagnosis"]["best_step"]
    for plot in ("losses", "gap"):
        view.point(best / (made.EPOCHS - 1), plot)
        card = view.page.locator(".tooltip")
        expect(card).to_contain_text(f"Step {best}")
        expect(card).to_contain_text("the checkpoint to keep")
        expect(card).not_to_contain_text("NaN")
    value = detail["series"]["val"]["values"][detail["series"]["val"]["steps"].index(best)]
    assert float(view.values()["val"]) == pytest.approx(value, rel=1e-3)
    cursors = view.page.locator(".u-cursor-x").evaluate_all("all => all.map(c => c.style.transform)")
    assert len(set(cursors)) == 1
    view.page.mouse.move(5, 5)
    expect(view.page.locator(".tooltip")).to_be_hidden()


def test_marks_explain_themselves_to_the_keyboard(view: View) -> None:
    detail = view.show(made.full_run())
    for mark in detail["marks"]:
        label = view.page.locator(f".marker-label[data-markers~={mark['kind']}]").first
        label.focus()
        expect(view.page.locator(".tooltip")).to_contain_text(mark["text"][1:40])
        assert mark["text"] in label.get_attribute("aria-label")
    view.page.keyboard.press("Escape")
    expect(view.page.locator(".tooltip")).to_be_hidden()
    expect(label).to_be_focused()


def test_arrow_keys_read_out_the_points(view: View) -> None:
    detail = view.show(made.full_run())
    plot = view.page.locator("[data-plot=losses] .plot")
    assert f"best at step {detail['diagnosis']['best_step']}" in plot.get_attribute("aria-label")
    plot.focus()
    view.page.keyboard.press("Home")
    said = view.page.locator(".charts [role=status]")
    expect(said).to_contain_text("Step 0, ")
    view.page.keyboard.press("ArrowRight")
    expect(said).to_contain_text("Step 1, ")
    view.page.keyboard.press("End")
    expect(said).to_contain_text(f"Step {made.EPOCHS - 1}, ")
    rows = view.page.locator(".charts caption").locator("..").locator("tbody th")
    assert str(detail["diagnosis"]["best_step"]) in rows.all_inner_texts()


def test_zoom_is_linked_kept_in_the_address_and_left_again(view: View) -> None:
    view.show(made.full_run())
    before = {plot: view.first_label(plot) for plot in PLOTS}
    view.drag(0.25, 0.75, "gap")
    expect(view.page.get_by_role("button", name="Reset zoom")).to_be_visible()
    assert int(view.setting("from") or -1) == pytest.approx(20, abs=1)
    assert int(view.setting("to") or -1) == pytest.approx(59, abs=1)
    assert all(view.first_label(plot) != before[plot] for plot in PLOTS)
    zoomed = view.first_label("losses")
    view.page.reload()
    view.page.wait_for_selector(".marker-label")
    view.page.mouse.move(5, 5)
    assert view.first_label("losses") == zoomed
    view.page.locator("[data-plot=rate] .u-over").dblclick()
    expect(view.page.get_by_role("button", name="Reset zoom")).to_be_hidden()
    assert view.setting("from") is None
    view.page.locator("[data-plot=losses] .plot").focus()
    view.page.keyboard.press("+")
    assert view.setting("from") is not None
    view.page.keyboard.press("Escape")
    assert view.setting("from") is None
    expect(view.page.locator("h1")).to_be_visible()


def test_zoom_asks_for_finer_points_where_they_were_thinned(view: View) -> None:
    view.show(made.full_run(count=1100))
    view.drag(0.5, 0.6)
    view.page.wait_for_function("performance.getEntriesByType('resource').some(e => e.name.includes('/series'))")
    _, query = next(asked for asked in view.stage.asked if asked[0] == "series")
    assert (query["from"], query["to"]) == ([view.setting("from")], [view.setting("to")])


def test_axis_scale_and_smoothing(view: View) -> None:
    view.show(made.full_run())
    view.page.get_by_role("button", name="Relative time").click()
    assert view.setting("axis") == "relative"
    view.point(0.5)
    expect(view.page.locator(".tooltip")).to_contain_text("after 1")
    view.page.get_by_role("button", name="Wall time").click()
    assert view.setting("axis") == "wall"
    view.drag(0.25, 0.5)
    assert int(view.setting("from") or -1) == pytest.approx(20, abs=1)  # the address is in steps on every axis
    view.page.get_by_role("button", name="Log", exact=True).click()
    assert view.setting("scale") == "log"
    raw = view.values()["val"]
    view.page.get_by_label("Smoothing").fill("0.9")
    assert view.setting("smooth") == "0.9"
    view.point(0.9)
    assert view.values()["val"] != raw
    view.page.reload()
    view.page.wait_for_selector(".marker-label")
    assert view.page.locator(".choice [aria-pressed=true]").all_inner_texts() == ["Wall time", "Log"]
    assert view.page.get_by_label("Smoothing").input_value() == "0.9"


def test_keys_work_the_plots(view: View) -> None:
    view.show(made.full_run(), "&from=20&to=40")
    view.page.keyboard.press("0")
    assert view.setting("from") is None
    view.page.keyboard.press("l")
    assert view.setting("scale") == "log"
    view.page.keyboard.press("p")
    view.page.keyboard.press("Home")
    expect(view.page.locator(".charts [role=status]")).to_contain_text("Step 0, ")
    view.page.keyboard.press("?")
    expect(view.page.get_by_role("dialog")).to_contain_text("Linear or logarithmic")
    view.page.keyboard.press("Escape")


def test_restart_is_marked(view: View) -> None:
    given = made.observations(50) + made.observations(80)[30:]
    detail = view.show(payload.show("resumed", Monitor().replay(given), given))
    restarts = [mark["step"] for mark in detail["marks"] if mark["kind"] == "restart"]
    assert restarts == [30]
    sign = view.page.locator(".marker-label[data-markers~=restart]")
    sign.hover()
    expect(view.page.locator(".tooltip")).to_contain_text("went back from 49 to 30")


def test_legend_switches_curves(view: View) -> None:
    view.show(made.full_run())
    before = view.first_label("losses")
    entry = view.page.locator("[data-plot=losses] [data-curve=train]")
    entry.click()
    expect(entry).to_have_attribute("aria-pressed", "false")
    assert view.setting("hide") == "train"
    assert view.first_label("losses") != before
    entry.click()
    view.page.mouse.move(5, 5)
    expect(entry).to_have_attribute("aria-pressed", "true")
    assert view.first_label("losses") == before


def test_pair_direction_and_exact_mode_are_asked_for(view: View) -> None:
    view.show(made.full_run(sampled=True))
    assert "sampled" in view.page.locator(".verdict-line").inner_text()
    view.page.get_by_text("Compare other curves").click()
    view.page.get_by_label("Validation curve").select_option("accuracy/val")
    view.page.get_by_label("Train curve").select_option("")
    view.page.get_by_label("Better is").select_option("max")
    view.page.get_by_role("button", name="Compare", exact=True).click()
    view.page.wait_for_function("location.hash.includes('mode=max')")
    view.page.wait_for_load_state("networkidle")
    assert view.stage.asked[-1] == ("run", {"run": ["digits/everything"], "val": ["accuracy/val"], "mode": ["max"]})
    view.page.get_by_role("button", name="As named").click()
    view.page.get_by_role("button", name="Read every point").click()
    view.page.wait_for_function("location.hash.includes('exact=true')")
    view.page.wait_for_load_state("networkidle")
    assert view.stage.asked[-1] == ("run", {"run": ["digits/everything"], "exact": ["true"]})
    view.page.get_by_text("Compare other curves").click()


def test_findings_and_advice_say_it_all(view: View) -> None:
    detail = view.show(made.full_run())
    finding = detail["diagnosis"]["findings"][0]
    card = view.page.locator(f"[data-finding={finding['id']}]").inner_text()
    for said in (*finding["speaks_for"], *finding["speaks_against"], finding["experiment"]):
        assert said[1:] in card
    first = view.page.locator("[data-recommendation=weight_decay]")
    assert "Applied after step 50" in first.inner_text()
    assert "weight_decay: 0 → 0.3" in first.inner_text()
    assert "helped 64\N{NO-BREAK SPACE}%, harmed 10\N{NO-BREAK SPACE}%" in first.inner_text()
    assert "cannot be told apart from: Dropout 0.2" in first.inner_text()
    assert "line 7 of <log> & more was damaged" in view.page.locator(".side").inner_text()
    not_judged = view.page.locator("[data-key=not-judged]")
    assert not_judged.locator("dt").count() == len(detail["diagnosis"]["not_judged"])
    block = first.locator(".code")
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button")).to_have_text("Copied")
    assert view.page.evaluate("navigator.clipboard.readText()") == made.advice()[0].code


def test_tables_of_classes_and_examples(view: View) -> None:
    view.show(made.full_run())
    assert view.page.locator("[data-key=classes] tbody th").all_inner_texts() == ["2", "0"]
    assert "AUC 0.7" in view.page.locator("[data-key=membership]").inner_text()
    worst = view.page.locator("[data-key=worst]")
    worst.locator("summary").click()
    assert worst.locator("tbody th").all_inner_texts() == ["<img src=x onerror=alert(1)>", "cat-17.png", "#2"]
    view.expect_clean()


def test_what_was_opened_stays_open_when_news_come(view: View) -> None:
    shown = made.full_run()
    view.show(shown)
    view.page.locator("[data-key=worst] summary").click()
    view.page.locator("[data-key=advice-weight_decay] summary").click()
    view.drag(0.2, 0.6)
    zoom = view.setting("from")
    longer = made.full_run(count=90)
    view.stage.details[shown.name] = payload.details(longer)
    view.stage.rows[shown.name] = payload.row(longer) | {"version": 2}
    expect(view.page.locator(".facts")).to_contain_text("89", timeout=15_000)
    assert view.page.locator("[data-key=worst]").get_attribute("open") is not None
    assert view.page.locator("[data-key=advice-weight_decay]").get_attribute("open") is None
    assert view.setting("from") == zoom


def test_downloads(view: View) -> None:
    detail = view.show(made.full_run())

    def saved(name: str) -> tuple[str, bytes]:
        with view.page.expect_download() as waiting:
            view.page.get_by_role("button", name=name).first.click()
        return waiting.value.suggested_filename, waiting.value.path().read_bytes()

    view.page.locator(".run-view .menu > summary").click()
    command = "overfit-monitor report '/logs/it'\\''s mine' --output report.html"
    expect(view.page.locator(".menu-report code")).to_have_text(command)
    name, content = saved("JSON")
    assert (name, json.loads(content)) == ("digits-everything.json", detail)
    name, content = saved("CSV")
    table = list(csv.DictReader(io.StringIO(content.decode())))
    assert name == "digits-everything.csv"
    assert [float(line["validation"]) for line in table] == detail["series"]["val"]["values"]
    assert table[0]["wall_time"] == "1700000000"
    view.page.keyboard.press("Escape")
    view.page.mouse.move(5, 5)
    plot = view.page.locator("[data-plot=gap]")
    with view.page.expect_download() as waiting:
        plot.get_by_role("button", name="PNG").click()
    picture = waiting.value.path().read_bytes()
    width, height = struct.unpack(">II", picture[16:24])
    box = plot.locator("canvas").bounding_box()
    assert picture.startswith(b"\x89PNG")
    assert (width > box["width"], height > box["height"] + 30) == (True, True)


def test_hostile_texts_stay_texts(view: View) -> None:
    view.show(made.full_run(HOSTILE, tags={"train": HOSTILE, "val": "val <b>"}, labels=(HOSTILE, "val <b>")))
    assert view.page.locator("h1").inner_text() == HOSTILE
    view.page.get_by_text("Compare other curves").click()
    assert HOSTILE in view.page.get_by_label("Train curve").locator("option").all_inner_texts()
    expect(view.page.locator("[data-plot=losses] [data-curve=train]")).to_contain_text(HOSTILE)
    view.point(0.5)
    expect(view.page.locator(".tooltip")).to_contain_text("val <b>")
    view.expect_clean()


def test_run_without_finite_values_and_without_validation(view: View) -> None:
    broken = [Observation(step=i, train={"loss": float("nan")}, val={"loss": float("inf")}) for i in range(5)]
    view.show(payload.show("nan", Monitor().replay(broken), broken))
    assert "There is no finite value to show." in view.page.locator(".charts").inner_text()
    alone = [Observation(step=i, train={"loss": 1.0 / (i + 1)}) for i in range(30)]
    view.show(payload.show("alone", Monitor().replay(alone), alone))
    assert "Log one beside the train metric" in view.page.locator(".side").inner_text()
    one = [Observation(step=0, train={"loss": 1.0}, val={"loss": 1.0})]
    view.show(payload.show("one", Monitor().replay(one), one))
    assert view.page.locator("[data-plot=losses] canvas").is_visible()
    few = made.observations(40, broken=range(10, 14))
    detail = view.show(payload.show("few", Monitor().replay(few), few))
    assert detail["series"]["val"]["values"][10] is None
    view.point(11 / 39)
    expect(view.page.locator(".tooltip")).to_contain_text("NaN")
    view.expect_clean()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_by_axe(view: View, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    view.page.emulate_media(color_scheme=theme)
    view.show(made.full_run())
    view.page.locator(".run-view details").evaluate_all("all => all.forEach(block => (block.open = true))")
    found = axe.Axe().run(view.page).response["violations"]
    assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
    view.page.emulate_media(color_scheme="light")
