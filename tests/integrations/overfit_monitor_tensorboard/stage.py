"""The pages without TensorBoard: their files and answers made by hand, served in a thread of the test.

For what depends on the answers alone: a thousand runs, errors, odd values, news. What depends on
TensorBoard is tested in front of the real one.
"""

from __future__ import annotations

import json
import math
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# As TensorBoard sends it.
POLICY = (
    "default-src 'self'; font-src 'self' data:; frame-src 'self'; img-src 'self' data: blob:; object-src 'none'; "
    "style-src 'self' data: 'unsafe-inline'; connect-src 'self'; script-src 'self' 'unsafe-eval'"
)
PAGE = (
    '<!doctype html><html lang="en"><meta charset="utf-8"><link rel="icon" href="data:,"><title>stage</title>'
    '<body><script type="module" src="boot.js"></script>'
)
BOOT = 'import("./index.js").then(module => module.render());'
TYPES = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
EVALUATIONS = 60


def curves(kind: str, seed: int, count: int = EVALUATIONS) -> tuple[list[float | None], list[float | None]]:
    """Return train and validation values of a run that goes as its kind says."""
    noise = random.Random(seed)
    turn = 12 + seed % 11
    train: list[float | None] = []
    val: list[float | None] = []
    for i in range(count):
        at = i * EVALUATIONS / count
        fall = 2.1 * math.exp(-at / (7 + seed % 5))
        level = {"underfitting": 0.9}.get(kind, 0.35)
        rise = (0.006 + 0.002 * (seed % 5)) * max(0.0, at - turn) if kind == "overfitting" else 0.0
        train.append(fall + (level - 0.05 if kind == "underfitting" else 0.06) + abs(noise.gauss(0, 0.008)))
        val.append(fall + level + rise + noise.gauss(0, 0.015))
    if kind == "diverging":
        for i in range(count * 2 // 3, count):
            train[i] = val[i] = None if i > count * 5 // 6 else 2.0 + 0.4 * (i - count * 2 // 3)
    return train, val


def row(name: str, kind: str, seed: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a row of the table as the view's contract has it."""
    train, val = curves(kind, seed)
    known = [value for value in val if value is not None]
    best = min(known)
    bad = kind in {"overfitting", "diverging"}
    wide = {"train": "loss/train", "val": "loss/val"}
    return {
        "run": name,
        "version": f"{kind} {seed}",
        "verdict": kind,
        "severity": {"overfitting": "error", "diverging": "error", "underfitting": "warning"}.get(kind),
        "onset_step": 12 + seed % 11 if bad else None,
        "alarm_step": 20 + seed % 11 if bad else None,
        "best_step": None if kind == "inconclusive" else val.index(best),
        "stop_step": 24 + seed % 11 if bad else None,
        "last_step": EVALUATIONS - 1,
        "evaluations": EVALUATIONS,
        "metrics": {"train": "loss", "val": None if kind == "inconclusive" else "loss", "mode": "min", "also": {}},
        "train_tag": wide["train"],
        "val_tag": None if kind == "inconclusive" else wide["val"],
        "best_value": None if kind == "inconclusive" else best,
        "last_value": None if kind == "inconclusive" else val[-1],
        "loss_lost": None if kind == "inconclusive" or val[-1] is None else val[-1] / best - 1,
        "noise": None if kind == "inconclusive" else 0.015 / best,
        "recommendation": {
            "overfitting": f"Stop early: patience {4 + seed % 6}, best weights restored",
            "underfitting": "Train longer: 120 epochs",
            "diverging": "Lower the learning rate to 0.0003",
        }.get(kind),
        "message": {
            "overfitting": f"validation is {best:.2f} worse than its best and has been since step {12 + seed % 11}",
            "diverging": "10 evaluations were NaN or infinite, the first at step 51",
            "underfitting": "train and validation are both still falling",
        }.get(kind),
        "cannot_judge": "no validation metric is among the tags: loss/train" if kind == "inconclusive" else None,
        "sampled": False,
        "sparkline": [] if kind == "inconclusive" else val,
        "sparkline_train": train,
        "alerts": int(bad),
        "last_time": 1.7e9 + EVALUATIONS,
        "seed": seed,
    } | changes


def compared(rows: list[dict[str, Any]], applied: dict[str, list[dict[str, Any]]] | None = None) -> dict[str, Any]:
    """Return the answer to `compare` for these rows."""
    ordered = sorted(rows, key=lambda item: item["best_value"] or math.inf)
    runs = []
    for item in ordered:
        train, val = curves(item["verdict"], item["seed"])
        steps = list(range(EVALUATIONS))
        times = [1.7e9 + 30.0 * step for step in steps]
        known = [(a, b) for a, b in zip(train, val, strict=True)] if item["val_tag"] else []
        gap = [None if a is None or b is None else b - a for a, b in known]
        both = {"train": train, "val": val if item["val_tag"] else [], "gap": gap}
        series = {
            name: {"steps": steps[: len(values)], "values": values, "times": times[: len(values)]}
            for name, values in both.items()
        }
        runs.append(item | {"series": series, "applied": (applied or {}).get(item["run"], [])})
    pairs = []
    for i, base in enumerate(ordered):
        for other in ordered[i + 1 :]:
            if other["best_value"] is None:
                pair = {"difference": None, "relative": None, "standard_error": None, "sure": None}
                reason = f"{other['run']} has no validation metric"
            else:
                difference = other["best_value"] - base["best_value"]
                pair = {"difference": difference, "relative": difference / base["best_value"], "standard_error": 0.006}
                pair["sure"] = difference > 0.012
                reason = f"worse by {difference:.3g}; the best levels of 60 evaluations each are compared"
            pairs.append({"base": base["run"], "other": other["run"], **pair, "reason": reason})
    return {"schema_version": 1, "runs": runs, "comparisons": pairs}


@dataclass
class Stage:
    """The pages on a server of their own; its answers can be changed while it runs.

    Attributes:
        rows: The table, by name.
        details: Answers to `run`, by name.
        applied: What was changed in a training, by name of the run.
        failing: Status and text by the name of a route that is to fail.
        asked: Every data request so far: route and query.
        address: Where the page is.
    """

    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    details: dict[str, dict[str, Any]] = field(default_factory=dict)
    applied: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    failing: dict[str, tuple[int, str]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list)
    address: str = ""
    _history: list[dict[str, str]] = field(default_factory=list)

    def show(self, *rows: dict[str, Any]) -> None:
        """Have these rows in the table and no others."""
        self.rows = {item["run"]: item for item in rows}

    def change(self, name: str, **changes: Any) -> None:
        """Change a row as new data would."""
        self.rows[name] = self.rows[name] | {"version": f"{self.rows[name]['version']} +"} | changes

    def answer(self, route: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        """Return status and content of a data route."""
        self.asked.append((route, query))
        if route in self.failing:
            return self.failing[route]
        if route == "runs":
            return 200, self._overview(query.get("since", [None])[0])
        names = query.get("run", [])
        missing = next((name for name in names if name not in self.rows), None)
        if missing is not None:
            return 404, f"no run {missing!r} with scalars"
        if route == "compare":
            return 200, compared([self.rows[name] for name in names], self.applied)
        if names[0] in self.details:
            return 200, self.details[names[0]]
        return 404, f"nothing is known of {names[0]!r}"

    def _overview(self, since: str | None) -> dict[str, Any]:
        versions = {name: item["version"] for name, item in self.rows.items()}
        before = self._history[int(since)] if since is not None else {}
        self._history.append(versions)
        changed = [item for name, item in self.rows.items() if before.get(name) != item["version"]]
        return {
            "schema_version": 1,
            "token": str(len(self._history) - 1),
            "complete": since is None,
            "runs": changed,
            "pending": sum(item.get("pending", False) for item in self.rows.values()),
            "removed": [name for name in before if name not in versions],
        }


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, stage: Stage, *arguments: Any) -> None:
        self._stage = stage
        super().__init__(*arguments)

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        path = unquote(asked.path).lstrip("/")
        kind = path.rpartition(".")[2]
        if path in {"runs", "run", "series", "compare"}:
            status, content = self._stage.answer(path, parse_qs(asked.query))
            text = content if isinstance(content, str) else json.dumps(content)
            self._send(status, "text/plain" if isinstance(content, str) else "application/json", text.encode())
        elif path == "index.html":
            self._send(200, "text/html", PAGE.encode())
        elif path == "boot.js":
            self._send(200, "text/javascript", BOOT.encode())
        elif kind in TYPES and ".." not in path:
            self._send(200, TYPES[kind], (files("overfit_monitor.view") / "static" / path).read_bytes())
        else:
            self._send(404, "text/plain", b"not found")

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Security-Policy", POLICY)
        with suppress(ConnectionError):  # a page that was closed meanwhile
            self.end_headers()
            self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """Pass over what a page that was closed leaves; tests see the pages' own errors in the browser."""


@contextmanager
def staged() -> Iterator[Stage]:
    """Serve the pages on a free port."""
    stage = Stage()
    server = _Server(("127.0.0.1", 0), partial(_Handler, stage))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    stage.address = f"http://localhost:{server.server_address[1]}/index.html"
    try:
        yield stage
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
