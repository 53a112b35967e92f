"""What JUnit and the terminal are told of each run that was judged.

It travels as properties of the test, the one thing that an xdist worker's report brings to the controller and
that JUnit shows, so that there is no second way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from overfit_monitor.reports.base import CheckedRun
    from overfit_monitor_pytest.guard import OverfitGuard

GUARD: Final[pytest.StashKey[OverfitGuard]] = pytest.StashKey()
REMARKS_OF_WORKER: Final = "overfit_remarks"
_REMARKS: Final = pytest.StashKey[list[str]]()
PREFIX: Final = "overfit_"
LINE: Final = "overfit_run"  # of several runs in one test each begins with this property
MOST_PASSED: Final = 20
CURVE_WIDTH: Final = 24
_ORDER: Final = ("fail", "error", "pass")
_WORDS: Final = {"fail": "failed", "error": "could not be judged", "pass": "passed"}
_COLOR: Final[dict[str, dict[str, bool]]] = {"fail": {"red": True}, "error": {"yellow": True}, "pass": {"green": True}}
_ITEM: ContextVar[pytest.Item | None] = ContextVar("overfit_monitor_pytest_item", default=None)


@contextmanager
def current(item: pytest.Item) -> Iterator[None]:
    """Let `tell` know of which test it is while it runs."""
    token = _ITEM.set(item)
    try:
        yield
    finally:
        _ITEM.reset(token)


def current_test() -> pytest.Item | None:
    """Return the test that runs, None outside of one."""
    return _ITEM.get()


def remark(config: pytest.Config, remarks: Iterable[str]) -> None:
    """Keep remarks on the check as a whole for the summary, each once; a worker hands them to the controller."""
    known = config.stash.setdefault(_REMARKS, [])
    known += [each for each in remarks if each not in known]
    if hasattr(config, "workeroutput"):
        config.workeroutput[REMARKS_OF_WORKER] = known


def tell(run: CheckedRun, curve: str) -> None:
    """Add a run's figures to the properties of the test that runs; outside of one there is nobody to tell.

    Args:
        run: The run as it was judged.
        curve: Its validation curve, drawn small.
    """
    item = _ITEM.get()
    if item is None:
        return
    from overfit_monitor.reports.junit import properties

    figures = {"run": run.run or item.nodeid, "outcome": run.outcome, **properties(run), "curve": curve}
    item.user_properties += [(PREFIX + name, value) for name, value in figures.items() if value]


def tell_unread() -> None:
    """Let the summary show the test that runs as something that could not be read."""
    item = _ITEM.get()
    if item is not None:
        item.user_properties += [(LINE, item.nodeid), (f"{PREFIX}outcome", "error")]


def show(reporter: pytest.TerminalReporter) -> None:
    """Write the section ``overfitting``: a line a run, the worst first; none where nothing was judged."""
    runs = sorted(_runs(reporter), key=lambda run: _ORDER.index(run["outcome"]))
    if not runs:
        return
    reporter.ensure_newline()
    reporter.section("overfitting")
    passed = [run for run in runs if run["outcome"] == "pass"]
    shown = runs if reporter.verbosity > 0 else runs[: len(runs) - len(passed) + MOST_PASSED]
    width = min(48, max(len(run["test"]) for run in shown))
    for run in shown:
        reporter.write(f"{run['outcome']:5} {run.get('verdict', ''):12}", **_COLOR[run["outcome"]])
        reporter.write(f"  {run['test'].ljust(width)}  {_steps(run)}  {run.get('curve', '')}".rstrip() + "\n")
    if len(shown) < len(runs):
        reporter.write_line(f"... and {len(runs) - len(shown)} more that pass (-v shows them)")
    counts = ((name, sum(run["outcome"] == name for run in runs)) for name in _ORDER)
    told = ", ".join(f"{count} {_WORDS[name]}" for name, count in counts if count)
    for each in reporter.config.stash.get(_REMARKS, []):
        reporter.write_line(f"remark: {each}")
    reporter.write_line(f"{len(runs)} run{'' if len(runs) == 1 else 's'}: {told}")


def _steps(run: dict[str, Any]) -> str:
    steps = ((name, run.get(f"{name}_step")) for name in ("best", "onset", "alarm", "last"))
    return ", ".join(f"{name} {step}" for name, step in steps if step is not None)


def _runs(reporter: pytest.TerminalReporter) -> list[dict[str, Any]]:
    reports = [r for found in reporter.stats.values() for r in found if isinstance(r, pytest.TestReport)]
    failed = {report.nodeid for report in reports if report.failed}
    # The report of each phase holds all properties so far; that of the last phase, all of them.
    last = {report.nodeid: report.user_properties for report in reports}
    runs = [run for test, properties in last.items() for run in _of_test(test, properties)]
    # A failure in a test that did not fail was waited for.
    return [run for run in runs if run["outcome"] == "pass" or run["id"] in failed]


def _of_test(test: str, properties: list[tuple[str, Any]]) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = []
    for name, value in properties:
        if name == LINE:
            shown = test if value == test else f"{test}: {value}"
            runs.append({"outcome": "pass", "id": test, "test": shown})
        if name.startswith(PREFIX) and runs:
            runs[-1][name.removeprefix(PREFIX)] = value
    return runs
