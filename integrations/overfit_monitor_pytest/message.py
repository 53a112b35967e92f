"""What a failed test says of a run: the verdict, its steps, the curves, the evidence and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from overfit_monitor.records import Diagnosis, Finding
from overfit_monitor.reports.base import CheckedRun, printable
from overfit_monitor.reports.text import sparkline

CURVE_WIDTH = 48


class Drawn(NamedTuple):
    """The curves of a run, drawn small; empty where there are none."""

    val: str = ""
    train: str = ""


def drawn(diagnosis: Diagnosis, *, width: int = CURVE_WIDTH) -> Drawn:
    """Return the curves of a diagnosis that a monitor gave in this process."""
    history = getattr(diagnosis._curves, "history", None)
    if history is None or diagnosis.step is None:
        return Drawn()
    _, val, train = history.curves(diagnosis.step)
    return Drawn(sparkline(val.tolist(), width=width), sparkline(train.tolist(), width=width))


def explained(run: CheckedRun, curves: Drawn, *, name: str = "") -> str:
    """Return what is told where a run failed or could not be judged.

    Args:
        run: The run with its outcome.
        curves: Its curves.
        name: Name of the run, empty to leave it out.
    """
    reason = run.reason or ""
    head = "could not judge: " if run.outcome == "error" else "" if run.verdict in reason else f"{run.verdict}: "
    whole = [f"{f'{name}: ' if name else ''}{head}{reason}", *_facts(run, curves)]
    return printable("\n".join(whole))


def _facts(run: CheckedRun, curves: Drawn) -> Iterable[str]:
    steps = {"best": run.best_step, "onset": run.onset_step, "alarm": run.alarm_step, "last": run.step}
    told = ", ".join(f"{name} {step}" for name, step in steps.items() if step is not None)
    if told:
        yield f"  steps       {told}"
    if run.metrics.val is not None:
        yield f"  compared    {_compared(run)}"
    if curves.val:
        yield f"  validation  {curves.val}  {_values(run)}"
    if curves.train:
        yield f"  train       {curves.train}"
    yield from _evidence(run.findings, run.reason or "")
    if run.recommendations and run.verdict != "healthy":
        first = run.recommendations[0]
        yield f"  do          {first.title}: {first.why}"
    yield from (f"  note        {note}" for note in run.notes)


def _compared(run: CheckedRun) -> str:
    beside = f" with train {run.metrics.train!r}" if run.metrics.train else ", no train metric"
    return f"validation {run.metrics.val!r}{beside}, {'lower' if run.metrics.mode == 'min' else 'higher'} is better"


def _values(run: CheckedRun) -> str:
    values = (("best", run.best_value), ("last", run.last_value))
    return ", ".join(f"{name} {value:.4g}" for name, value in values if value is not None)


def _evidence(findings: Sequence[Finding], said: str) -> Iterable[str]:
    for finding in findings:
        if finding.severity == "info":
            continue
        if finding.message not in said:
            yield f"  {finding.severity.ljust(10)}  {finding.id}: {finding.message}"
        yield from (f"  for         {clause}" for clause in finding.speaks_for)
        yield from (f"  against     {clause}" for clause in finding.speaks_against)
