"""The result as GitHub-flavoured Markdown: for a pull request, and for the summary of a GitHub step.

Names come from logs and are shown as code, with everything that would be markup as a character reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from overfit_monitor.errors import UsageError
from overfit_monitor.reports.base import (
    CheckedRun,
    CheckResult,
    Outcome,
    View,
    flat,
    pairings,
    plural,
    printable,
    standings,
    summary,
)
from overfit_monitor.reports.sketch import Sketch, bars

MOST_BYTES: Final = 1_000_000  # GitHub takes 1 MiB for a step
DETAILED: Final = 5
ROWS: Final = 100
_MARK: Final[dict[Outcome, str]] = {"pass": "✅", "fail": "❌", "error": "⚠️"}
_MARKUP: Final = re.compile(r"[\\`*_{}\[\]()<>#+!|~@&$:\"'-]")


def render(check: CheckResult, view: View | None = None) -> str:
    """Return the result as Markdown: a table of the runs, worst first, and details of the worst.

    Args:
        check: The result.
        view: How it is shown: ``worst`` None shows all runs, otherwise it is the worst 100; with ``explain`` the
            reasoning is given for each of the worst.
    """
    view = view or View()
    runs = check.worst_first
    shown = runs if view.worst is None else runs[:ROWS]
    blocks = [f"## {_MARK[check.outcome]} overfit-monitor: {_escaped(summary(check))}", _remarks(check)]
    if shown:
        blocks.append("\n".join(_table(shown, view)))
    if len(runs) > len(shown):
        blocks.append(f"… and {len(runs) - len(shown):,} more runs, none worse than these.")
    blocks.append("\n".join(_groups(check, view)))
    blocks += [block for run in _detailed(shown, view) for block in _details(run, view)]
    if check.errors:
        blocks.append("\n".join(_errors(check, view)))
    return "\n\n".join(block for block in blocks if block) + "\n"


def append_to(path: Path, check: CheckResult, view: View) -> None:
    """Append the result to the summary of a GitHub step, shortened to what still fits into it.

    Args:
        path: The file that ``GITHUB_STEP_SUMMARY`` names.
        check: The result.
        view: How it is shown.

    Raises:
        UsageError: The file cannot be written.
    """
    try:
        left = MOST_BYTES - (path.stat().st_size if path.exists() else 0)
        text = _fitting(check, view, left)
        with path.open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text)
    except OSError as error:
        raise UsageError(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}") from None


def _fitting(check: CheckResult, view: View, left: int) -> str:
    kept, errors = len(check.runs), len(check.errors)
    while True:
        part = check.model_copy(update={"runs": check.worst_first[:kept], "errors": check.errors[:errors]})
        text = render(part, view)
        if kept < len(check.runs) or errors < len(check.errors):
            text += f"\nShortened: of all, {_escaped(summary(check))}\n"
        if len(text.encode("utf-8", "backslashreplace")) <= left:
            return text
        if not kept and not errors:
            return ""
        kept, errors = kept // 2, errors // 2


def _remarks(check: CheckResult) -> str:
    lines = [f"Compared: {_escaped('; '.join(pairings(check)[:3]))}"] if check.runs else []
    return "  \n".join([*lines, *(f"Remark: {_escaped(remark)}" for remark in check.remarks)])


def _table(runs: Sequence[CheckedRun], view: View) -> Iterator[str]:
    beside = any(run.baseline for run in runs)
    drawn = any(bars(view.sketches.get(run.run or "", Sketch())) for run in runs)
    head = ["", "run", "verdict", *(["validation"] if drawn else []), "best at step", "last at step", "onset"]
    head += ["baseline"] if beside else []
    yield "| " + " | ".join([*head, "why"]) + " |"
    yield "|" + "---|" * (len(head) + 1)
    for run in runs:
        curve = view.sketches.get(run.run or "", Sketch())
        cells = [_MARK[run.outcome], _code(run.run or ""), run.verdict]
        cells += ["".join(bars(curve, best=run.best_step, onset=run.onset_step))] if drawn else []
        cells += [_value(run.best_value, run.best_step), _value(run.last_value, run.step)]
        cells += ["" if run.onset_step is None else str(run.onset_step)]
        cells += [_escaped(_beside(run))] if beside else []
        yield "| " + " | ".join([*cells, _escaped(run.reason or "")]) + " |"


def _value(value: float | None, step: int | None) -> str:
    if step is None:
        return ""
    return f"at {step}" if value is None else f"{value:.4g} at {step}"


def _beside(run: CheckedRun) -> str:
    if run.baseline is None:
        return ""
    return f"tolerated: {run.baseline.tolerated}" if run.baseline.tolerated else run.baseline.standing


def _groups(check: CheckResult, view: View) -> Iterator[str]:
    told = standings(check)
    shown = told if view.worst is None else [each for each in told if each.standing != "same"][:ROWS]
    if told:
        same = sum(each.standing == "same" for each in told)
        yield f"Baseline: {plural(len(told), 'group')}, {same:,} the same within noise\n"
    for each in shown:
        seeds = f"{plural(each.seeds, 'seed')}, {each.base_seeds} before: " if each.base_seeds > 1 else ""
        yield f"- {_code(each.group)}: {seeds}{_escaped(each.reason)}"


def _detailed(runs: Sequence[CheckedRun], view: View) -> Sequence[CheckedRun]:
    if view.explain:
        return runs[: view.worst]
    return [run for run in runs if run.outcome == "fail" and run.recommendations][:DETAILED]


def _details(run: CheckedRun, view: View) -> Iterator[str]:
    yield f"<details><summary>{_code(run.run or '')}: {run.verdict}</summary>"
    if view.explain:
        yield _fenced(run.explain(), "text")
    if run.recommendations:
        first = run.recommendations[0]
        yield f"**{_escaped(first.title)}.** {_escaped(first.why)}"
        yield _fenced(first.code, "python")
    yield "</details>"


def _errors(check: CheckResult, view: View) -> Iterator[str]:
    yield "Not read:\n"
    shown = check.errors if view.worst is None else check.errors[:ROWS]
    for error in shown:
        run = f" {_code(error.run)}:" if error.run else ""
        yield f"- {_code(error.source)}:{run} {_escaped(error.message)}"
    if len(check.errors) > len(shown):
        yield f"- … and {len(check.errors) - len(shown):,} more"


def _fenced(text: str, language: str) -> str:
    clean = printable(text).rstrip("\n")
    longest = max((len(run) for run in re.findall(r"`+", clean)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{clean}\n{fence}"


def _code(text: str) -> str:
    return f"<code>{_referenced(flat(text))}</code>"


def _referenced(text: str) -> str:
    """Return text in which no character is markup, written as numeric character references."""
    return _MARKUP.sub(lambda found: f"&#{ord(found[0])};", text)


def _escaped(text: str) -> str:
    """Return text of ours with names from logs in it; what could be markup is written as references."""
    return re.sub(r"[\\`*\[\]<>|~@&$#]|(?<!\w)_|_(?!\w)|!(?=\[)", lambda found: f"&#{ord(found[0])};", flat(text))
