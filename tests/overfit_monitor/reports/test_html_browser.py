"""The HTML report in a real browser, opened from disk: every view, and nothing asked of anybody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

sync_api = pytest.importorskip("playwright.sync_api")

from overfit_monitor import Monitor  # noqa: E402
from overfit_monitor.records import Observation  # noqa: E402
from overfit_monitor.reports import html  # noqa: E402
from overfit_monitor.reports.base import Unjudged  # noqa: E402
from overfit_monitor.view.payload import ShownRun, show  # noqa: E402

from ...chromium import WATCH_VIOLATIONS, shoot  # noqa: E402

HOSTILE = "</script><img src=x onerror=alert(1)>\"'& \u2028"
TAGS = {"train": "train_loss", "val": "val_loss"}
INKED = (
    "all => all.every(c => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.filter(v => v).length > 2000)"
)
expect = sync_api.expect


def run(name: str, rise: float = 0.0, count: int = 60) -> ShownRun:
    """Return a run that falls, and rises from its 20th step on."""
    observations = [
        Observation(
            step=i,
            train={"loss": 2.0 / (i + 1)},
            val={"loss": 0.2 + 2.0 / (i + 1) + rise * max(0, i - 20) + 0.004 * (i % 3)},
            learning_rate=0.1 if i < 40 else 0.01,
        )
        for i in range(count)
    ]
    return show(name, Monitor().replay(observations), observations, labels=("loss", HOSTILE), tags=TAGS)


class Opened:
    """A report in the browser.

    Attributes:
        page: The page.
        problems: Console errors, exceptions, dialogs, and requests for anything outside the file.
    """

    def __init__(self, context: Any, folder: Path) -> None:
        self.folder = folder
        self.page = context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda m: self.problems.append(m.text) if m.type in {"error", "warning"} else None)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: (self.problems.append(dialog.message), dialog.dismiss()))
        self.page.on("request", self._asked)

    def _asked(self, request: Any) -> None:
        if not request.url.startswith((self.folder.as_uri(), "data:", "blob:")):
            self.problems.append(f"asked for {request.url}")

    def show(self, page: str, anchor: str = "") -> None:
        """Write a report and open it."""
        file = self.folder / "report.html"
        file.write_text(page, encoding="utf-8")
        self.page.goto("about:blank")
        self.problems.clear()
        self.page.goto(file.as_uri() + anchor)
        self.page.wait_for_selector("main > :not(.loading), [role=alert] .notice")

    def expect_clean(self) -> None:
        """Assert that nothing was asked for, nothing went wrong, and no text became an element."""
        assert self.problems == []
        assert self.page.evaluate("window.violations") == []
        assert self.page.locator("img, iframe, object, embed, [onerror]").count() == 0


@pytest.fixture(scope="module")
def opened(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    context = browser.new_context(viewport={"width": 1280, "height": 860}, offline=True)
    context.add_init_script(WATCH_VIOLATIONS)
    yield Opened(context, tmp_path_factory.mktemp("report"))
    context.close()


def test_many_runs_open_from_disk(opened: Opened) -> None:
    runs = [run("sweep/good"), run("sweep/bad", rise=0.02), run(HOSTILE, rise=0.05)]
    unread = [Unjudged(source=HOSTILE, message="no run was found <here>")]
    opened.show(html.render(runs, errors=unread, title=f"Sweep 12 {HOSTILE}"))
    page = opened.page
    assert page.title().startswith("Sweep 12 </script>")
    expect(page.locator("table.runs tr[data-run]")).to_have_count(3)
    names = page.locator("table.runs tr[data-run]").evaluate_all("all => all.map(row => row.dataset.run)")
    assert sorted(names) == sorted([HOSTILE, "sweep/bad", "sweep/good"])
    assert names[-1] == "sweep/good"
    page.locator(".unread summary").click()
    assert "no run was found <here>" in page.locator(".unread").inner_text()
    page.get_by_role("link", name="sweep/bad").click()
    expect(page.locator("h1")).to_have_text("sweep/bad")
    page.wait_for_selector(".marker-label")
    assert page.locator(".panel canvas").evaluate_all(INKED)
    assert page.locator("[data-finding=overfitting]").is_visible()
    assert page.locator(".pairing-box").count() == 0  # there is nothing to judge anew with
    page.go_back()
    expect(page.locator("table.runs tbody tr")).to_have_count(3)
    opened.expect_clean()


def test_one_run_can_be_linked_to_zoomed_and_taken_away(opened: Opened) -> None:
    opened.show(html.render([run(HOSTILE, rise=0.02)]), f"#run={quote(HOSTILE, safe='')}&from=10&to=30&smooth=0.5")
    page = opened.page
    expect(page.locator("h1")).to_have_text(" ".join(HOSTILE.split()))
    page.get_by_role("button", name="Reset zoom").click()
    page.get_by_role("button", name="Log", exact=True).click()
    assert "scale=log" in page.url
    assert "from=" not in page.url
    page.locator(".run-view .menu > summary").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV").click()
    assert waiting.value.path().read_text(encoding="utf-8").startswith("step,wall_time,train,validation,gap,")
    with page.expect_download() as waiting:
        page.locator("[data-plot=losses]").get_by_role("button", name="PNG").click()
    assert waiting.value.path().read_bytes().startswith(b"\x89PNG")
    opened.expect_clean()


def test_runs_are_compared(opened: Opened) -> None:
    runs = [run("good"), run("bad", rise=0.02), run("worse", rise=0.05)]
    page = html.render(runs, title="Sweep 12")
    opened.show(page, "#run=bad")
    opened.page.wait_for_selector(".marker-label")
    shoot(opened.page, "report")
    opened.show(page, "#page=compare&runs=good,worse")
    main = opened.page.locator("main")
    expect(main).to_contain_text("good")
    expect(main).to_contain_text("worse")
    assert "bad" not in opened.page.locator("main tbody").inner_text()
    opened.expect_clean()


def test_nothing_and_what_is_missing_is_said(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.show(html.render([], errors=[Unjudged(source="runs/", message="no run was found in this folder")]))
    assert "could not be judged" in opened.page.locator(".unread").inner_text()
    opened.expect_clean()
    monkeypatch.setattr(html, "MOST_DETAILED", 1)
    opened.show(html.render([run("kept", rise=0.05), run("left out")]), "#run=left%20out")
    assert "left out" in opened.page.get_by_role("alert").inner_text()
    assert "1 more can be seen by a report of them alone" in opened.page.locator("body").inner_text()
    opened.expect_clean()


def test_without_scripts_there_is_a_table(opened: Opened) -> None:
    file = opened.folder / "plain.html"
    file.write_text(html.render([run("bad", rise=0.05), run(HOSTILE)]), encoding="utf-8")
    context = opened.page.context.browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(file.as_uri())
    assert page.locator("table.runs tbody tr").count() == 2
    assert page.locator("table.runs tbody tr").first.inner_text().split()[:2] == ["bad", "overfitting"]
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_accessible_by_axe(opened: Opened, theme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    opened.page.emulate_media(color_scheme=theme)
    unread = [Unjudged(source="x.csv", message="is empty")]
    page = html.render([run("good"), run("bad", rise=0.05)], errors=unread)
    for anchor in ("", "#run=bad"):
        opened.show(page, anchor)
        opened.page.locator(".run-view details").evaluate_all("all => all.forEach(block => (block.open = true))")
        found = axe.Axe().run(opened.page).response["violations"]
        assert [(rule["id"], [node["html"][:120] for node in rule["nodes"]]) for rule in found] == []
    opened.page.emulate_media(color_scheme="light")


def test_the_only_run_is_open_at_once(opened: Opened) -> None:
    opened.show(html.render([run("a/b", rise=0.05)]))
    page = opened.page
    expect(page.locator("h1")).to_have_text("a/b")
    page.get_by_role("link", name="All runs").click()
    expect(page.locator("table.runs tr[data-run]")).to_have_count(1)
    opened.expect_clean()


def test_a_phone_scrolls_downwards_only(opened: Opened) -> None:
    names = [f"sweep-{number}/a-long-name-of-a-run/log" for number in range(40)]
    page = html.render([run(name, rise=0.05 if number < 3 else 0.0) for number, name in enumerate(names)])
    opened.page.set_viewport_size({"width": 390, "height": 844})
    try:
        for anchor in ("", f"#run={names[0]}", f"#page=compare&runs={names[0]},{names[5]}"):
            opened.show(page, anchor)
            width = "[document.documentElement.scrollWidth, window.innerWidth]"
            assert opened.page.evaluate(width) == [390, 390], anchor
        opened.show(page)
        table = opened.page.locator("table.runs")
        columns = table.locator("thead th").evaluate_all(
            "all => all.filter(one => one.offsetWidth).map(one => one.className)"
        )
        assert columns == ["col-verdict", "col-run", "col-lost numeric"]
        (cell,) = table.locator("tr[data-run] td.col-run").first.evaluate_all("all => all.map(one => one.offsetWidth)")
        assert cell > 140  # what the hidden columns leave is the name's
    finally:
        opened.page.set_viewport_size({"width": 1280, "height": 860})


def test_on_paper_it_is_light_and_has_its_title(opened: Opened) -> None:
    opened.page.emulate_media(color_scheme="dark")
    opened.show(html.render([run("bad", rise=0.05)], title="Sweep 12"))
    expect(opened.page.locator("html")).to_have_attribute("data-theme", "dark")
    opened.page.emulate_media(media="print", color_scheme="dark")
    expect(opened.page.locator("html")).to_have_attribute("data-theme", "light")
    assert opened.page.get_by_text("Sweep 12").is_visible()
    assert not opened.page.get_by_role("link", name="All runs").is_visible()
    assert not opened.page.locator(".controls").first.is_visible()
    opened.page.emulate_media(media="screen", color_scheme="light")
    opened.expect_clean()


def test_the_ends_of_compared_curves_are_named_by_what_differs(opened: Opened) -> None:
    page = html.render([run("s/seed1/log"), run("s/seed2/log", rise=0.05)])
    opened.page.context.add_init_script(
        "window.drawn = []; const draw = CanvasRenderingContext2D.prototype.fillText;"
        "CanvasRenderingContext2D.prototype.fillText = function (text, ...rest) "
        "{ window.drawn.push(text); return draw.call(this, text, ...rest); };"
    )
    opened.show(page, "#page=compare&runs=s/seed1/log,s/seed2/log")
    drawn: list[str] = []
    for _ in range(200):
        drawn = opened.page.evaluate("window.drawn")
        if "seed1" in drawn:
            break
        opened.page.wait_for_timeout(50)
    assert {"seed1", "seed2"} <= set(drawn)
    assert "log" not in drawn
