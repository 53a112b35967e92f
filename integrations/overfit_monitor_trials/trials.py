"""Trains configurations, each once: what was finished before is read from the journal of the trials."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, NamedTuple

from overfit_monitor.journal import Journal, read_journal
from overfit_monitor_trials.engines import run
from overfit_monitor_trials.training import Config, Train, Trained, as_trained, described

FILE_NAME = "trials.jsonl"


class Trial(NamedTuple):
    """One training of one configuration.

    Attributes:
        config: What was asked, ``seed`` and ``epochs`` included.
        trained: Its curves, None where it failed.
        error: Why it failed.
        seconds: How long it took.
        before: Whether it was finished in an earlier call and only read.
    """

    config: dict[str, Any]
    trained: Trained | None
    error: str = ""
    seconds: float = 0.0
    before: bool = False


class Trials:
    """Runs trainings and keeps what is finished.

    Args:
        train: The training function.
        run_dir: Folder of the journal ``trials.jsonl``; None keeps nothing.
        engine: See `engines.run`.
        n_jobs: See `engines.run`.
        client: See `engines.run`.
        quiet: Show no progress bar.
    """

    def __init__(
        self,
        train: Train,
        *,
        run_dir: str | PathLike[str] | None = None,
        engine: str = "joblib",
        n_jobs: int | None = None,
        client: Any = None,
        quiet: bool = False,
    ) -> None:
        self._train = train
        self._run_dir = None if run_dir is None else Path(run_dir)
        self._engine = {"engine": engine, "n_jobs": n_jobs, "client": client}
        self._quiet = quiet
        self._done = self._earlier()

    def run(self, configs: Iterable[Config], *, title: str) -> list[Trial]:
        """Train every configuration that was not finished before, and return all in order.

        What is finished is in the journal at once, so that whoever is interrupted goes on from there.
        """
        asked = [dict(config) for config in configs]
        keys = [described(config) for config in asked]
        missing = [key for key in dict.fromkeys(keys) if key not in self._done]
        failed = self._run(missing, dict(zip(keys, asked, strict=True)), title)
        return [self._done[key] if key in self._done else failed[key] for key in keys]

    def _run(self, missing: Sequence[str], asked: dict[str, dict[str, Any]], title: str) -> dict[str, Trial]:
        failed: dict[str, Trial] = {}
        jobs = [partial(_timed, self._train, asked[key]) for key in missing]
        journal = None if self._run_dir is None else Journal(self._run_dir, name=FILE_NAME)
        with _closed(journal), _progress(len(jobs), title, quiet=self._quiet) as advance:
            for outcome in run(jobs, **self._engine):
                key = missing[outcome.job]
                advance()
                if outcome.error:
                    failed[key] = Trial(asked[key], None, outcome.error)
                    continue
                trained, seconds = outcome.value
                self._done[key] = Trial(asked[key], trained, "", seconds)
                if journal is not None:
                    record = {"config": asked[key], "seconds": seconds, "trained": trained.model_dump(mode="json")}
                    journal.write("trial", record)
        return failed

    def _earlier(self) -> dict[str, Trial]:
        path = None if self._run_dir is None else self._run_dir / FILE_NAME
        if path is None or not path.exists():
            return {}
        found = {}
        for entry in read_journal(path):
            if entry.kind == "trial":
                trained = Trained(**entry.record["trained"])
                trial = Trial(entry.record["config"], trained, "", entry.record["seconds"], before=True)
                found[described(trial.config)] = trial
        return found


def _timed(train: Train, config: dict[str, Any]) -> tuple[Trained, float]:
    start = time.perf_counter()
    return as_trained(train(dict(config))), time.perf_counter() - start


class _Nothing:
    def close(self) -> None:
        """Close nothing."""


def _closed(journal: Journal | None) -> Any:
    return closing(journal or _Nothing())


class _progress:  # noqa: N801 - used like a function
    """A bar on the terminal where there is one and tqdm is installed."""

    def __init__(self, n: int, title: str, *, quiet: bool) -> None:
        self._bar: Any = None
        if n and not quiet and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=n, desc=title, unit="training", delay=1.0)

    def __enter__(self) -> Callable[[], object]:
        return self._bar.update if self._bar is not None else lambda: None

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
