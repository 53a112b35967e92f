"""The tab "Overfit" in a real browser, beside TensorBoard's own Time Series in the same browser.

usage: python benchmarks/frontend.py [--runs 8] [--evaluations 50] [--scrolled 200] [--points 5000] [--full]
                                     [--tables bytes paint scroll long]

``--full`` takes 500 runs of 200 evaluations, scrolls through 1,000, and draws a run of 1,000,000 points. Five tables:

- First paint: milliseconds from opening the tab's frame until the first rows are on the screen, and until every run is
  judged, with an empty cache and a server that was asked nothing before; and until TensorBoard's page shows the tab.
  Beside it TensorBoard's own first chart of the same log.
- News: milliseconds from the reload until the row of the one run that changed is drawn anew, the server's share of it,
  and how many rows were drawn.
- Scrolling: frames a second while the table is scrolled from end to end, and the longest time without one.
- A long run: milliseconds until its curves are drawn, and frames a second while the pointer runs over them and while
  they are zoomed.
- Bytes: the frontend's files, gzipped.
"""

from __future__ import annotations

import argparse
import gzip
import tempfile
from importlib.resources import files
from pathlib import Path
from statistics import median
from typing import Any

from board_process import PLUGIN, append, board, wait_for_step, write_run, write_runs
from chromium import chromium
from tables import progress, show

TABLES = ("bytes", "paint", "scroll", "long")
ROWS = "table.runs tbody tr[data-run]"
# In every frame: when the first row, the last verdict and the first curve were there, by the frame's own clock.
WATCH = """
window.times = {};
const note = name => (window.times[name] ??= performance.now());
new MutationObserver(() => {
  if (document.querySelector("table.runs tbody tr[data-run]")) {
    note("rows");
    if (!document.querySelector(".chip[data-verdict=pending]")) note("judged");
  }
  if (document.querySelector(".panel canvas")) note("curves");
  if (document.querySelector("line-chart svg path, line-chart canvas, card-view svg")) note("own");
}).observe(document, { childList: true, subtree: true });
"""
FRAMES = """
async () => {
  const times = [];
  let going = true;
  const tick = at => { times.push(at); if (going) requestAnimationFrame(tick); };
  requestAnimationFrame(tick);
  await new Promise(resolve => window.stopFrames = resolve);
  going = false;
  const gaps = times.slice(1).map((at, i) => at - times[i]);
  return [1000 * gaps.length / (times.at(-1) - times[0]), Math.max(...gaps)];
}
"""


def opened(launched: Any, address: str, anchor: str) -> tuple[Any, Any]:
    """Open TensorBoard with nothing cached; return the page and the tab's frame."""
    context = launched.new_context(viewport={"width": 1280, "height": 860})
    context.add_init_script(WATCH)
    page = context.new_page()
    page.goto(f"{address}/#overfit_monitor{anchor}")
    frame = page.wait_for_selector('iframe[src*="plugin_entry"]').content_frame()
    frame.wait_for_url("**plugin_entry**", wait_until="commit")
    return page, frame


def when(frame: Any, name: str) -> float:
    """Return when something was there, in milliseconds since the frame was opened."""
    frame.wait_for_function(f"window.times.{name} !== undefined", timeout=600_000)
    return float(frame.evaluate(f"window.times.{name}"))


def first_paint(launched: Any, folder: Path, runs: int, points: int) -> None:
    """Print how long the table takes, and what one changed run costs."""
    names = write_runs(folder, runs, points)
    with board(folder, "rust") as running:
        running.loaded(runs, points)
        page, frame = opened(launched, running.address, "")
        rows, judged = when(frame, "rows"), when(frame, "judged")
        whole = page.evaluate("performance.now()") - frame.evaluate("performance.now()") + rows
        page.context.close()
        page, again = opened(launched, running.address, "")
        warm = when(again, "rows")
        other = launched.new_context(viewport={"width": 1280, "height": 860})
        other.add_init_script(WATCH)
        theirs = other.new_page()
        theirs.goto(f"{running.address}/#timeseries")
        own = when(theirs, "own")
        other.close()
        head = [
            "rows, cold",
            "rows, judged before",
            "all judged",
            "rows, with TensorBoard",
            "TensorBoard's own first chart",
        ]
        cells = [f"{ms:.0f}" for ms in (rows, warm, judged, whole, own)]
        show(f"Milliseconds to first paint, {runs} runs of 2 x {points} points", head, [cells])
        news((page, again), running, folder, names, points)


def news(tab: tuple[Any, Any], running: Any, folder: Path, names: list[str], points: int) -> None:
    """Print what it takes to show that one run has changed."""
    page, frame = tab
    took, server, drawn = [], [], []
    when(frame, "judged")
    for name in names[:3]:
        frame.get_by_label("Filter runs").fill(name)
        frame.wait_for_function(f"document.querySelectorAll('{ROWS}').length === 1")
        append(folder, name, points)
        wait_for_step(running, name, points)
        frame.evaluate(
            """() => {
              performance.clearResourceTimings();
              window.drawn = 0;
              window.seen?.disconnect();
              window.seen = new MutationObserver(found => {
                for (const one of found) for (const node of one.addedNodes)
                  if (node.dataset?.run !== undefined) { window.drawn += 1; window.drawnAt = performance.now(); }
              });
              window.seen.observe(document.querySelector("table.runs tbody"), { childList: true });
            }"""
        )
        page.locator("button.reload-button").click()
        frame.wait_for_function("window.drawn > 0", timeout=60_000)
        asked = frame.evaluate(
            """() => { const all = performance.getEntriesByType("resource").filter(e => e.name.includes("/runs?"));
              const last = all.at(-1); return [last.startTime, last.responseEnd, window.drawnAt, window.drawn]; }"""
        )
        took.append(asked[2] - asked[0])
        server.append(asked[1] - asked[0])
        drawn.append(asked[3])
    cells = [f"{median(took):.0f}", f"{median(server):.0f}", f"{median(took) - median(server):.0f}", max(drawn)]
    show("Milliseconds to show one changed run", ["in all", "the answer", "drawing", "rows drawn"], [cells])


