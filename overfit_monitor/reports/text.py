"""The result for people at a terminal: a line a run, worst first, why, and what to do about it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from overfit_monitor.records import NotJudged
from overfit_monitor.reports.base import (
    CheckedRun,
    CheckResult,
    Outcome,
    Unjudged,
    View,
    exit_status,
    flat,
    plural,
    standings,
    summary,
)
from overfit_monitor.reports.sketch import BEST, ONSET, WIDTH, Sketch, bars, narrower

INDENT: Final = 7
VERDICT: Final = 13
LEAST_NAME: Final = 24
MOST_NAME: Final = 48
NARROW: Final = WIDTH // 2
SHARED: Final = 3  # runs from which on a note that they share is told once
MOST_UNJUDGED: Final = 3
_COLOR: Final[dict[Outcome, str]] = {"pass": "32", "fail": "1;31", "error": "33"}
_GREEN, _RED, _DIM, _BOLD = "32", "31", "2", "1"
# What is told of the steps and how wide the curve is, the first that leaves the names room.
_ALL, _MOST, _FEW = ("best", "onset", "alarm", "stop", "last"), ("best", "onset", "last"), ("best", "onset")
_FORMS: Final[tuple[tuple[Sequence[str], int], ...]] = (
    *((_ALL, WIDTH), (_MOST, WIDTH), (_FEW, WIDTH), (_FEW, NARROW)),
    *((_FEW, 0), ((), NARROW), ((), 0)),
)


def render(check: CheckResult, view: View | None = None) -> str:
    """Return the result as lines of text.

    Args:
        check: The result.
        view: How it is shown.
    """
    view = view or View()
    runs = check.worst_first
    shown = runs[: view.worst]
    style = _style(shown, runs, view)
    lines = [line for run in shown for line in _run(run, style, view)]
    if view.explain:
        lines += [_harmless(line) for run in shown for line in ("", *run.explain().rstrip().splitlines())]
        lines += [""] if shown else []
    lines += _rest(runs[len(shown) :])
    lines += [line for error in check.errors[: view.worst] for line in _unread(error, view)]
    more = len(check.errors) - len(check.errors[: view.worst])
    lines += [f"{'':{INDENT}}… {more:,} more that could not be read (--all shows them)"] if more else []
    lines += list(_groups(check, view))
    lines += _footer(check, shown, style, view)
    return "\n".join(lines) + "\n"


class _Style(NamedTuple):
    """What the lines of all runs have in common.

    Attributes:
        name: Cells of a name.
        sketch: Most columns of a curve, 0 for none.
        drawn: Cells of a curve with the mark of its onset and a gap.
        steps: Which steps are told.
        pairing: What most runs were compared by, which is said once; None where none was.
        notes: What is noted of several runs, which is said once, and of how many.
    """

    name: int
    sketch: int
    drawn: int
    steps: Sequence[str]
    pairing: str | None
    notes: dict[str, int]


def _style(shown: Sequence[CheckedRun], runs: Sequence[CheckedRun], view: View) -> _Style:
    longest = max((_cells(flat(run.run or "")) for run in shown), default=0)
    name = min(longest, MOST_NAME)
    steps, sketch = _FORMS[0]
    if view.width is not None:
        left = view.width - INDENT - VERDICT - 2
        needs = [(form, max((_needed(run, form, view) for run in shown), default=0)) for form in _FORMS]
        fitting = [(form, needed) for form, needed in needs if min(name, LEAST_NAME) + needed <= left]
        (steps, sketch), needed = fitting[0] if fitting else needs[-1]
        name = max(1, min(name, left - needed))
    pairings = Counter(run.pairing for run in runs if run.metrics.val is not None)
    notes = Counter(note for run in shown for note in dict.fromkeys(run.notes))
    return _Style(
        name,
        sketch,
        max((_drawn_cells(run, sketch, view) for run in shown), default=0),
        steps,
        pairings.most_common(1)[0][0] if pairings else None,
        {note: count for note, count in notes.items() if count >= SHARED},
    )


def _needed(run: CheckedRun, form: tuple[Sequence[str], int], view: View) -> int:
    steps, sketch = form
    return _drawn_cells(run, sketch, view) + len(_told(run, steps))


def _drawn_cells(run: CheckedRun, most: int, view: View) -> int:
    columns = len(_curve(run, most, view).values)
    return columns + 3 if columns else 0


def _curve(run: CheckedRun, most: int, view: View) -> Sketch:
    curve = view.sketches.get(run.run or "", Sketch())
    return narrower(curve, most) if most else Sketch()


def _run(run: CheckedRun, style: _Style, view: View) -> Iterator[str]:
    outcome = run.outcome.upper() if run.outcome == "fail" else run.outcome
    rest = (_drawn(run, style, view) + _told(run, style.steps)).rstrip()
    name = _fitted(flat(run.run or ""), style.name)
    yield (
        _painted(outcome.ljust(INDENT), _COLOR[run.outcome], view)
        + _painted(run.verdict.ljust(VERDICT), _COLOR[run.outcome], view)
        + _painted(name if rest else name.rstrip(), _BOLD, view)
        + (f"  {rest}" if rest else "")
    )
    for label, text in _details(run, style):
        yield from _detail(label, text, view)


def _details(run: CheckedRun, style: _Style) -> Iterator[tuple[str, str]]:
    if run.metrics.val is not None and run.pairing != style.pairing:
        yield "compared", run.pairing
    found = [finding for finding in run.findings if finding.severity != "info"]
    if run.outcome == "error":
        yield "not judged", run.reason or ""
    elif run.rule == "baseline" and run.baseline:
        yield "because", f"{run.baseline.standing} beside the baseline, see below"
    elif run.reason and run.rule not in {finding.id for finding in found}:
        yield "because", run.reason
    for finding in found:
        yield finding.severity, finding.message
    if run.verdict == "inconclusive" and run.outcome != "error":
        for reason in {item.reason: None for item in run.not_judged if item.id == "overfitting"}:
            yield "not judged", reason
    if run.baseline is not None and run.baseline.tolerated:
        yield "tolerated", run.baseline.tolerated
    if run.recommendations and run.verdict != "healthy":
        yield "do", run.recommendations[0].title
    for note in run.notes:
        if note not in style.notes:
            yield "note", note


def _detail(label: str, text: str, view: View) -> Iterator[str]:
    first = f"{'':{INDENT}}{label}: "
    if view.width is None:
        yield first + flat(text)
        return
    rest = " " * (INDENT + 2)
    width = max(view.width, INDENT + 30)
    lines = textwrap.wrap(first + flat(text), width, subsequent_indent=rest, break_on_hyphens=False) or [first]
    code = {"error": _RED, "because": _RED, "do": "36"}.get(label, "33" if label == "warning" else _DIM)
    lines[0] = lines[0].replace(f"{label}:", _painted(f"{label}:", code, view), 1)
    yield from lines


def _unread(error: Unjudged, view: View) -> Iterator[str]:
    where = flat(f"{error.source}: {f'{error.run}: ' if error.run else ''}{error.message}")
    first = "error".ljust(INDENT) + "not read".ljust(VERDICT)
    if view.width is None:
        yield first + where
        return
    rest = " " * (INDENT + VERDICT)
    lines = textwrap.wrap(first + where, max(view.width, 40), subsequent_indent=rest, break_on_hyphens=False)
    yield from [_painted(lines[0][: len(rest)], _COLOR["error"], view) + lines[0][len(rest) :], *lines[1:]]


def _rest(runs: Sequence[CheckedRun]) -> list[str]:
    if not runs:
        return []
    counts = Counter((run.outcome, run.verdict) for run in runs)
    told = ", ".join(f"{count:,} {verdict} ({outcome})" for (outcome, verdict), count in counts.items())
    return [f"{'':{INDENT}}… {len(runs):,} more: {told}; --all shows them"]


def _groups(check: CheckResult, view: View) -> Iterator[str]:
    """Yield how the groups stand against the baseline, the worst first; of those within the noise only how many."""
    told = standings(check)
    shown = told if view.worst is None else [each for each in told if each.standing != "same"][: view.worst]
    if told:
        same = sum(each.standing == "same" for each in told)
        yield f"baseline: {plural(len(told), 'group')}, {same:,} the same within noise"
    for each in shown:
        seeds = plural(each.seeds, "seed") if each.seeds == each.base_seeds else f"{each.seeds}:{each.base_seeds} seeds"
        named = f"{each.group} ({seeds})" if each.base_seeds > 1 else each.group
        outcome: Outcome = "fail" if each.standing == "worse" else "pass" if each.standing == "better" else "error"
        first = f"{'':{INDENT}}{named}: "
        text = first + flat(each.reason)
        rest = " " * (INDENT + 2)
        lines = [text] if view.width is None else textwrap.wrap(text, max(view.width, 40), subsequent_indent=rest)
        yield lines[0].replace(named, _painted(named, _COLOR[outcome], view), 1)
        yield from lines[1:]


def _footer(check: CheckResult, shown: Sequence[CheckedRun], style: _Style, view: View) -> Iterator[str]:
    lines = [(f"note, {plural(count, 'run')}", note) for note, count in style.notes.items()]
    if style.pairing is not None:
        others = len({run.pairing for run in check.runs if run.metrics.val is not None}) - 1
        lines.append(("compared" if not others else "compared, where nothing else is said", style.pairing))
    if any(view.sketches.get(run.run or "", Sketch()).values for run in shown):
        lines.append(("curves", f"validation; {BEST} best step, {ONSET} onset"))
    lines += [] if view.explain else [("not judged in any run", text) for text in _not_judged(check.runs)]
    lines += [("remark", remark) for remark in check.remarks]
    for label, text in lines:
        line = f"{label}: {flat(text)}"
        wrapped = [line] if view.width is None else textwrap.wrap(line, max(40, view.width), subsequent_indent="  ")
        yield from (_painted(part, _DIM, view) for part in wrapped)
    last = f"{summary(check)} (exit status {exit_status(check, exit_zero=view.exit_zero)})"
    wrapped = [last] if view.width is None else textwrap.wrap(last, max(40, view.width), subsequent_indent="  ")
    yield from (_painted(part, _COLOR[check.outcome], view) for part in wrapped)


def _not_judged(runs: Sequence[CheckedRun]) -> list[str]:
    """Return what was judged in none of the runs that could be judged at all, for the same reason everywhere."""
    judged = [set(run.not_judged) for run in runs if run.outcome != "error"]
    shared: set[NotJudged] = set.intersection(*judged) if judged else set()
    if len(shared) > MOST_UNJUDGED:
        ids = sorted(item.id for item in shared)
        return [f"{', '.join(ids[:MOST_UNJUDGED])} and {len(ids) - MOST_UNJUDGED} more; --explain says why"]
    by_reason: dict[str, list[str]] = {}
    for item in sorted(shared, key=lambda item: item.id):
        by_reason.setdefault(item.reason, []).append(item.id)
    told = [f"{', '.join(ids)} ({reason})" for reason, ids in by_reason.items()]
    return ["; ".join(told)] if told else []


def _told(run: CheckedRun, names: Sequence[str]) -> str:
    steps = {
        "best": run.best_step,
        "onset": run.onset_step,
        "alarm": run.alarm_step,
        "stop": run.stop_step,
        "last": run.step,
    }
    return ", ".join(f"{name} {steps[name]}" for name in names if steps[name] is not None)


def _drawn(run: CheckedRun, style: _Style, view: View) -> str:
    drawn = bars(_curve(run, style.sketch, view), best=run.best_step, onset=run.onset_step)
    begun = next((i for i, bar in enumerate(drawn) if ONSET in bar), len(drawn))
    colored = [
        _painted(bar, _GREEN if BEST in bar else _RED if i >= begun else "", view) for i, bar in enumerate(drawn)
    ]
    return "".join(colored) + " " * (style.drawn - len("".join(drawn)))


def _harmless(line: str) -> str:
    """Return a line that begins with a name from a log as one that GitHub does not take for a command."""
    begins = line.lstrip()
    return line.replace("::", ": :", 1).replace("##[", "# #[", 1) if begins.startswith(("::", "##[")) else line


def _painted(text: str, code: str, view: View) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if view.color and code and text.strip() else text


def _cells(text: str) -> int:
    return sum(_cell(char) for char in text)


def _cell(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def _fitted(text: str, width: int) -> str:
    """Return text of exactly so many cells, cut in the middle where it is longer."""
    if _cells(text) > width:
        head: list[str] = []
        tail: list[str] = []
        left = width - 1
        for first, last in zip(text, reversed(text), strict=True):
            for part, char in ((tail, last), (head, first)):
                left -= _cell(char)
                if left >= 0:
                    part.append(char)
            if left <= 0:
                break
        text = "".join(head) + "…" + "".join(reversed(tail))
    return text + " " * (width - _cells(text))
