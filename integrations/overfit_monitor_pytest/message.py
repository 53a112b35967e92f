"""What a failed test says of a run: the verdict, its steps, the curve, the evidence and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from overfit_monitor.records import Diagnosis, Finding
from overfit_monitor.reports.base import CheckedRun, printable
from overfit_monitor.reports.sketch import Sketch, bars, sketch

WIDTH: Final = 48


def sketched(diagnosis: Diagnosis, *, width: int = WIDTH) -> Sketch:
    """Return the validation curve of a diagnosis that a monitor gave in this process; otherwise an empty one."""
    history = getattr(diagnosis._curves, "history", None)
    if history is None or diagnosis.step is None:
        return Sketch()
    steps, val, _ = history.curves(diagnosis.step)
    return sketch(steps.tolist(), val.tolist(), mode=diagnosis.metrics.mode, width=width)


def drawn(run: CheckedRun, curve: Sketch) -> str:
    """Return the curve as bars, the best step and the onset marked in it."""
    return "".join(bars(curve, best=run.best_step, onset=run.onset_step))


def explained(run: CheckedRun, curve: Sketch, *, name: str = "") -> str:
    """Return what is told where a run failed or could not be judged.

    Args:
        run: The run with its outcome.
        curve: Its validation curve.
        name: Name of the run, empty to leave it out.
    """
    reason = run.reason or ""
    head = "could not judge: " if run.outcome == "error" else "" if run.verdict in reason else f"{run.verdict}: "
    whole = [f"{f'{name}: ' if name else ''}{head}{reason}", *_facts(run, curve)]
    return printable("\n".join(whole))


def _facts(run: CheckedRun, curve: Sketch) -> Iterable[str]:
    steps = {"best": run.best_step, "onset": run.onset_step, "alarm": run.alarm_step, "last": run.step}
    told = ", ".join(f"{name} {step}" for name, step in steps.items() if step is not None)
    if told:
        yield f"  steps       {told}"
    if run.metrics.val is not None:
        yield f"  compared    {run.pairing}"
    if curve.values:
        yield f"  validation  {drawn(run, curve)}  {_values(run)}"
    if run.baseline is not None:
        yield f"  baseline    {run.baseline.reason}"
    yield from _evidence(run.findings, run.reason or "")
    if run.recommendations and run.verdict != "healthy":
        first = run.recommendations[0]
        yield f"  do          {first.title}: {first.why}"
    yield from (f"  note        {note}" for note in run.notes)


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
