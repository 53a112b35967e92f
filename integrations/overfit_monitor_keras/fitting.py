"""The call of ``fit`` as seen from outside: its arguments, and how it ended.

Keras calls no callback when ``fit`` is left by an exception or by Ctrl-C, and
tells callbacks nothing of the data. Both are known only around the call itself.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import keras

_MARK = "_overfit_monitor_watched"


@dataclass(slots=True)
class FitCall:
    """One running call of ``fit``.

    Attributes:
        model: The model that is fitted.
        arguments: Arguments of the call by name.
        on_failure: Called when an exception leaves the call, before the caller of ``fit`` sees it.
    """

    model: Any
    arguments: dict[str, Any]
    on_failure: list[Callable[[], None]] = field(default_factory=list)


_running: ContextVar[FitCall | None] = ContextVar("overfit_monitor_keras_fit", default=None)


def running_fit(model: object) -> FitCall | None:
    """Return the innermost running call of ``fit`` if it is this model's, None otherwise."""
    call = _running.get()
    return call if call is not None and call.model is model else None


def install() -> None:
    """Put the wrapper around ``keras.Model.fit``; a second time does nothing."""
    if not hasattr(keras.Model.fit, _MARK):
        keras.Model.fit = _watched(keras.Model.fit)


def _watched(fit: Callable[..., Any]) -> Callable[..., Any]:
    signature = inspect.signature(fit)

    @functools.wraps(fit)
    def watched_fit(self: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        try:
            arguments = dict(signature.bind(self, *args, **kwargs).arguments)
        except TypeError:
            return fit(self, *args, **kwargs)  # Keras words the error of a wrong call
        call = FitCall(self, arguments)
        token = _running.set(call)
        try:
            return fit(self, *args, **kwargs)
        except BaseException as error:
            _tell(call, error)
            raise
        finally:
            _running.reset(token)

    setattr(watched_fit, _MARK, True)
    return watched_fit


def _tell(call: FitCall, error: BaseException) -> None:
    for handle in call.on_failure:
        try:
            handle()
        except Exception as ours:  # noqa: BLE001 - the user's own exception must get through
            error.add_note(f"overfit-monitor: while ending the fit: {type(ours).__name__}: {ours}")
