"""The result for people: a line a run, worst first, and what to do about it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from overfit_monitor.records import NotJudged
from overfit_monitor.reports.base import EXIT_STATUS, CheckedRun, CheckResult, Outcome, Unjudged, printable

BARS = "▁▂▃▄▅▆▇█"
WIDTH = 24
_ORDER: tuple[Outcome, ...] = ("fail", "error", "pass")
_COLOR: dict[Outcome, str] = {"pass": "32", "fail": "31", "error": "33"}


def render(check: CheckResult, *, curves: Mapping[str, Sequence[float]] | None = None, color: bool = False) -> str:
    """Return the result as lines of text.

    Args:
        check: The result.
        curves: Validation values by name of the run, drawn small beside it.
        color: Whether the text goes to a terminal that shows colours.
    """
    runs = sorted(check.runs, key=lambda run: _ORDER.index(run.outcome))
    width = max([len(printable(run.run or "")) for run in runs], default=0)
    lines = [line for run in runs for line in _run(run, min(width, 48), (curves or {}).get(run.run or "", ()), color)]
    lines += [_painted("not read", "error", color) + f"      {_flat(_where(error))}" for error in check.errors]
    lines += _not_judged(runs)
    lines += [_painted(_summary(check), check.outcome, color)]
    return "\n".join(lines) + "\n"


def sparkline(values: Sequence[float], *, width: int = WIDTH) -> str:
    """Return a curve as bars of eight heights; a gap where there is no finite value.

    Example:
        >>> sparkline([3.0, 2.0, 1.0, float("nan"), 4.5])
        '▅▃▁ █'
    """
    shown = [_mean(values[at : at + 1 + (len(values) - 1) // width]) for at in _starts(len(values), width)]
    finite = [value for value in shown if math.isfinite(value)]
    if not finite:
        return ""
    low, high = min(finite), max(finite)
    # Halved, so that the height of a curve from -1e308 to 1e308 is finite.
    scale = (high / 2 - low / 2) or 1.0
    return "".join(BARS[round(7 * ((v / 2 - low / 2) / scale))] if math.isfinite(v) else " " for v in shown)


def _run(run: CheckedRun, width: int, curve: Sequence[float], color: bool) -> Iterable[str]:
    steps = {
        "best": run.best_step,
        "onset": run.onset_step,
        "alarm": run.alarm_step,
        "stop": run.stop_step,
        "last": run.step,
    }
    told = ", ".join(f"{name} {step}" for name, step in steps.items() if step is not None)
    name = _flat(run.run or "").ljust(width)
    yield f"{_painted(run.verdict.ljust(12), run.outcome, color)}  {name}  {told}  {sparkline(curve)}".rstrip()
    if run.outcome == "error":
        yield f"    not judged: {_flat(run.reason or '')}"
    for finding in run.findings:
        if finding.severity != "info":
            yield f"    {finding.severity}: {_flat(finding.message)}"
    if run.verdict == "inconclusive" and run.outcome != "error":
        reasons = {item.reason for item in run.not_judged if item.id == "overfitting"}
        yield from (f"    not judged: {reason}" for reason in reasons)
    if run.recommendations and run.verdict != "healthy":
        yield f"    do: {_flat(run.recommendations[0].title)}"
    yield from (f"    note: {_flat(note)}" for note in run.notes)


def _not_judged(runs: Sequence[CheckedRun]) -> list[str]:
    """Return one line on what was judged in none of the runs, for the same reason everywhere."""
    shared: set[NotJudged] = set.intersection(*(set(run.not_judged) for run in runs)) if runs else set()
    by_reason: dict[str, list[str]] = {}
    for item in sorted(shared, key=lambda item: item.id):
        by_reason.setdefault(item.reason, []).append(item.id)
    told = [f"{', '.join(ids)} ({reason})" for reason, ids in by_reason.items()]
    return [f"not judged in any run: {'; '.join(told)}"] if told else []


def _summary(check: CheckResult) -> str:
    verdicts = Counter(run.verdict for run in check.runs if run.outcome != "error")
    parts = [f"{count} {verdict}" for verdict, count in verdicts.most_common()]
    unjudged = len(check.errors) + sum(run.outcome == "error" for run in check.runs)
    parts += [f"{unjudged} not judged"] if unjudged else []
    runs = f"{len(check.runs)} run{'' if len(check.runs) == 1 else 's'}"
    return (
        f"{check.outcome}: {runs}: {', '.join(parts) or 'nothing to judge'} (exit status {EXIT_STATUS[check.outcome]})"
    )


def _where(error: Unjudged) -> str:
    return f"{error.source}: {error.message}"


def _flat(text: str) -> str:
    return " ".join(printable(text).splitlines())


def _painted(text: str, outcome: Outcome, color: bool) -> str:
    return f"\x1b[{_COLOR[outcome]}m{text}\x1b[0m" if color else text


def _starts(count: int, width: int) -> range:
    return range(0, count, 1 + (count - 1) // width) if count else range(0)


def _mean(values: Sequence[float]) -> float:
    finite = [value for value in values if math.isfinite(value)]
    return sum(value / len(finite) for value in finite) if finite else math.nan
