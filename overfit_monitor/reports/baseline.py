"""A baseline as a table, and what changed from one to the next."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev

from overfit_monitor.baseline_file import BaselineFile, Group, Values
from overfit_monitor.comparison import compare
from overfit_monitor.reports.base import flat, plural

HEADER = ("group", "seeds", "metric", "best", "last", "gap", "verdicts", "failed")


def render(baseline: BaselineFile) -> str:
    """Return the baseline as a table, a line for each group: means, and standard deviations over seeds."""
    rows = [HEADER, *(_row(name, group) for name, group in sorted(baseline.groups.items()))]
    return "\n".join([*_table(rows), plural(len(baseline.groups), "group")]) + "\n"


def changes(before: BaselineFile, now: BaselineFile) -> str:
    """Return what a new baseline changes, a line for each group: new, gone, or how its best value moved.

    Args:
        before: The baseline as it was.
        now: The baseline as it is.
    """
    rows: list[tuple[str, ...]] = []
    for name in sorted(before.groups.keys() | now.groups.keys()):
        old, new = before.groups.get(name), now.groups.get(name)
        if old == new:
            continue
        if old is None or new is None:
            rows.append(("new" if old is None else "gone", flat(name), ""))
            continue
        comparison = compare(old.measured(), new.measured())
        rows.append(("changed", flat(name), comparison.reason.rstrip(".")))
    same = len(before.groups.keys() & now.groups.keys()) - sum(row[0] == "changed" for row in rows)
    lines = [f"{row[0]:8} {row[1]}{f': {row[2]}' if row[2] else ''}" for row in rows]
    return "\n".join([*lines, f"{plural(len(now.groups), 'group')}, {same} of them as before"]) + "\n"


def _row(name: str, group: Group) -> tuple[str, ...]:
    verdicts = ", ".join(f"{count} {verdict}" for verdict, count in group.verdicts.items())
    better = "lower" if group.mode == "min" else "higher"
    metric = "none" if group.metric is None else f"{group.metric} ({better} is better)"
    told = (_spread(group.best), _spread(group.last), _spread(group.gap))
    return flat(name), str(group.seeds), flat(metric), *told, verdicts, str(group.failed)


def _spread(values: Values) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "unknown"
    around = f" ± {stdev(known):.2g}" if len(known) > 1 else ""
    return f"{fmean(known):.4g}{around}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
