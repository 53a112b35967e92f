"""What a replay of stopping policies shows, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field

from overfit_monitor.records import SCHEMA_VERSION, Record
from overfit_monitor.reports.base import Unjudged, printable
from overfit_monitor.reports.json import plain_json


class PolicyFigures(Record):
    """What one policy would have done with all runs.

    Attributes:
        policy: The policy, as it was named.
        regret: Mean over the runs of how much worse the checkpoint kept is than the best one, relative to the
            best one and at most 1 in each run.
        within: Share of the runs in which that is at most 1 %.
        epochs: Mean share of each run's evaluations that were used.
        wasted: Mean number of evaluations after the checkpoint kept.
        stopped: Number of runs that were stopped before their end.
    """

    policy: str
    regret: float
    within: float
    epochs: float
    wasted: float
    stopped: int


class PolicyStop(Record):
    """What one policy would have done with one run.

    Attributes:
        policy: The policy, as it was named.
        stop_step: Step at which it would have stopped, None if never.
        best_step: Step of the checkpoint it would have kept.
        regret: How much worse that checkpoint is than the best one, relative to the best one, at most 1.
        message: The reason for the stop, empty without one.
    """

    policy: str
    stop_step: int | None
    best_step: int
    regret: float
    message: str = ""


class ReplayedRun(Record):
    """One run and what every policy would have done with it.

    Attributes:
        run: Name of the run.
        source: File or folder it was read from.
        evaluations: Number of validation values.
        metric: Name of the validation metric.
        judged_by: What regret is measured by: the name of a test metric, or ``validation``.
        stops: One for each policy.
    """

    run: str
    source: str
    evaluations: int
    metric: str
    judged_by: str
    stops: tuple[PolicyStop, ...]


class ReplayResult(Record):
    """The result of one replay.

    Attributes:
        schema_version: Version of this shape; fields may be added within a version.
        outcome: ``error`` if anything could not be judged, else ``pass``.
        policies: One for each policy, in the order in which they were named; empty without a run.
        best_patience: Smallest patience whose mean regret is at most 0.01 above that of never stopping; None
            without a run.
        best_patience_figures: What that patience would have done.
        runs: Every run that was read.
        errors: What was named and is not among the runs, and why.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    outcome: Literal["pass", "error"]
    policies: tuple[PolicyFigures, ...] = ()
    best_patience: int | None = None
    best_patience_figures: PolicyFigures | None = None
    runs: tuple[ReplayedRun, ...] = ()
    errors: tuple[Unjudged, ...] = ()


HEADER = ("policy", "regret", "within 1 %", "epochs used", "after the best", "stopped")


def render_json(result: ReplayResult) -> str:
    """Return the result as JSON, two spaces to a level; what is not a finite number is ``null``."""
    return plain_json(result)


def render(result: ReplayResult) -> str:
    """Return the result as a table with a line for each policy, and what it means below."""
    lines = [f"{error.source}: {error.message}" for error in result.errors]
    if not result.runs:
        return printable("\n".join([*lines, "no run to replay"])) + "\n"
    evaluations = sum(run.evaluations for run in result.runs)
    lines += [f"{len(result.runs)} run(s), {evaluations} evaluations", ""]
    lines += _table([HEADER, *(_row(figures) for figures in result.policies)])
    lines += ["", *_explained(result)]
    return printable("\n".join(lines)) + "\n"


def _row(figures: PolicyFigures) -> tuple[str, ...]:
    return (
        figures.policy,
        f"{figures.regret:.2%}",
        f"{figures.within:.0%}",
        f"{figures.epochs:.0%}",
        f"{figures.wasted:.1f}",
        f"{figures.stopped}",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join([row[0].ljust(widths[0]), *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]


def _explained(result: ReplayResult) -> list[str]:
    judged = sorted({run.judged_by for run in result.runs})
    by = " or ".join("the validation curve seen" if name == "validation" else f"{name!r}" for name in judged)
    lines = [
        f"regret: how much worse the checkpoint kept is than the best one by {by}, mean over the runs",
        "after the best: evaluations trained after the checkpoint kept, mean over the runs",
    ]
    best = result.best_patience_figures
    if best is not None:
        lines.append(
            f"best patience for these runs: {result.best_patience} (the smallest with at most 1 % more regret than "
            f"never stopping: regret {best.regret:.2%}, {best.epochs:.0%} of the epochs)"
        )
    return lines
