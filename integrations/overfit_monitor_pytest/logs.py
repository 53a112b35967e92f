"""Runs in log folders as tests: -k, xdist, JUnit and the exit status then are right by themselves."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn, final

import pytest

from overfit_monitor.baseline import Baseline
from overfit_monitor.errors import OverfitMonitorError
from overfit_monitor.examination import Examined, examine
from overfit_monitor.policy import Policies
from overfit_monitor.readers import Problem, Run, read_runs
from overfit_monitor.readers.conventions import using
from overfit_monitor.reports.base import Unjudged, printable
from overfit_monitor_pytest import told
from overfit_monitor_pytest.message import drawn, explained
from overfit_monitor_pytest.options import LOGS_MARKER, log_paths
from overfit_monitor_pytest.policy import LogPolicy, log_policy


@final
class RunLogs(pytest.Collector):
    """Reads the log folders; each run is an item, and so is each file that could not be read.

    With a baseline the runs are judged here, since those that are seeds of one configuration are judged together.
    """

    def collect(self) -> Iterator[pytest.Item]:
        """Yield the items, in the order in which ``overfit-monitor check`` judges them."""
        policy = log_policy(self.config)
        with using(policy.conventions):
            yield from self._items(policy)

    def _items(self, policy: LogPolicy) -> Iterator[pytest.Item]:
        runs, problems = read_runs(log_paths(self.config), names=policy.names)
        unused = policy.policies.unused(run.name for run in runs)
        remarks = [f"the policy for {' and '.join(map(repr, each.runs))} fits none of the runs" for each in unused]
        if policy.baseline is not None:
            yield from self._held(policy.baseline, policy.policies, runs, remarks)
        else:
            yield from (LogRun.from_parent(self, name=_name(run.name), run=run) for run in runs)
        for problem in problems:
            yield UnreadLog.from_parent(self, name=_name(_short(problem.source, self.config)), problem=problem)
        told.remark(self.config, remarks)

    def _held(
        self, baseline: Baseline, policies: Policies, runs: Sequence[Run], remarks: list[str]
    ) -> Iterator[pytest.Item]:
        examined: list[Examined] = []
        errors: list[Unjudged] = []
        for run in runs:
            try:
                examined.append(examine(run, policies, measured=True, sketched=True))
            except OverfitMonitorError as error:
                errors.append(Unjudged(source=run.source, run=run.name, message=str(error)))
        result = baseline.held_against([(each.checked, each.measured) for each in examined], errors)
        remarks += result.remarks
        for checked, before in zip(result.runs, examined, strict=True):
            held = before._replace(checked=checked)
            yield LogRun.from_parent(self, name=_name(checked.run or ""), held=held)
        for each in result.errors:
            problem = Problem(each.source, each.message)
            yield UnreadLog.from_parent(self, name=_name(each.run or each.source), problem=problem)


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
        run: The run as it was read, None where it is judged already.
        held: The run as it was judged against a baseline.
        **known: As for every item.
    """

    def __init__(self, *, run: Run | None = None, held: Examined | None = None, **known: Any) -> None:
        self.run, self.judged = run, held
        self.source = run.source if run else (held.checked.source or "") if held else ""
        super().__init__(**known)

    def setup(self) -> None:
        """Judge the run; fail where it could not be."""
        unjudged = ""
        try:
            self.judged = self.judged or self._examined()
        except OverfitMonitorError as error:
            unjudged = str(error)
        if self.judged is None:
            _cannot_judge(self.source, unjudged)
        checked, curve = self.judged.checked, self.judged.sketch
        told.tell(checked.model_copy(update={"run": self.nodeid}), drawn(checked, curve))
        if checked.outcome == "error":
            pytest.fail(self._message(self.judged), pytrace=False)

    def runtest(self) -> None:
        """Fail where the run does."""
        if self.judged and self.judged.checked.outcome == "fail":
            pytest.fail(self._message(self.judged), pytrace=False)

    def _examined(self) -> Examined | None:
        policy = log_policy(self.config)
        with using(policy.conventions):
            return examine(self.run, policy.policies, sketched=True) if self.run else None

    @staticmethod
    def _message(judged: Examined) -> str:
        return f"{explained(judged.checked, judged.sketch)}\n  source      {printable(judged.checked.source or '')}"


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
