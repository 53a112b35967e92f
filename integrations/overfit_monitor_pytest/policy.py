"""What makes a run fail: the options, the project's settings, a marker, an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import pytest

from overfit_monitor.check import layered
from overfit_monitor.errors import OverfitMonitorError, UsageError
from overfit_monitor.gate import Limit, judge
from overfit_monitor.project import load_settings
from overfit_monitor.readers.pairing import Names
from overfit_monitor.records import Diagnosis
from overfit_monitor.reports.base import CheckedRun
from overfit_monitor_pytest import options

_GIVEN: Final = pytest.StashKey["LogPolicy"]()


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """What makes a training in a test fail.

    Attributes:
        limit: Verdicts and severities that fail.
        allow_inconclusive: Whether a run that nothing could be said about passes.
    """

    limit: Limit = field(default_factory=Limit)
    allow_inconclusive: bool = False

    def judge(self, diagnosis: Diagnosis, *, hint: str = "") -> CheckedRun:
        """Return the run with its outcome: unlike in `check`, no verdict is no pass.

        Args:
            diagnosis: The diagnosis of the run.
            hint: What to add to the reason where there is no validation metric.
        """
        run = judge(diagnosis, self.limit, hint=hint)
        if run.outcome == "pass" and run.verdict == "inconclusive" and not self.allow_inconclusive:
            return run.model_copy(update={"outcome": "error", "reason": _why_inconclusive(run)})
        return run


@final
@dataclass(frozen=True, slots=True)
class LogPolicy:
    """How the runs in log folders are judged, as ``overfit-monitor check`` would.

    Attributes:
        settings: Fields of `MonitorConfig`.
        names: What is compared with what, None to go by the names in the files.
        limit: What makes a run fail.
    """

    settings: Mapping[str, Any]
    names: Names | None
    limit: Limit


def log_policy(config: pytest.Config) -> LogPolicy:
    """Return how runs in log folders are judged, from the options and the project's settings.

    Raises:
        pytest.UsageError: One of them cannot be right.
    """
    if _GIVEN not in config.stash:
        try:
            config.stash[_GIVEN] = _log_policy(config)
        except OverfitMonitorError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_GIVEN]


def policy_of_test(config: pytest.Config | None, asked: Mapping[str, Any]) -> Policy:
    """Return what makes a training in a test fail.

    Of the project's settings only what fails counts: which metric is compared is a matter of the test.

    Args:
        config: The session's; None outside of one, where there are no options and no project.
        asked: ``fail_on``, ``max_gap`` and ``allow_inconclusive`` of the marker or the call; None where not given.

    Raises:
        UsageError: One of them cannot be right.
    """
    told = {name: value for name, value in asked.items() if value is not None}
    fail_on = told.get("fail_on")
    if fail_on is None and config is not None:
        given = options.told_by(config)
        fail_on = given["fail_on"] or _project(given).get("fail_on", ())
    allowed = told.get("allow_inconclusive", False)
    if not isinstance(allowed, bool):
        raise UsageError(f"allow_inconclusive must be True or False but got {allowed!r}.")
    return Policy(limit=Limit.parse(_words(fail_on)), allow_inconclusive=allowed)


def _log_policy(config: pytest.Config) -> LogPolicy:
    given = options.told_by(config)
    project = _project(given)
    fail_on = given["fail_on"] or project.pop("fail_on", ())
    project.pop("fail_on", None)
    val, train = project.pop("val", None), project.pop("train", None)
    names = None if val is None else Names(val=val, train=train)
    return LogPolicy(settings=layered(project), names=names, limit=Limit.parse(_words(fail_on)))


def _project(given: Mapping[str, Any]) -> dict[str, Any]:
    return load_settings(None if given["config"] is None else Path(given["config"]))


def _words(fail_on: str | Iterable[str] | None) -> list[str]:
    return [fail_on] if isinstance(fail_on, str) else list(fail_on or ())


def _why_inconclusive(run: CheckedRun) -> str:
    reasons = [item.reason for item in run.not_judged if item.id == "overfitting"]
    why = "; ".join(reasons) or "the verdict is inconclusive"
    return f"{why} (allow_inconclusive=True lets such a run pass)"
