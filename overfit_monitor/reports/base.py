"""What a report shows: the result of one check, as published in ``schemas/``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, Literal, NamedTuple

from pydantic import Field

from overfit_monitor.records import SCHEMA_VERSION, Diagnosis, MetricChoice, Record, Verdict
from overfit_monitor.reports.sketch import Sketch

Outcome = Literal["pass", "fail", "error"]
Standing = Literal["worse", "better", "same", "unknown", "new", "incomparable"]
_ORDER: Final[tuple[Outcome, ...]] = ("fail", "error", "pass")
_BADNESS: Final[tuple[Verdict, ...]] = ("diverging", "overfitting", "underfitting", "inconclusive", "healthy")
STANDINGS: Final[dict[Standing, str]] = {
    "worse": "worse",
    "unknown": "with unknown noise",
    "incomparable": "not comparable",
    "new": "new",
    "same": "the same within noise",
    "better": "better",
}
_EXIT_STATUS: Final[dict[Outcome, int]] = {"pass": 0, "fail": 1, "error": 2}


class Columns(Record):
    """Names of what was compared as they stand in the log.

    Attributes:
        train: Column or tag of the train metric, None without one.
        val: Column or tag of the validation metric, None without one.
    """

    train: str | None = None
    val: str | None = None


class AgainstBaseline(Record):
    """How a run stands against the baseline, together with the other seeds of its group.

    Attributes:
        group: Name of the group, which is the run's own where it is alone.
        seeds: Number of runs of the group now.
        base_seeds: Number of runs of the group in the baseline, 0 where it is new.
        standing: ``worse`` or ``better`` by more than noise, ``same`` within it, ``unknown`` where nothing tells the
            noise, ``new`` where the baseline has no such group, ``incomparable`` where it was judged by another metric
            or has no finite value.
        difference: How much worse the best validation value is, oriented, means over seeds; None where unknown.
        relative: The difference as a share of the baseline's.
        standard_error: Standard error of the difference, None where unknown.
        limit: Size of the difference from which on it is more than noise, None where unknown.
        reason: What was found, in one sentence.
        tolerated: Why the run fails without the baseline but not with it, None where it does not.
    """

    group: str
    seeds: int
    base_seeds: int
    standing: Standing
    difference: float | None = None
    relative: float | None = None
    standard_error: float | None = None
    limit: float | None = None
    reason: str
    tolerated: str | None = None


class CheckedRun(Diagnosis):
    """The diagnosis of one run and what the gate made of it.

    Attributes:
        outcome: ``fail`` at or above the limit, ``error`` where it could not be judged, else ``pass``.
        reason: Why it failed or could not be judged, None for ``pass``.
        rule: What decided that: the id of a finding, a verdict, ``max_gap``, ``baseline`` or ``no_validation``; None
            for ``pass``.
        columns: Names of what was compared as they stand in the log, None where the log does not tell.
        baseline: How it stands against the baseline, None without one.
    """

    outcome: Outcome
    reason: str | None = None
    rule: str | None = None
    columns: Columns | None = None
    baseline: AgainstBaseline | None = None

    @property
    def pairing(self) -> str:
        """What was compared with what, in words: ``val_loss with train_loss, lower is better``."""
        return pairing(self.metrics, self.columns)


class Unjudged(Record):
    """A file that could not be read, or a run in it that could not be judged at all.

    Attributes:
        source: File or folder.
        run: Name of the run, None where the file did not get as far as one.
        message: What is wrong, with the place in the file where there is one.
    """

    source: str
    run: str | None = None
    message: str


class CheckResult(Record):
    """The result of one check.

    Attributes:
        schema_version: Version of this shape; fields may be added within a version.
        outcome: ``fail`` if any run failed, else ``error`` if anything could not be judged, else ``pass``.
        runs: Every run that was read, in the order in which they were named.
        errors: What was named and is not among the runs, and why.
        remarks: What is worth knowing of the check as a whole, such as groups of the baseline that have no run.
    """

    schema_version: int = Field(default=SCHEMA_VERSION, json_schema_extra={"const": SCHEMA_VERSION})
    outcome: Outcome
    runs: tuple[CheckedRun, ...] = ()
    errors: tuple[Unjudged, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def worst_first(self) -> tuple[CheckedRun, ...]:
        """The runs, those that failed first, then those that could not be judged, each by verdict.

        Of those that failed with one verdict the one that lost the largest share of its best value comes first.
        """
        return tuple(sorted(self.runs, key=_badness))


class View(NamedTuple):
    """How a result is shown to people; what machines read does not depend on it.

    Attributes:
        sketches: Validation curves by name of the run.
        color: Whether it goes to a terminal that shows colours.
        width: Columns of the terminal; None where there is none, and lines may be of any length.
        worst: Most runs that are shown one by one, the worst first; None for all.
        explain: Whether the reasoning is given for each run that is shown.
        exit_zero: Whether the command ends with 0 where runs fail.
    """

    sketches: Mapping[str, Sketch] = MappingProxyType({})
    color: bool = False
    width: int | None = None
    worst: int | None = 20
    explain: bool = False
    exit_zero: bool = False


def exit_status(check: CheckResult, *, exit_zero: bool = False) -> int:
    """Return what the command ends with.

    Args:
        check: The result.
        exit_zero: Whether that is 0 where runs fail.
    """
    return 0 if exit_zero and check.outcome == "fail" else _EXIT_STATUS[check.outcome]


def _badness(run: CheckedRun) -> tuple[int, int, float]:
    best, last, lost = run.best_value, run.last_value, 0.0
    if run.outcome == "fail" and best and last is not None:
        lost = (best - last if run.metrics.mode == "max" else last - best) / abs(best)
    return _ORDER.index(run.outcome), _BADNESS.index(run.verdict), -lost


def pairings(check: CheckResult) -> list[str]:
    """Return what was compared with what, the most frequent first, each with its runs where there are several."""
    counts = Counter(run.pairing for run in check.runs)
    if len(counts) == 1:
        return list(counts)
    return [f"{told} ({plural(n, 'run')})" for told, n in counts.most_common()]


def summary(check: CheckResult) -> str:
    """Return the result in one line: ``fail: 1 of 3 runs: 1 overfitting; passed: 2 healthy``."""
    runs = check.runs
    by_outcome = {outcome: [run for run in runs if run.outcome == outcome] for outcome in _ORDER}
    unjudged = len(check.errors) + len(by_outcome["error"])
    unread = [f"{unjudged:,} not judged"] if unjudged else []
    parts = list(unread) if check.outcome == "error" else []
    if failed := by_outcome["fail"]:
        count = (
            f"{len(failed):,} of {plural(len(runs), 'run')}" if len(failed) < len(runs) else plural(len(runs), "run")
        )
        parts.append(f"{count}: {_verdicts(failed)}")
    if passed := by_outcome["pass"]:
        alone = check.outcome == "pass"
        parts.append(f"{plural(len(passed), 'run') if alone else 'passed'}: {_verdicts(passed)}")
    parts += unread if check.outcome != "error" else []
    standings = Counter(run.baseline.standing for run in runs if run.baseline)
    told = [f"{standings[name]:,} {words}" for name, words in STANDINGS.items() if standings[name]]
    parts += [f"beside the baseline: {', '.join(told)}"] if told else []
    return f"{check.outcome}: {'; '.join(parts) or 'there was nothing to judge'}"


def _verdicts(runs: Iterable[CheckedRun]) -> str:
    return ", ".join(f"{count:,} {verdict}" for verdict, count in Counter(r.verdict for r in runs).most_common())


def standings(check: CheckResult) -> list[AgainstBaseline]:
    """Return how each group stands against the baseline, the worst first."""
    groups = {run.baseline.group: run.baseline for run in check.runs if run.baseline}
    return sorted(groups.values(), key=lambda each: (list(STANDINGS).index(each.standing), each.group))


def plural(count: int, word: str) -> str:
    """Return a count with its word: ``1 run``, ``2 runs``."""
    return f"{count:,} {word}{'' if count == 1 else 's'}"


def flat(text: str) -> str:
    """Return text on one line, without control characters."""
    return " ".join(printable(text).split())


def pairing(metrics: MetricChoice, columns: Columns | None = None) -> str:
    """Return what was compared with what, in words.

    Example:
        >>> pairing(MetricChoice(train="loss", val="loss"))
        'val loss with train loss, lower is better'
        >>> pairing(MetricChoice(val="acc", mode="max"), Columns(val="val_acc"))
        'val_acc alone (no train value), higher is better'
    """
    if metrics.val is None:
        return "nothing, for there is no validation metric"
    val = columns.val if columns and columns.val else f"val {metrics.val}"
    train = columns.train if columns and columns.train else f"train {metrics.train}"
    beside = f" with {train}" if metrics.train else " alone (no train value)"
    return f"{val}{beside}, {'lower' if metrics.mode == 'min' else 'higher'} is better"


def printable(text: str) -> str:
    """Return text without control characters, which could redraw a terminal and are not allowed in XML."""
    return "".join(char if char.isprintable() or char == "\n" else " " for char in text)
