"""The tab's HTTP routes: arguments checked, answers in JSON, static files from a fixed list."""

from __future__ import annotations

import logging
from collections.abc import Callable
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from tensorboard import errors, plugin_util
from tensorboard.backend import http_util
from werkzeug import wrappers

from overfit_monitor_tensorboard.names import SCALARS

logger = logging.getLogger(__name__)

_JSON = "application/json"
# Nothing else is served, whatever else lies in the folder.
_TYPES = {
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": _JSON,
}
_LONGEST = 4096

App = Callable[..., Any]


def static_apps() -> dict[str, App]:
    """Return a route for each file of the frontend; no path in a request is ever opened."""
    return {route: _static(file) for route, file in _listing(files("overfit_monitor.view") / "static", "")}


def data_apps(context: Any) -> dict[str, App]:
    """Return the routes that give data.

    Args:
        context: TensorBoard's context of the plugin.
    """
    service = _Service(context)
    return {"/runs": _data(service.runs), "/run": _data(service.run)}


class _Service:
    """Holds the backend, made at the first request so that TensorBoard starts without it."""

    def __init__(self, context: Any) -> None:
        self._context = context
        self._backend: Any = None

    def runs(self, _request: Any, ctx: Any, experiment: str) -> dict[str, Any]:
        """Answer ``/runs``."""
        return self._ready().runs(ctx, experiment)  # type: ignore[no-any-return]

    def run(self, request: Any, ctx: Any, experiment: str) -> dict[str, Any]:
        """Answer ``/run?run=NAME``.

        With ``val``, ``train`` and ``mode`` those curves are compared instead of the chosen ones;
        with ``exact=true`` the event files are read instead of TensorBoard's sample of them.
        """
        name, val, train = (_argument(request, argument) for argument in ("run", "val", "train"))
        mode = _one_of(request, "mode", ("min", "max"))
        exact = _one_of(request, "exact", ("true", "false")) == "true"
        if name is None:
            raise errors.InvalidArgumentError("run: the name of a run is needed")
        if val is None and (train or mode):
            raise errors.InvalidArgumentError("val: the name of a curve is needed where train or mode is given")
        backend = self._ready()
        from overfit_monitor.readers.pairing import Names
        from overfit_monitor_tensorboard.backend import Wish

        wish = Wish(None if val is None else Names(val=val, train=train), mode)
        answer = backend.exact if exact else backend.run
        return answer(ctx, experiment, name, wish)  # type: ignore[no-any-return]

    def _ready(self) -> Any:
        if self._backend is None:
            from overfit_monitor_tensorboard.backend import DEFAULT_SAMPLES, Backend

            samples = (self._context.sampling_hints or {}).get(SCALARS, DEFAULT_SAMPLES)
            logdir = Path(self._context.logdir).expanduser() if self._context.logdir else None
            self._backend = Backend(self._context.data_provider, samples=samples, logdir=logdir)
        return self._backend


def _data(answer: Callable[..., dict[str, Any]]) -> App:
    @wrappers.Request.application
    def app(request: Any) -> Any:
        ctx, experiment = plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)
        try:
            content = answer(request, ctx, experiment)
        except errors.PublicError:
            raise
        except Exception as error:
            logger.exception("overfit-monitor could not answer %s", request.path)
            raise errors.PublicError(f"overfit-monitor could not answer: {type(error).__name__}: {error}") from error
        return http_util.Respond(request, content, _JSON)

    return app


def _argument(request: Any, name: str) -> str | None:
    values = request.args.getlist(name)
    if not values:
        return None
    if len(values) > 1:
        raise errors.InvalidArgumentError(f"{name}: given {len(values)} times")
    if not values[0] or len(values[0]) > _LONGEST:
        raise errors.InvalidArgumentError(f"{name}: must have 1 to {_LONGEST} characters but has {len(values[0])}")
    return str(values[0])


def _one_of(request: Any, name: str, known: tuple[str, str]) -> str | None:
    value = _argument(request, name)
    if value not in (None, *known):
        raise errors.InvalidArgumentError(f"{name}: must be {known[0]!r} or {known[1]!r} but is {value!r}")
    return value


def _listing(folder: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for entry in sorted(folder.iterdir(), key=lambda item: item.name):
        route = f"{prefix}/{entry.name}"
        if entry.is_dir():
            found += _listing(entry, route)
        elif _type_of(entry.name) is not None:
            found.append((route, entry))
    return found


def _type_of(name: str) -> str | None:
    return next((kind for suffix, kind in _TYPES.items() if name.endswith(suffix)), None)


def _static(file: Traversable) -> App:
    @wrappers.Request.application
    def app(request: Any) -> Any:
        return http_util.Respond(request, file.read_bytes(), _type_of(file.name))

    return app
