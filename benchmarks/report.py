"""The HTML report and the view of a run in a real browser, beside uPlot alone with the same curves.

usage: python benchmarks/report.py [--runs 1 50 1000] [--evaluations 200] [--points 2000] [--frames 60]

Three tables:

- Reports: seconds to write one (the runs are judged already), its size, and milliseconds until its table, and then
  one of its runs, is drawn.
- Interaction: milliseconds of the page's own processor time for one movement of the pointer, one of the smoothing
  slider, and one zoom, with so many points a curve in four plots; beside it the same for one plain uPlot chart of the
  two curves. 33 ms are 30 frames a second. Nothing is drawn by a graphics card here.
- Size: what the pages weigh, in kilobytes.
"""

from __future__ import annotations

import argparse
import gzip
import math
import random
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from chromium import chromium
from tables import progress, show

from overfit_monitor import Monitor
from overfit_monitor.records import Observation
from overfit_monitor.reports import html
from overfit_monitor.view.payload import ShownRun
from overfit_monitor.view.payload import show as shown_run

STATIC = Path(str(files("overfit_monitor.view") / "static"))
UPLOT = STATIC / "vendor" / "uplot-1.6.32"
# One act for each frame, as fast as frames come.
DRIVE = """
const over = document.querySelector(".u-over");
const box = over.getBoundingClientRect();
over.dispatchEvent(new MouseEvent("mouseenter", {clientX: box.left + 9, clientY: box.top + 9}));
window.acts = {
  pointer: i => over.dispatchEvent(new MouseEvent("mousemove", {bubbles: true, movementX: 5, movementY: 1,
    clientX: box.left + 10 + (i * 7) % (box.width - 20), clientY: box.top + 100})),
  smoothing: i => {
    const slider = document.querySelector("input[type=range]");
    slider.value = 0.2 + 0.01 * (i % 60);
    slider.dispatchEvent(new Event("input", {bubbles: true}));
  },
  zoom: i => window.zoomed ? window.zoomed(i) : document.querySelector(".plot").dispatchEvent(
    new KeyboardEvent("keydown", {key: i % 2 ? "-" : "+", bubbles: true})),
};
window.drive = async (act, frames) => {
  for (let i = 0; i < frames; i++) {
    window.acts[act](i);
    await new Promise(done => requestAnimationFrame(done));
  }
};
"""
BARE = """<!doctype html><style>{style}</style><body><script type="module">
{module}
const data = {data};
const line = {{stroke: "#0b72b9"}};
const options = {{width: 770, height: 320, scales: {{x: {{time: false}}}}, series: [{{}}, line, line]}};
const chart = new uPlot(options, data, document.body);
const [first, last] = [data[0][0], data[0].at(-1)];
window.zoomed = i => chart.setScale("x", i % 2 ? {{min: first, max: last}} : {{min: last * 0.2, max: last * 0.8}});
</script>"""


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, nargs="+", default=[1, 50, 1000])
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--points", type=int, default=2000)
    parser.add_argument("--frames", type=int, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        file = Path(folder) / "page.html"
        rows = [_report(count, options.evaluations, file, browser) for count in options.runs]
        head = ("runs", "written in (s)", "size (MB)", "table after (ms)", "run after (ms)")
        show(f"Reports of {options.evaluations} evaluations a run", head, rows)
        acts = ("page", "pointer (ms)", "smoothing (ms)", "zoom (ms)")
        title = f"Processor time a frame, {options.points} points a curve"
        show(title, acts, _interaction(options.points, options.frames, file, browser))
    show("Weight of the pages (KB)", ("part", "as it is", "gzipped"), _weights())


def _run(count: int) -> ShownRun:
    """Return a noisy run that overfits, judged."""
    noise = random.Random(1)
    observations = []
    for step in range(count):
        at = step / count
        fall = 2.0 * math.exp(-6.0 * at)
        val = fall + 0.3 + max(0.0, at - 0.4) + noise.gauss(0.0, 0.02)
        train = {"loss": fall + 0.05 + noise.gauss(0.0, 0.01)}
        observations.append(Observation(step=step, train=train, val={"loss": val}, learning_rate=0.1 * (1.0 - at)))
    return shown_run("run", Monitor().replay(observations), observations, tags={"train": "train", "val": "val"})


def _report(count: int, evaluations: int, file: Path, browser: Any) -> tuple[str, ...]:
    progress(f"a report of {count} runs")
    one = _run(evaluations)
    runs = [replace(one, name=f"run/{i:04d}") for i in range(count)]
    start = time.perf_counter()
    content = html.render(runs)
    written = time.perf_counter() - start
    file.write_text(content, encoding="utf-8")
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    table = _drawn(page, file.as_uri(), "table.runs tbody tr")
    run = _drawn(page, f"{file.as_uri()}?#run=run/0000", ".marker-strip")
    page.close()
    return str(count), f"{written:.2f}", f"{len(content) / 1e6:.2f}", f"{table:.0f}", f"{run:.0f}"


def _drawn(page: Any, address: str, part: str) -> float:
    """Return the milliseconds from opening the page until a part of it is there and a frame has been drawn."""
    page.goto(address, wait_until="commit")
    page.wait_for_selector(part, state="attached")
    return float(page.evaluate("new Promise(done => requestAnimationFrame(() => done(performance.now())))"))


def _interaction(points: int, frames: int, file: Path, browser: Any) -> list[tuple[str, ...]]:
    run = _run(points)
    rows = []
    contents = {"the view of a run, four plots": html.render([run]), "one uPlot chart alone": _bare(run)}
    for name, content in contents.items():
        progress(name)
        file.write_text(content, encoding="utf-8")
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.goto(f"{file.as_uri()}#run=run")
        page.wait_for_selector(".u-over")
        page.evaluate(DRIVE)
        session = page.context.new_cdp_session(page)
        session.send("Performance.enable", {"timeDomain": "threadTicks"})
        own = ("pointer", "smoothing", "zoom") if "run" in name else ("pointer", "zoom")
        cost = {act: _cost(page, session, act, frames) for act in own}
        rows.append((name, *(f"{cost[act]:.1f}" if act in cost else "-" for act in ("pointer", "smoothing", "zoom"))))
        page.close()
    return rows


def _cost(page: Any, session: Any, act: str, frames: int) -> float:
    before = _spent(session)
    page.evaluate("([act, frames]) => drive(act, frames)", [act, frames])
    return 1000.0 * (_spent(session) - before) / frames


def _spent(session: Any) -> float:
    metrics = session.send("Performance.getMetrics")["metrics"]
    return float(next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration"))


def _bare(run: ShownRun) -> str:
    module = (UPLOT / "uPlot.esm.js").read_text(encoding="utf-8").replace("export { uPlot as default };", "")
    curves = [run.curves.train.plain(), run.curves.val.plain()]
    data = [curves[0]["steps"], *(curve["values"] for curve in curves)]
    return BARE.format(style=(UPLOT / "uPlot.min.css").read_text(encoding="utf-8"), module=module, data=data)


def _weights() -> list[tuple[str, ...]]:
    parts = {
        "our modules": [*STATIC.glob("*.js")],
        "our styles": [*STATIC.glob("*.css")],
        "uPlot": [*UPLOT.glob("*.js"), *UPLOT.glob("*.css")],
    }
    sizes = {name: _sizes(paths) for name, paths in parts.items()}
    sizes["in all"] = (sum(plain for plain, _ in sizes.values()), sum(packed for _, packed in sizes.values()))
    return [(name, f"{plain / 1000:.0f}", f"{packed / 1000:.0f}") for name, (plain, packed) in sizes.items()]


def _sizes(paths: Sequence[Path]) -> tuple[int, int]:
    contents = [path.read_bytes() for path in paths]
    return sum(map(len, contents)), sum(len(gzip.compress(content)) for content in contents)


if __name__ == "__main__":
    main()
