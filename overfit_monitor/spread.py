"""The same work on many items, spread over the cores of this machine or over a cluster, in the order of the items."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar

from overfit_monitor.errors import UsageError, unknown_name

if TYPE_CHECKING:
    from multiprocessing.context import BaseContext

T = TypeVar("T")
R = TypeVar("R")

ENGINES: Final = ("processes", "ray", "dask")
WORTH_IT: Final = 48  # items from which on starting processes takes less time than it saves
_AHEAD: Final = 256  # items that a cluster is given before the first of them is back


def spread(
    function: Callable[[T], R],
    items: Sequence[T],
    *,
    jobs: int | None = 1,
    engine: str = "processes",
    died: Callable[[T], R],
) -> Iterator[R]:
    """Yield what a function makes of each item, in the order of the items, whoever is done first.

    Args:
        function: What is done; with more than one process it must be picklable, as must the items.
        items: What it is done with.
        jobs: Processes on this machine; None takes one for each core where there are enough items.
        engine: ``processes``, or ``ray`` or ``dask`` for a cluster that is reached through their own clients.
        died: What is yielded for an item whose process was killed; where that was one of a cluster, the item first
            gets a process of its own on this machine, since a cluster may blame the wrong one.

    Raises:
        UsageError: There is no such engine, its package is not installed, or ``jobs`` is not a number of processes.
    """
    if engine not in ENGINES:
        raise UsageError(unknown_name("engine", engine, ENGINES))
    if jobs is not None and jobs < 1:
        raise UsageError(f"jobs must be at least 1 but got {jobs}.")
    if engine != "processes":
        return {"ray": _ray, "dask": _dask}[engine](function, items, died)
    count = (_cores() if len(items) >= WORTH_IT else 1) if jobs is None else jobs
    count = min(count, len(items))
    return map(function, items) if count <= 1 else _processes(function, items, count, died)


def _processes(function: Callable[[T], R], items: Sequence[T], count: int, died: Callable[[T], R]) -> Iterator[R]:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    done = 0
    try:
        with ProcessPoolExecutor(count, mp_context=_context()) as pool:
            try:
                for result in pool.map(function, items, chunksize=max(1, min(32, len(items) // (4 * count)))):
                    done += 1
                    yield result
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
    except BrokenProcessPool:
        # Which item killed its process is not known, so each that is left gets a process of its own.
        for item in items[done:]:
            yield _alone(function, item, died)


def _alone(function: Callable[[T], R], item: T, died: Callable[[T], R]) -> R:
    from concurrent.futures import ProcessPoolExecutor
    from concurrent.futures.process import BrokenProcessPool

    try:
        with ProcessPoolExecutor(1, mp_context=_context()) as pool:
            return pool.submit(function, item).result()
    except BrokenProcessPool:
        return died(item)


def _context() -> BaseContext:
    """Return how processes are started: as copies where that is safe, which saves them all imports."""
    from multiprocessing import get_context

    copies = sys.platform == "linux" and threading.active_count() == 1
    return get_context("fork" if copies else "spawn")


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _ray(function: Callable[[T], R], items: Sequence[T], died: Callable[[T], R]) -> Iterator[R]:
    ray = _package("ray")
    if not ray.is_initialized():
        ray.init(include_dashboard=False, logging_level="ERROR")
    remote = ray.remote(max_retries=1)(_call)
    known = ray.exceptions
    lost = (known.WorkerCrashedError, known.OutOfMemoryError, known.NodeDiedError, known.ObjectLostError)
    return _in_order(partial(remote.remote, function), ray.get, items, lost, partial(_alone, function, died=died))


def _dask(function: Callable[[T], R], items: Sequence[T], died: Callable[[T], R]) -> Iterator[R]:
    distributed = _package("distributed", extra="dask")
    own = None
    try:
        client = distributed.get_client()
    except ValueError:
        client = own = distributed.Client(dashboard_address=None)
    try:
        submit: Callable[[T], Any] = partial(client.submit, function, pure=False)
        result: Callable[[Any], R] = client.gather
        yield from _in_order(submit, result, items, (distributed.KilledWorker,), partial(_alone, function, died=died))
    finally:
        if own is not None:
            own.close()


def _call(function: Callable[[T], R], item: T) -> R:
    return function(item)


def _in_order(
    submit: Callable[[T], Any],
    result: Callable[[Any], R],
    items: Sequence[T],
    lost: tuple[type[Exception], ...],
    again: Callable[[T], R],
) -> Iterator[R]:
    """Yield results in the order of the items, with no more under way than a cluster can have use for."""
    waiting: deque[tuple[T, Any]] = deque()

    def first() -> R:
        item, future = waiting.popleft()
        try:
            return result(future)
        except lost:
            return again(item)

    for item in items:
        if len(waiting) >= _AHEAD:
            yield first()
        waiting.append((item, submit(item)))
    while waiting:
        yield first()


def _package(name: str, *, extra: str = "") -> Any:
    try:
        return import_module(name)
    except ImportError:
        raise UsageError(f"this engine needs {name}: pip install 'overfit-monitor[{extra or name}]'.") from None
