"""The assertion on a history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from overfit_monitor.errors import UnreadableError
from overfit_monitor_pytest import told
from overfit_monitor_pytest.failures import CouldNotJudgeError, OverfittingError
from overfit_monitor_pytest.histories import Answer, Question, diagnosed
from overfit_monitor_pytest.message import drawn, explained, sketched
from overfit_monitor_pytest.policy import Policy, policy_of_test

__all__ = ["Question", "assert_all", "failure_of"]


def assert_all(history: Any, question: Question, asked: Mapping[str, Any]) -> None:
    """Raise where any run of a history fails or could not be judged; `assert_generalizes` documents the arguments.

    Args:
        history: What was trained.
        question: What is asked of it.
        asked: ``fail_on``, ``max_gap`` and ``allow_inconclusive``, None where not given.

    Raises:
        OverfittingError: A run fails.
        CouldNotJudgeError: None fails, but one could not be judged.
    """
    __tracebackhide__ = True
    test = told.current_test()
    policy = policy_of_test(None, asked) if test is None else policy_of_test(test.config, asked, test.nodeid)
    try:
        answers = diagnosed(history, question)
    except UnreadableError as error:
        raise CouldNotJudgeError(f"could not judge: {error}") from None
    failure = failure_of(answers, policy)
    if failure is not None:
        raise failure


def failure_of(answers: Sequence[Answer], policy: Policy) -> AssertionError | None:
    """Judge runs, tell JUnit and the terminal, and return the one failure for all; None where all pass.

    Args:
        answers: The runs.
        policy: What makes them fail.
    """
    messages: dict[str, list[str]] = {"fail": [], "error": [], "pass": []}
    for answer in answers:
        run = policy.judge(answer.diagnosis, hint=answer.hint)
        told.tell(run, drawn(run, sketched(answer.diagnosis, width=told.CURVE_WIDTH)))
        name = run.run or "" if len(answers) > 1 else ""
        messages[run.outcome].append(explained(run, sketched(answer.diagnosis), name=name))
    text = "\n\n".join(messages["fail"] + messages["error"])
    if messages["fail"]:
        return OverfittingError(text)
    return CouldNotJudgeError(text) if messages["error"] else None