def rate(page: Any, frame: Any, act: Any) -> tuple[float, float]:
    """Return frames a second and the longest time between two while something is done."""
    frame.evaluate(f"void (window.frames_ = ({FRAMES})())")
    act()
    frame.evaluate("window.stopFrames()")
    found = frame.evaluate("window.frames_")
    return found[0], found[1]


def scrolling(launched: Any, folder: Path, runs: int) -> None:
    """Print how smoothly the table scrolls."""
    write_runs(folder, runs, 20)
    with board(folder, "rust") as running:
        running.loaded(runs, 20)
        page, frame = opened(launched, running.address, "")
        when(frame, "judged")
        page.mouse.move(600, 500)

        def act() -> None:
            for _ in range(60):
                page.mouse.wheel(0, runs * 50 / 30)
                page.wait_for_timeout(16)
            for _ in range(60):
                page.mouse.wheel(0, -runs * 50 / 30)
                page.wait_for_timeout(16)

        act()  # once for the compiler
        fps, longest = rate(page, frame, act)
        idle, _ = rate(page, frame, lambda: page.wait_for_timeout(1000))
        cells = [f"{fps:.0f}", f"{idle:.0f}", f"{longest:.0f}", frame.locator(ROWS).count()]
        show(f"Scrolling {runs} runs", ["frames a second", "at rest", "longest frame, ms", "rows in the page"], [cells])


def long_run(launched: Any, folder: Path, points: int) -> None:
    """Print how a long run is drawn and how its curves answer."""
    write_run(folder / "long", points, 1)
    with board(folder, "rust") as running:
        running.loaded(1, points)
        running.table(wait=30)
        page, frame = opened(launched, running.address, "&p.overfit_monitor.run=long")
        drawn = when(frame, "curves")
        plot = frame.locator(".u-over").first
        plot.wait_for()
        box = plot.bounding_box()
        kilobytes = len(running.ask(f"{PLUGIN}/run?run=long")[1]) / 1000

        def hover() -> None:
            for i in range(90):
                page.mouse.move(box["x"] + box["width"] * (i % 45) / 45, box["y"] + 60)

        def zoom() -> None:
            for i in range(6):
                page.mouse.move(box["x"] + box["width"] * 0.2, box["y"] + 60)
                page.mouse.down()
                page.mouse.move(box["x"] + box["width"] * (0.7 - 0.05 * i), box["y"] + 60, steps=6)
                page.mouse.up()
                page.wait_for_timeout(120)
            page.mouse.dblclick(box["x"] + 50, box["y"] + 60)

        hover()
        over, _ = rate(page, frame, hover)
        zoomed, longest = rate(page, frame, zoom)
        cells = [f"{drawn:.0f}", f"{kilobytes:.0f}", f"{over:.0f}", f"{zoomed:.0f}", f"{longest:.0f}"]
        head = ["curves drawn, ms", "kB", "frames a second, pointing", "zooming", "longest frame, ms"]
        show(f"A run of 2 x {points} points", head, [cells])


def sizes() -> None:
    """Print what the frontend weighs."""
    static = Path(str(files("overfit_monitor.view") / "static"))
    size = {path: len(gzip.compress(path.read_bytes())) for path in static.rglob("*") if path.suffix in {".js", ".css"}}
    vendor = sum(count for path, count in size.items() if "vendor" in path.parts)
    styles = sum(count for path, count in size.items() if path.suffix == ".css" and "vendor" not in path.parts)
    total = sum(size.values())
    cells = [f"{kind / 1000:.1f}" for kind in (total - vendor - styles, styles, vendor, total)]
    show("Kilobytes gzipped", ["our modules", "our styles", "vendored", "in all"], [cells])


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--evaluations", type=int, default=50)
    parser.add_argument("--scrolled", type=int, default=200)
    parser.add_argument("--points", type=int, default=5000)
    parser.add_argument("--full", action="store_true")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES)
    options = parser.parse_args()
    if options.full:
        options.runs, options.evaluations, options.scrolled, options.points = 500, 200, 1000, 1_000_000
    if "bytes" in options.tables:
        sizes()
    if options.tables == ["bytes"]:
        return
    with tempfile.TemporaryDirectory() as name, chromium() as launched:
        folder = Path(name)
        if "paint" in options.tables:
            progress("first paint and news")
            first_paint(launched, folder / "paint", options.runs, options.evaluations)
        if "scroll" in options.tables:
            progress("scrolling")
            scrolling(launched, folder / "scroll", options.scrolled)
        if "long" in options.tables:
            progress("a long run")
            long_run(launched, folder / "long", options.points)


if __name__ == "__main__":
    main()
