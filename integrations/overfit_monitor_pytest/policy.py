"""What makes a run fail: the options, the project's settings, a marker, an argument."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, final

import pytest

from overfit_monitor.baseline import Baseline
from overfit_monitor.baseline_file import load_baseline
from overfit_monitor.errors import OverfitMonitorError, UsageError
from overfit_monitor.gate import Limit, judge
from overfit_monitor.policy import Policies
from overfit_monitor.project import load_project
from overfit_monitor.project_config import CheckConfig
from overfit_monitor.readers.conventions import DEFAULT, Conventions
from overfit_monitor.readers.pairing import Names
from overfit_monitor.records import Diagnosis
from overfit_monitor.reports.base import CheckedRun
from overfit_monitor_pytest import options

LIMITS: Final = ("fail_on", "max_gap")


@final
@dataclass(frozen=True, slots=True)
class Policy:
    """What makes a training in a test fail.

    Attributes:
        limit: Verdicts, severities and the gap that fail.
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
            return run.model_copy(update={"outcome": "error", "rule": run.verdict, "reason": _why_inconclusive(run)})
        return run


@final
@dataclass(frozen=True, slots=True)
class LogPolicy:
    """How the runs in log folders are judged, as ``overfit-monitor check`` would.

    Attributes:
        policies: What every run is judged by.
        names: What is compared with what, None to go by the names in the files.
        baseline: With it only what got worse fails; None for none.
        conventions: How names of columns and tags are understood.
    """

    policies: Policies
    names: Names | None = None
    baseline: Baseline | None = None
    conventions: Conventions = DEFAULT


_LOG_POLICY: Final = pytest.StashKey[LogPolicy]()


def log_policy(config: pytest.Config) -> LogPolicy:
    """Return how runs in log folders are judged, from the options and the project's settings.

    Raises:
        pytest.UsageError: One of them cannot be right.
    """
    if _LOG_POLICY not in config.stash:
        try:
            config.stash[_LOG_POLICY] = _log_policy(options.told_by(config))
        except OverfitMonitorError as error:
            raise pytest.UsageError(str(error)) from None
    return config.stash[_LOG_POLICY]


def policy_of_test(config: pytest.Config | None, asked: Mapping[str, Any], test: str = "") -> Policy:
    """Return what makes a training in a test fail.

    Of the project's settings only what fails counts: which metric is compared is a matter of the test.

    Args:
        config: The session's; None outside of one, where there are no options and no project.
        asked: ``fail_on``, ``max_gap`` and ``allow_inconclusive`` of the marker or the call; None where not given.
        test: Id of the test, for policies of the project that are for some.

    Raises:
        UsageError: One of them cannot be right.
    """
    given = {} if config is None else options.told_by(config)
    project = CheckConfig() if config is None else _project(given)
    allowed = asked.get("allow_inconclusive")
    if not isinstance(allowed, bool | None):
        raise UsageError(f"allow_inconclusive must be True or False but got {allowed!r}.")
    return Policy(project.policies(_over(given) | _over(asked)).of(test).limit, bool(allowed))


def _log_policy(given: Mapping[str, Any]) -> LogPolicy:
    project = _project(given)
    if project.val is None and project.train is not None:
        raise UsageError("train needs val in the settings: the validation metric is what is judged.")
    names = None if project.val is None else Names(val=project.val, train=project.train)
    file = project.baseline.file if given["baseline"] is None else Path(given["baseline"])
    baseline = None
    if file is not None:
        known = load_baseline(file)
        baseline = Baseline(known, source=str(file), rules=project.baseline, seeds=tuple(project.seeds))
    return LogPolicy(project.policies(_over(given)), names, baseline, project.conventions())


def _project(given: Mapping[str, Any]) -> CheckConfig:
    return load_project(None if given["config"] is None else Path(given["config"]))


def _over(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given of the two that say what fails, ``fail_on`` as a list of words."""
    over = {name: asked[name] for name in LIMITS if asked.get(name) not in (None, [])}
    if "fail_on" in over:
        over["fail_on"] = _words(over["fail_on"])
    return over


def _words(fail_on: str | Iterable[str]) -> list[str]:
    words = [fail_on] if isinstance(fail_on, str) else list(fail_on)
    if not all(isinstance(word, str) for word in words):
        raise UsageError(f"fail_on must be a word or a list of words but got {fail_on!r}.")
    return words


def _why_inconclusive(run: CheckedRun) -> str:
    reasons = [item.reason for item in run.not_judged if item.id == "overfitting"]
    why = "; ".join(reasons) or "the verdict is inconclusive"
    return f"{why} (allow_inconclusive=True lets such a run pass)"
