"""The HTML report: one file with plots and advice of one or many runs, which opens from disk with no network."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from html import escape
from itertools import combinations
from typing import Any, Final

import numpy as np

from overfit_monitor import comparison
from overfit_monitor.reports.base import Unjudged, printable
from overfit_monitor.reports.bundle import bundle
from overfit_monitor.spread import spread
from overfit_monitor.view import payload
from overfit_monitor.view.payload import ShownRun
from overfit_monitor.view.series import plain, thin
from overfit_monitor.view.series import spread as spread_over

MOST_DETAILED: Final = 200
MOST_COMPARED: Final = 40
# Points of a curve in all runs together: a curve of 200 runs has 300 of them, which is what a chart shows of it.
_POINTS: Final = 60_000
_FEWEST, _MOST = 200, 2000
_OVERLAID: Final = 600
# What would end the script element, begin a comment in it, or a line in old parsers, as JSON escapes it.
_ESCAPED: Final = {ord(char): f"\\u{ord(char):04x}" for char in "<>&\u2028\u2029"}
_HEADS: Final = (
    "Run",
    "Verdict",
    "Severity",
    "Onset",
    "Best step",
    "Last step",
    "What was found",
    "First recommendation",
)


def render(
    runs: Iterable[ShownRun],
    *,
    errors: Sequence[Unjudged] = (),
    title: str = "Training runs",
    command: str | None = None,
    written: datetime | None = None,
    jobs: int | None = 1,
    progress: Callable[[int, int | None, str], None] | None = None,
) -> str:
    """Return the report as one HTML document.

    The table has every run. Curves, findings and advice are kept of the worst 200; of more than 30 runs the curves
    are thinned, so that a report stays below about 10 MB. Up to 40 runs can be compared with each other.

    Args:
        runs: The runs, as `overfit_monitor.view.payload.shown_from_run` returns them.
        errors: What could not be read or judged; it is listed above the table.
        title: Heading of the report.
        command: The command that wrote it, None to leave it out.
        written: When it was written, None for now.
        jobs: Processes that prepare the plots; None takes one for each core where there are many runs.
        progress: Called after each run with the number of runs whose plots are ready, their number, and its name.

    Example:
        >>> page = render([], title="None yet")
        >>> page.startswith("<!doctype html>")
        True
    """
    shown = list(runs)
    when = written or datetime.now().astimezone()
    overview = payload.overview(shown)
    kept = [row["run"] for row in overview["runs"][:MOST_DETAILED]]
    by_name = {run.name: run for run in shown}
    most = min(_MOST, max(_FEWEST, _POINTS // max(len(kept), 1)))
    data = {
        "schema_version": 1,
        "title": title,
        "written": when.isoformat(timespec="seconds"),
        "command": command,
        "overview": overview,
        "runs": _details([by_name[name] for name in kept], most, jobs, progress),
        "left_out": [row["run"] for row in overview["runs"][MOST_DETAILED:]],
        "compare": _compared([by_name[name] for name in kept[:MOST_COMPARED]], min(most, _OVERLAID)),
    }
    return _document(data, errors, when)


def as_script(data: Mapping[str, Any]) -> str:
    """Return data as JSON that may stand in a script element, whatever the texts in it are."""
    text = json.dumps(data, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.translate(_ESCAPED)


def _details(
    runs: Sequence[ShownRun], most: int, jobs: int | None, progress: Callable[[int, int | None, str], None] | None
) -> dict[str, dict[str, Any]]:
    """Return what is shown of each run, by its name."""
    detailed = partial(_detailed, most=most)
    found: dict[str, dict[str, Any]] = {}
    for run, details in zip(runs, spread(detailed, runs, jobs=jobs, died=detailed), strict=True):
        found[run.name] = details
        if progress is not None:
            progress(len(found), len(runs), run.name)
    return found


def _detailed(run: ShownRun, most: int) -> dict[str, Any]:
    return _lighter(payload.details(run), most)


def _compared(runs: Sequence[ShownRun], most: int) -> dict[str, Any]:
    """Return the comparison of the runs, with every pair of them rather than each with the best alone."""
    content: dict[str, Any] = payload.compare(runs) if runs else {"schema_version": 1, "runs": []}
    measured = {run.name: run.measured for run in runs}
    for row in content["runs"]:
        row["series"] = {split: _thinned(curve, most) for split, curve in row["series"].items()}
    pairs = [
        {"base": base, "other": other} | plain(comparison.compare([measured[base]], [measured[other]]).model_dump())
        for base, other in combinations([row["run"] for row in content["runs"]], 2)
    ]
    return content | {"comparisons": pairs}


def _lighter(detail: dict[str, Any], most: int) -> dict[str, Any]:
    """Return the details of a run with at most so many points a curve."""
    series = {name: _thinned(curve, most) for name, curve in detail["series"].items()}
    parts = {name: _thinned(detail[name], most) for name in ("band", "limit", "test")}
    return detail | {"series": series} | parts


def _thinned(columns: dict[str, Any] | None, most: int) -> dict[str, Any] | None:
    if columns is None or len(columns["steps"]) <= most:
        return columns
    n = len(columns["steps"])
    values = columns.get("values")
    places = spread_over(n, most) if values is None else thin(np.array(values, dtype=np.float64), most)
    return {
        name: [column[i] for i in places] if isinstance(column, list) else column for name, column in columns.items()
    }


def _document(data: Mapping[str, Any], errors: Sequence[Unjudged], when: datetime) -> str:
    parts = bundle()
    rows: Sequence[Mapping[str, Any]] = data["overview"]["runs"]
    head = [
        "<!doctype html>",
        '<html lang="en">',
        "<head>",
        '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(parts.policy)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta name="generator" content="overfit-monitor">',
        '<link rel="icon" href="data:,">',
        f"<title>{_text(data['title'])}</title>",
        f"<style>{parts.style}</style>",
        f'<script type="importmap">{parts.import_map}</script>',
        "</head>",
    ]
    body = [
        "<body>",
        '<div class="report-notes">',
        *_unread(errors),
        *_left_out(data["left_out"]),
        '<p id="failed" class="notice" hidden>This browser cannot show the plots: it takes one of 2024 or later.</p>',
        "</div>",
        "<noscript>",
        *_heading(data, when),
        *_table(rows),
        "</noscript>",
        f'<script type="application/json" id="overfit-monitor-data">{as_script(data)}</script>',
        f"<script>{parts.boot}</script>",
        "</body>",
        "</html>",
    ]
    return "\n".join((*head, *body)) + "\n"


def _heading(data: Mapping[str, Any], when: datetime) -> list[str]:
    command = f"<code>{_text(data['command'])}</code>" if data["command"] else ""
    count = len(data["overview"]["runs"])
    about = f"{count} {'run' if count == 1 else 'runs'}, judged {when:%Y-%m-%d %H:%M} by overfit-monitor"
    return [
        f"<h1>{_text(data['title'])}</h1>",
        f"<p>{about} {command}</p>",
    ]


def _unread(errors: Sequence[Unjudged]) -> list[str]:
    if not errors:
        return []
    items = [f"<li><code>{_text(error.source)}</code> {_text(error.message)}</li>" for error in errors]
    count = f"{len(errors)} {'thing' if len(errors) == 1 else 'things'} could not be judged"
    return ['<details class="notice unread">', f"<summary>{count}</summary>", "<ul>", *items, "</ul>", "</details>"]


def _left_out(names: Sequence[str]) -> list[str]:
    if not names:
        return []
    told = f"The table has all runs; curves and advice are kept of the {MOST_DETAILED} worst, to keep the file small. "
    return [f'<p class="notice">{told}{len(names)} more can be seen by a report of them alone.</p>']


def _table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the verdicts as a plain table, for whoever reads without scripts."""
    head = "".join(f'<th scope="col">{name}</th>' for name in _HEADS)
    names = ("run", "verdict", "severity", "onset_step", "best_step", "last_step", "message", "recommendation")
    lines = ["<tr>" + "".join(f"<td>{_text(row[name])}</td>" for name in names) + "</tr>" for row in rows]
    return [
        "<p>Scripts are switched off, so there are no plots and no advice in full.</p>",
        '<div class="scroll"><table class="runs">',
        f"<thead><tr>{head}</tr></thead>",
        "<tbody>",
        *lines,
        "</tbody>",
        "</table></div>",
    ]


def _text(value: object) -> str:
    return escape(printable("" if value is None else str(value)))
