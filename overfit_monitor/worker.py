"""Calls that may hang, made where a hang costs training a few seconds, once, and not its life."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, Final, TypeVar, final

T = TypeVar("T")

SECONDS: Final = 10.0


@final
class Worker:
    """Makes calls one after another in a thread of its own and waits for each, but only so long.

    A write to a dead network disk blocks in the operating system, where no exception and no signal handler reaches it.
    Here the caller goes on after a while and the thread is left behind. Until then it is a plain call: it returns
    what was returned and raises what was raised.

    Args:
        seconds: Longest wait for one call.

    Example:
        >>> Worker().run(lambda: 6 * 7)
        42
    """

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self.seconds = seconds
        self._process = os.getpid()
        self._calls: SimpleQueue[_Call | None] | None = None

    @property
    def forked(self) -> bool:
        """Whether this is a copy in a child process, where the thread is not."""
        return os.getpid() != self._process

    def run(self, call: Callable[[], T]) -> T:
        """Return what the call returns.

        Raises:
            TimeoutError: It did not return in time; it may still do so.
            RuntimeError: This process was forked from the one in which the worker was made.
            Exception: What the call raised.
        """
        if self.forked:
            raise RuntimeError("it belongs to the process from which this one was forked")
        if self._calls is None:
            self._calls = SimpleQueue()
            threading.Thread(target=_work, args=(self._calls,), name="overfit-monitor", daemon=True).start()
        task = _Call(call)
        self._calls.put(task)
        if not task.done.wait(self.seconds):
            raise TimeoutError(f"no answer in {self.seconds:g} seconds")
        if task.error is not None:
            raise task.error
        return task.value  # type: ignore[no-any-return]  # what `call` returned

    def close(self) -> None:
        """Let the thread end when it has done what it was given; closing twice is fine."""
        if self._calls is not None and not self.forked:
            self._calls.put(None)
        self._calls = None


class _Call:
    __slots__ = ("call", "done", "error", "value")

    def __init__(self, call: Callable[[], Any]) -> None:
        self.call = call
        self.done = threading.Event()
        self.error: BaseException | None = None
        self.value: Any = None


def _work(calls: SimpleQueue[_Call | None]) -> None:
    while (task := calls.get()) is not None:
        try:
            task.value = task.call()
        except BaseException as error:  # noqa: BLE001 - it is raised again where it was called from
            task.error = error
        task.done.set()
        del task
