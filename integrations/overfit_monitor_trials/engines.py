"""Runs trainings on this machine or on a cluster, through engines that exist."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Any, Final, Literal, NamedTuple

from overfit_monitor.errors import UsageError, unknown_name

Engine = Literal["joblib", "serial", "ray", "dask"]
ENGINES: Final = ("joblib", "serial", "ray", "dask")
LONGEST_ERROR: Final = 2000


class Outcome(NamedTuple):
    """What became of one job.

    Attributes:
        job: Its number.
        value: What it returned, None where it failed.
        error: Why it failed, empty where it did not.
    """

    job: int
    value: Any
    error: str = ""


Job = Callable[[], Any]


def run(
    jobs: Sequence[Job], *, engine: str = "joblib", n_jobs: int | None = None, client: Any = None
) -> Iterator[Outcome]:
    """Run jobs and yield what became of each as soon as it is done, in any order.

    A job that raises, and one whose worker died, yields its error; the others go on.

    Args:
        jobs: Functions without arguments; with another engine than ``serial`` they must be picklable by cloudpickle.
        engine: ``joblib`` for processes on this machine, ``serial`` for this process, ``ray`` or ``dask`` for a
            cluster that is reached through their own clients.
        n_jobs: Processes of joblib; None takes one for each core.
        client: A ``distributed.Client`` for dask, None takes the current one or starts one on this machine. Ray uses
            the cluster it was initialized for, or starts one on this machine.

    Raises:
        UsageError: There is no such engine, or its package is not installed.
    """
    if engine not in ENGINES:
        raise UsageError(unknown_name("engine", engine, ENGINES))
    if not jobs:
        return iter(())
    if engine == "serial" or (engine == "joblib" and len(jobs) == 1):
        return (_attempt(i, job) for i, job in enumerate(jobs))
    return {"joblib": _joblib, "ray": _ray, "dask": _dask}[engine](jobs, n_jobs, client)


def _attempt(index: int, job: Job) -> Outcome:
    try:
        return Outcome(index, job())
    except Exception as error:  # noqa: BLE001 - one failing training must not lose the others
        shown = "".join(traceback.format_exception_only(error)).strip()
        return Outcome(index, None, shown[:LONGEST_ERROR])


def _joblib(jobs: Sequence[Job], n_jobs: int | None, _client: Any) -> Iterator[Outcome]:
    joblib = _package("joblib")
    done: set[int] = set()
    try:
        pool = joblib.Parallel(n_jobs=n_jobs or -1, return_as="generator_unordered")
        for outcome in pool(joblib.delayed(_attempt)(i, job) for i, job in enumerate(jobs)):
            done.add(outcome.job)
            yield outcome
    except joblib.externals.loky.process_executor.BrokenProcessPool:
        # Which job killed its worker is not known, so each that is left gets a process of its own.
        for i, job in enumerate(jobs):
            if i not in done:
                yield _alone(joblib, i, job)


def _alone(joblib: Any, index: int, job: Job) -> Outcome:
    try:
        found = joblib.Parallel(n_jobs=2)(joblib.delayed(_attempt)(i, job) for i in (index,))
    except joblib.externals.loky.process_executor.BrokenProcessPool:
        return Outcome(index, None, "its process died, of a crash or for want of memory")
    outcome: Outcome = found[0]
    return outcome


def _ray(jobs: Sequence[Job], _n_jobs: int | None, _client: Any) -> Iterator[Outcome]:
    ray = _package("ray")
    if not ray.is_initialized():
        ray.init(include_dashboard=False, logging_level="ERROR")
    remote = ray.remote(max_retries=1)(_attempt)  # a node may be lost without a fault of the job
    waiting = {remote.remote(i, job): i for i, job in enumerate(jobs)}
    try:
        while waiting:
            ready, _ = ray.wait(list(waiting), num_returns=1)
            index = waiting.pop(ready[0])
            try:
                yield ray.get(ready[0])
            except ray.exceptions.RayError as error:
                yield Outcome(index, None, f"its worker was lost: {error}"[:LONGEST_ERROR])
    finally:
        for reference in waiting:
            ray.cancel(reference, force=True)


def _dask(jobs: Sequence[Job], _n_jobs: int | None, client: Any) -> Iterator[Outcome]:
    distributed = _package("distributed", extra="dask")
    own = None
    if client is None:
        try:
            client = distributed.get_client()
        except ValueError:
            client = own = distributed.Client(dashboard_address=None)
    waiting = {client.submit(_attempt, i, job, pure=False): i for i, job in enumerate(jobs)}
    try:
        for future in distributed.as_completed(list(waiting)):
            index = waiting.pop(future)
            failed = future.exception() if future.status != "finished" else None
            yield Outcome(index, None, f"its worker was lost: {failed}"[:LONGEST_ERROR]) if failed else future.result()
    finally:
        client.cancel(list(waiting))
        if own is not None:
            own.close()


def _package(name: str, *, extra: str = "") -> Any:
    try:
        return import_module(name)
    except ImportError:
        extra = extra or ("trials" if name == "joblib" else name)
        raise UsageError(f"this engine needs {name}: pip install 'overfit-monitor[{extra}]'.") from None
