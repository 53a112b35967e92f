"""Runs in log folders as tests: -k, xdist, JUnit and the exit status then are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn, final

import pytest

from overfit_monitor.check import diagnose_run
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.gate import judge
from overfit_monitor.readers import Problem, Run, read_runs
from overfit_monitor.reports.base import printable
from overfit_monitor_pytest import told
from overfit_monitor_pytest.message import drawn, explained
from overfit_monitor_pytest.options import LOGS_MARKER, log_paths
from overfit_monitor_pytest.policy import log_policy


@final
class RunLogs(pytest.Collector):
    """Reads the log folders; each run is an item, and so is each file that could not be read."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the items, in the order in which ``overfit-monitor check`` judges them."""
        policy = log_policy(self.config)
        runs, problems = read_runs(log_paths(self.config), names=policy.names)
        for run in runs:
            yield LogRun.from_parent(self, name=_name(run.name), run=run)
        for problem in problems:
            yield UnreadLog.from_parent(self, name=_name(_short(problem.source, self.config)), problem=problem)


class _Item(pytest.Item):
    source: str

    def __init__(self, **known: Any) -> None:
        super().__init__(**known)
        self.add_marker(LOGS_MARKER)

    def reportinfo(self) -> tuple[Path, None, str]:
        """Return where it is from, which tools that annotate a file go by."""
        return Path(self.source), None, self.nodeid


@final
class LogRun(_Item):
    """A run in a log folder. It is judged in the setup, since what could not be judged is an error, not a failure.

    Args:
        run: The run as it was read.
        **known: As for every item.
    """

    def __init__(self, *, run: Run, **known: Any) -> None:
        self.run = run
        self.source = run.source
        super().__init__(**known)

    def setup(self) -> None:
        """Judge the run; fail where it could not be."""
        policy, unjudged = log_policy(self.config), ""
        try:
            diagnosis = diagnose_run(self.run, policy.settings)
        except OverfitMonitorError as error:
            unjudged = str(error)
        if unjudged:
            _cannot_judge(self.source, unjudged)
        self.checked, self.curves = judge(diagnosis, policy.limit), drawn(diagnosis)
        told.tell(self.checked.model_copy(update={"run": self.nodeid}), drawn(diagnosis, width=told.CURVE_WIDTH).val)
        if self.checked.outcome == "error":
            pytest.fail(self._message(), pytrace=False)

    def runtest(self) -> None:
        """Fail where the run does."""
        if self.checked.outcome == "fail":
            pytest.fail(self._message(), pytrace=False)

    def _message(self) -> str:
        return f"{explained(self.checked, self.curves)}\n  source      {printable(self.source)}"


@final
class UnreadLog(_Item):
    """A file that could not be read, or a folder without a run: an error, since a gate must not open unseen.

    Args:
        problem: Why.
        **known: As for every item.
    """

    def __init__(self, *, problem: Problem, **known: Any) -> None:
        self.problem = problem
        self.source = problem.source
        super().__init__(**known)

    def setup(self) -> None:
        """Fail with what is wrong with it."""
        _cannot_judge(self.source, self.problem.message)

    def runtest(self) -> None:
        """Do nothing: `setup` has failed."""


def _cannot_judge(source: str, message: str) -> NoReturn:
    told.tell_unread()
    pytest.fail(f"could not judge: {printable(source)}: {printable(message)}", pytrace=False)


def _name(name: str) -> str:
    # Two colons are where pytest takes an id apart.
    return printable(name).replace("\n", " ").replace("::", ":")


def _short(source: str, config: pytest.Config) -> str:
    path = Path(source)
    return path.relative_to(config.rootpath).as_posix() if path.is_relative_to(config.rootpath) else source
