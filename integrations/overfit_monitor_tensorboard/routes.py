"""The tab's HTTP routes: arguments checked, answers in JSON, static files from a fixed list."""

from __future__ import annotations

import json
import logging
import math
import re
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from werkzeug import wrappers

from overfit_monitor_tensorboard.names import SCALARS

logger = logging.getLogger(__name__)

_JSON = "application/json"
_METHODS = ("GET", "HEAD")
# Nothing else is served, whatever else lies in the folder.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": _JSON,
}
_LONGEST = 4096
_LONGEST_WAIT = 30.0
_LARGEST = 2**63
_SHOWN = 40
_FEWEST_COMPARED = 2
_AHEAD = 1.5  # seconds after TensorBoard's start

App = Callable[..., Any]


def static_apps() -> dict[str, App]:
    """Return a route for each file of the frontend; no path in a request is ever opened."""
    folder = _frontend()
    return {} if folder is None else {route: _static(file) for route, file in _listing(folder, "")}


def data_apps(context: Any) -> dict[str, App]:
    """Return the routes that give data.

    Args:
        context: TensorBoard's context of the plugin.
    """
    service = _Service(context)
    service.judge_ahead()
    answers = {"/runs": service.runs, "/run": service.run, "/series": service.series, "/compare": service.compare}
    return {route: _data(answer) for route, answer in answers.items()} | {"/export": _data(service.export)}


