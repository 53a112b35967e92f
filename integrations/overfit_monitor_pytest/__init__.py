"""pytest plugin: a test fails where a training overfits, and runs in log folders are tests of their own.

Importing it loads nothing but pytest; numpy and the analyzer come with the first run that is judged. The hooks
only delegate: `guard` has the fixture, `generalizes` the assertion, `logs` the items made of log folders, `told`
what the terminal and JUnit are told.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING, Any

import pytest

from overfit_monitor_pytest import options, told

if TYPE_CHECKING:
    from overfit_monitor.facts import Facts
    from overfit_monitor_pytest.guard import OverfitGuard

__all__ = ["assert_generalizes", "overfit_guard"]


def assert_generalizes(
    history: Any,
    *,
    train: str | None = None,
    val: str | None = None,
    fail_on: str | list[str] | None = None,
    max_gap: float | str | None = None,
    allow_inconclusive: bool = False,
    facts: Facts | None = None,
    **settings: Any,
) -> None:
    """Fail where a finished training overfits, or where that could not be judged.

    Args:
        history: A Keras ``History``, a mapping of names to lists, a list of records (``trainer.state.log_history``),
            a table with columns (pandas, polars, pyarrow), a path to a log or a folder of them, a `Diagnosis`, or
            anything with a ``diagnosis`` (`Monitor`, ``watch``, the Keras callback). In a table NaN is taken as an
            empty cell where nothing of its split was logged in that row, and as a value elsewhere.
        train: Name of the train column, as in the history; with ``val``.
        val: Name of the validation column; None goes by the names, as ``overfit-monitor check`` does.
        fail_on: Verdicts or a severity from which on it fails, as ``--fail-on``. None takes ``--overfit-fail-on``,
            or else ``fail_on`` of the project, or else ``error``.
        max_gap: Largest generalization gap at the last step, as ``--max-gap``: 0.1, or ``"10%"`` of the best value.
            None takes ``--overfit-max-gap``, or else ``max_gap`` of the project, or else none.
        allow_inconclusive: Whether a run that is too short or too noisy for a verdict passes.
        facts: What is known of model, optimizer and data, for the advice.
        **settings: The fields of `MonitorConfig`, such as ``metric`` and ``mode``.

    Raises:
        AssertionError: The run fails, with the verdict, its steps, the curve, the evidence and the first
            recommendation; or it could not be judged, with the reason.
        UsageError: An argument cannot be right.

    Example:
        >>> down = [1 / (1 + epoch) for epoch in range(40)]
        >>> assert_generalizes({"loss": down, "val_loss": [0.1 + loss for loss in down]})
    """
    __tracebackhide__ = True
    from overfit_monitor_pytest.generalizes import Question, assert_all

    question = Question(train=train, val=val, facts=facts, settings=settings)
    assert_all(
        history, question, {"fail_on": fail_on, "max_gap": max_gap, "allow_inconclusive": allow_inconclusive or None}
    )


@pytest.fixture
def overfit_guard(request: pytest.FixtureRequest) -> Generator[OverfitGuard]:
    """Watch a training inside a test, which fails at its end where the run overfits or could not be judged.

    ``overfit_guard.log(train={"loss": …}, val={"loss": …})`` in the loop; the policy is that of
    ``@pytest.mark.overfit(fail_on=…, max_gap=…, metric=…)``.
    """
    from overfit_monitor_pytest.guard import of_test

    guard = of_test(request.node)
    yield guard
    guard.close()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options and the ini keys."""
    options.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers, and check the options."""
    for marker in options.MARKERS:
        config.addinivalue_line("markers", marker)
    options.settle(config)


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Generator[None, Any, Any]:
    """Put the runs in the log folders beside the tests of a session."""
    report = yield
    if isinstance(collector, pytest.Session) and report.passed and options.log_paths(collector.config):
        from overfit_monitor_pytest.logs import RunLogs

        report.result.append(RunLogs.from_parent(collector, name=options.LOGS_NODE, nodeid=options.LOGS_NODE))
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, Any, Any]:
    """Let an assertion know of which test it is."""
    with told.current(item):
        return (yield)


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    """Judge what a test has logged when it has come to its end."""
    result = yield
    guard = item.stash.get(told.GUARD, None)
    if guard is not None:
        guard.finish()
    elif any(mark.name == "overfit" for mark in item.own_markers):
        pytest.fail(options.UNUSED_MARKER, pytrace=False)
    return result


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over what a worker of xdist had to remark."""
    told.remark(node.config, getattr(node, "workeroutput", {}).get(told.REMARKS_OF_WORKER, ()))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Show a line for each run that was judged."""
    told.show(terminalreporter)
