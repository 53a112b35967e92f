"""The fixture: what a test logs is judged when it has come to its end."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeVar, final

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.journal import FILE_NAME
from overfit_monitor.monitor import Monitor
from overfit_monitor.records import Diagnosis
from overfit_monitor_pytest import told
from overfit_monitor_pytest.failures import CouldNotJudgeError
from overfit_monitor_pytest.generalizes import failure_of
from overfit_monitor_pytest.histories import Question, diagnosed
from overfit_monitor_pytest.policy import LIMITS, Policy, policy_of_test

Watched = TypeVar("Watched")

LONGEST_NAME: Final = 100
_FAILS: Final = (*LIMITS, "allow_inconclusive")
_NOTHING: Final = (
    "could not judge: overfit_guard was asked for, and nothing was logged: "
    "call overfit_guard.log(train=..., val=...) in the training loop, or overfit_guard.follow(monitor)."
)


@final
class OverfitGuard:
    """Watches the training of one test.

    Args:
        test: The test.
        asked: What the test's marker says: what fails, and fields of `MonitorConfig`.
        run_dir: Folder for the journal, None to write none. What lies in it from an earlier session goes.

    Raises:
        UsageError: What the marker says cannot be right.

    Attributes:
        run_dir: The folder, for a ``watch`` or a callback that `follow` is given; None without ``--overfit-run-dir``.
    """

    def __init__(self, test: pytest.Item, asked: Mapping[str, Any], run_dir: Path | None = None) -> None:
        self.run_dir = run_dir
        self._test = test
        self._fails = {name: asked[name] for name in _FAILS if name in asked}
        self._policy(self._fails)
        self._settings = {name: value for name, value in asked.items() if name not in _FAILS}
        Monitor(**self._settings)
        self._monitor: Monitor | None = None
        self._followed: list[Any] = []
        self._logged = 0
        self._checked: list[int | None] | None = None

    def log(self, *, step: int | None = None, **metrics: Any) -> Diagnosis:
        """Take in the metrics of one epoch, as `Monitor.log` does, and return the diagnosis after it.

        Args:
            step: Index of the epoch; None counts the calls, from 0.
            **metrics: ``train`` and ``val``, metrics by name; the other arguments of `Monitor.log`.

        Raises:
            UsageError: A value is no number. A test is where that should be known at once.
        """
        diagnosis = self._own().log(step=self._logged if step is None else step, **metrics)
        self._logged += 1
        return diagnosis

    def follow(self, watched: Watched) -> Watched:
        """Judge what something else watches, and return that: a `Monitor`, a ``watch``, the Keras callback.

        Args:
            watched: Anything with a ``diagnosis``.

        Raises:
            UsageError: It has none.
        """
        if not hasattr(type(watched), "diagnosis"):
            raise UsageError(f"follow takes an object with a diagnosis but got {type(watched).__name__}.")
        self._followed.append(watched)
        return watched

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis of what was logged so far."""
        return self._own().diagnosis

    @property
    def should_stop(self) -> bool:
        """Whether the stopping policy has decided to stop, as in `Monitor`."""
        return self._own().should_stop

    def check(
        self,
        *,
        fail_on: str | list[str] | None = None,
        max_gap: float | str | None = None,
        allow_inconclusive: bool | None = None,
    ) -> None:
        """Judge now what was logged so far; what comes afterwards is judged at the end of the test.

        Args:
            fail_on: As in the marker, which it goes before.
            max_gap: As in the marker.
            allow_inconclusive: As in the marker.

        Raises:
            AssertionError: The run fails, or could not be judged.
        """
        __tracebackhide__ = True
        given = {"fail_on": fail_on, "max_gap": max_gap, "allow_inconclusive": allow_inconclusive}
        self._checked = self._reached()
        failure = self._failure(self._fails | {name: value for name, value in given.items() if value is not None})
        if failure is not None:
            raise failure

    def finish(self) -> None:
        """Judge at the end of the test what was not judged by `check`, and fail it without a traceback of ours."""
        __tracebackhide__ = True
        failure = None if self._checked == self._reached() else self._failure(self._fails)
        if failure is not None:
            pytest.fail(str(failure), pytrace=False)

    def close(self) -> None:
        """Close the journal."""
        if self._monitor is not None:
            self._monitor.close()

    def _reached(self) -> list[int | None]:
        """Return how far everything has come that is watched."""
        return [self._logged, *(getattr(each.diagnosis, "step", None) for each in self._followed)]

    def _policy(self, fails: Mapping[str, Any]) -> Policy:
        return policy_of_test(self._test.config, fails, self._test.nodeid)

    def _own(self) -> Monitor:
        if self._monitor is None:
            try:
                if self.run_dir is not None:
                    (self.run_dir / FILE_NAME).unlink(missing_ok=True)
                self._monitor = Monitor(self.run_dir, sinks={}, **{**self._settings, "strict": True})
            except OSError as error:
                raise UsageError(f"--overfit-run-dir: {self.run_dir}: {error.strerror or error}") from None
        return self._monitor

    def _failure(self, fails: Mapping[str, Any]) -> AssertionError | None:
        policy = self._policy(fails)
        watched = [self._monitor] if self._logged else []
        answers = [answer for each in (*watched, *self._followed) for answer in diagnosed(each, Question())]
        if not answers:
            return CouldNotJudgeError(_NOTHING)
        return failure_of(answers, policy)


def folder_of(test: str) -> str:
    """Return the name of a folder for a test: no two tests have the same.

    Example:
        >>> folder_of("tests/test_it.py::test_training")
        'tests_test_it.py_test_training'
        >>> folder_of("test_it.py::test_training[a b]")
        'test_it.py_test_training_a_b_-5580c1b5'
    """
    plain = re.sub(r"::|/", "_", test)
    safe = re.sub(r"[^\w.-]+", "_", plain)
    if safe == plain and len(safe) <= LONGEST_NAME:
        return safe
    return f"{safe[:LONGEST_NAME]}-{hashlib.blake2b(test.encode(), digest_size=4).hexdigest()}"


def of_test(item: pytest.Item) -> OverfitGuard:
    """Return the guard of a test, made as its marker says.

    Args:
        item: The test.
    """
    asked: dict[str, Any] = {}
    for mark in reversed(list(item.iter_markers("overfit"))):  # the closest goes before
        if mark.args:
            pytest.fail(f"the marker 'overfit' takes names only, as in fail_on={mark.args[0]!r}.", pytrace=False)
        asked |= mark.kwargs
    root = item.config.option.overfit_run_dir
    run_dir = Path(root, folder_of(item.nodeid)) if root else None
    try:
        item.stash[told.GUARD] = OverfitGuard(item, asked, run_dir)
    except UsageError as error:
        wrong = str(error)
    else:
        return item.stash[told.GUARD]
    pytest.fail(f"the marker 'overfit': {wrong}", pytrace=False)