class _Service:
    """Holds the backend, made at the first request so that TensorBoard starts without it."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._backend: Any = None
        self._lock = threading.Lock()

    def judge_ahead(self) -> None:
        """Have what is there judged once TensorBoard has started, so that the first visit finds verdicts."""
        timer = threading.Timer(_AHEAD, self._judge_ahead)
        timer.daemon = True
        timer.start()

    def runs(self, request: Any, ctx: Any, experiment: str) -> Any:
        """Answer ``/runs``.

        With ``since=TOKEN`` only what changed after the answer with that token; with ``wait=SECONDS`` the answer waits
        that long for runs that are being judged.
        """
        since, wait = _argument(request, "since"), _number(request, "wait", least=0.0, most=_LONGEST_WAIT)
        options = {} if wait is None else {"wait": wait}
        return self._ready().runs(ctx, experiment, since=since, **options)

    def run(self, request: Any, ctx: Any, experiment: str) -> Any:
        """Answer ``/run?run=NAME``.

        With ``val``, ``train`` and ``mode`` those curves are compared instead of the chosen ones;
        with ``exact=true`` the event files are read instead of TensorBoard's sample of them.
        """
        return self._ready().run(ctx, experiment, _name(request), _wish(request))

    def series(self, request: Any, ctx: Any, experiment: str) -> Any:
        """Answer ``/series?run=NAME&from=STEP&to=STEP``, with the same wishes as ``/run``."""
        part = tuple(_number(request, end, whole=True) for end in ("from", "to"))
        if None not in part and part[0] > part[1]:
            raise errors.InvalidArgumentError(f"from: must not be after to, {part[1]}, but is {part[0]}")
        return self._ready().series(ctx, experiment, _name(request), _wish(request), part)

    def compare(self, request: Any, ctx: Any, experiment: str) -> Any:
        """Answer ``/compare?run=NAME&run=NAME``."""
        names = list(dict.fromkeys(request.args.getlist("run")))
        for name in names:
            _checked("run", name)
        if len(names) < _FEWEST_COMPARED:
            raise errors.InvalidArgumentError("run: the names of at least two runs are needed")
        return self._ready().compare(ctx, experiment, names)

    def export(self, request: Any, ctx: Any, experiment: str) -> Any:
        """Answer ``/export?run=NAME&format=json|csv`` with a file; without a run with the table of runs."""
        name, form = _argument(request, "run"), _one_of(request, "format", ("json", "csv"))
        backend = self._ready()
        from overfit_monitor_tensorboard.export import export_rows, export_run, file_name

        kind: Literal["json", "csv"] = "csv" if form == "csv" else "json"
        if name is None:
            rows = backend.runs(ctx, experiment, wait=_LONGEST_WAIT)["runs"]
            content = export_rows(rows, kind)
        else:
            content = export_run(backend.shown(ctx, experiment, [name], _wish(request))[0], kind)
        disposition = f'attachment; filename="{file_name("runs" if name is None else name, kind)}"'
        headers = [("Content-Disposition", disposition)]
        return http_util.Respond(request, content, _JSON if kind == "json" else "text/csv", headers=headers)

    def _ready(self) -> Any:
        with self._lock:
            if self._backend is None:
                from overfit_monitor_tensorboard.backend import DEFAULT_SAMPLES, Backend

                samples = (self._context.sampling_hints or {}).get(SCALARS, DEFAULT_SAMPLES)
                logdir = Path(self._context.logdir).expanduser() if self._context.logdir else None
                self._backend = Backend(self._context.data_provider, samples=samples, logdir=logdir)
            return self._backend

    def _judge_ahead(self) -> None:
        try:
            self._ready().judge_ahead()
        except Exception:  # whoever opens the tab is told
            logger.debug("overfit-monitor is not ready", exc_info=True)


def _data(answer: Callable[..., Any]) -> App:
    @wrappers.Request.application
    def app(request: Any) -> Any:
        if request.method not in _METHODS:
            return _refused(request)
        ctx, experiment = plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)
        try:
            content = answer(request, ctx, experiment)
            text = json.dumps(content, allow_nan=False) if isinstance(content, dict) else None
        except errors.PublicError as error:
            return _failed(request, str(error), error.http_code)
        except Exception as error:
            logger.exception("overfit-monitor could not answer %s", request.path)
            return _failed(request, f"overfit-monitor could not answer: {type(error).__name__}: {error}", 500)
        return content if text is None else http_util.Respond(request, text, _JSON)

    return app


def _failed(request: Any, reason: str, code: int, **headers: str) -> Any:
    text = json.dumps({"error": " ".join(reason.split())})
    return http_util.Respond(request, text, _JSON, code=code, headers=list(headers.items()))


def _refused(request: Any) -> Any:
    reason = f"method: must be GET or HEAD but is {_short(request.method)!r}"
    return _failed(request, reason, HTTPStatus.METHOD_NOT_ALLOWED, Allow=", ".join(_METHODS))


def _name(request: Any) -> str:
    name = _argument(request, "run")
    if name is None:
        raise errors.InvalidArgumentError("run: the name of a run is needed")
    return name


def _wish(request: Any) -> Any:
    val, train = (_argument(request, argument) for argument in ("val", "train"))
    mode = _one_of(request, "mode", ("min", "max"))
    exact = _one_of(request, "exact", ("true", "false")) == "true"
    if val is None and (train or mode):
        raise errors.InvalidArgumentError("val: the name of a curve is needed where train or mode is given")
    from overfit_monitor.readers.pairing import Names
    from overfit_monitor_tensorboard.backend import Wish

    return Wish(None if val is None else Names(val=val, train=train), mode, exact)


def _number(request: Any, name: str, *, least: float = -math.inf, most: float = math.inf, whole: bool = False) -> Any:
    text = _argument(request, name)
    if text is None:
        return None
    value = math.nan
    with suppress(ValueError):
        if text.isascii() and not re.search(r"[\s_]", text):  # which Python would take
            value = int(text) if whole else float(text)
    if not least <= value <= most or abs(value) > _LARGEST:
        limits = f" from {least:g} to {most:g}" if math.isfinite(least) else ""
        raise errors.InvalidArgumentError(
            f"{name}: must be a {'whole ' if whole else ''}number{limits} but is {_short(text)!r}"
        )
    return value


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _argument(request: Any, name: str) -> str | None:
    values = request.args.getlist(name)
    if not values:
        return None
    if len(values) > 1:
        raise errors.InvalidArgumentError(f"{name}: given {len(values)} times")
    return _checked(name, values[0])


def _checked(name: str, value: str) -> str:
    if not value or len(value) > _LONGEST:
        raise errors.InvalidArgumentError(f"{name}: must have 1 to {_LONGEST} characters but has {len(value)}")
    return value


def _one_of(request: Any, name: str, known: tuple[str, str]) -> str | None:
    value = _argument(request, name)
    if value not in (None, *known):
        raise errors.InvalidArgumentError(
            f"{name}: must be {known[0]!r} or {known[1]!r} but is {_short(value or '')!r}"
        )
    return value


def _frontend() -> Path | None:
    """Return the folder of the frontend, found without importing the engine; None where it is not installed."""
    with suppress(ImportError, ValueError):
        found = find_spec("overfit_monitor")
        for place in (found.submodule_search_locations if found is not None else None) or ():
            folder = Path(place, "view", "static")
            if folder.is_dir():
                return folder
    return None


def _listing(folder: Path, prefix: str) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        route = f"{prefix}/{entry.name}"
        if entry.is_dir():
            found += _listing(entry, route)
        elif _type_of(entry.name) is not None:
            found.append((route, entry))
    return found


def _type_of(name: str) -> str | None:
    return next((kind for suffix, kind in _TYPES.items() if name.endswith(suffix)), None)


def _static(file: Path) -> App:
    @wrappers.Request.application
    def app(request: Any) -> Any:
        if request.method not in _METHODS:
            return _refused(request)
        return http_util.Respond(request, file.read_bytes(), _type_of(file.name))

    return app
