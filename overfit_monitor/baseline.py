"""What runs were like before, and whether they got worse since.

A check that is held against a baseline fails only where something got worse:

- the best validation value, by more than the noise between seeds (`overfit_monitor.comparison`), or
- a run is at or above its limit, and none of the group's seeds was when the baseline was written, or none with this
  verdict, or far fewer of them. Where it is there for overfitting or for the gap, and the loss since the best step, or
  the gap, is within the noise between the seeds of the baseline, it is let through.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import comb
from typing import Final, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field

from overfit_monitor.baseline_file import ANY, BaselineFile, Group, Judged, Values, gap_of, grouped
from overfit_monitor.comparison import Comparison, Measured, compare
from overfit_monitor.gate import conclude
from overfit_monitor.records import Mode
from overfit_monitor.reports.base import AgainstBaseline, CheckedRun, CheckResult, Outcome, Standing, Unjudged


class BaselineRules(BaseModel):
    """What becomes of what cannot simply be compared.

    Attributes:
        new: What becomes of a run that the baseline has not: ``judge`` it by its limit, let it ``pass``, or ``fail``.
        vanished: What becomes of a group of the baseline without a run: a ``note``, or an ``error`` (could not judge).
        incomparable: What becomes of a run that is judged by another metric than the baseline, or has no finite value:
            an ``error`` (could not judge), ``fail``, or a ``note``.
        false_alarm_rate: Largest share of checks of equally good runs that may fail for a worse best value, all groups
            together (Bonferroni).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    new: Literal["judge", "pass", "fail"] = "judge"
    vanished: Literal["note", "error"] = "note"
    incomparable: Literal["error", "fail", "note"] = "error"
    false_alarm_rate: float = Field(default=0.05, ge=0.001, le=0.5)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A baseline in use.

    Attributes:
        content: What runs were like.
        source: The file, for messages.
        rules: What becomes of what cannot simply be compared.
        seeds: Patterns for runs that are seeds of one configuration, see `group_of`.
    """

    content: BaselineFile
    source: str
    rules: BaselineRules = field(default_factory=BaselineRules)
    seeds: Sequence[str] = ()

    def held_against(
        self,
        judged: Sequence[tuple[CheckedRun, Measured | None]],
        errors: Sequence[Unjudged],
        remarks: Sequence[str] = (),
        *,
        running: bool = False,
    ) -> CheckResult:
        """Return the result of a check in which only what got worse fails.

        Args:
            judged: The runs with what they tell about how good they are, None where that was not measured.
            errors: What could not be judged.
            remarks: What is worth knowing of the check as a whole.
            running: Whether the runs are still under way. What their best value will be, and which runs there will
                be, is not known then, and nothing fails for it.
        """
        known = [(run, measured or Measured()) for run, measured in judged]
        groups = grouped(known, (*sorted(self.content.groups, key=_literal_first), *self.seeds))
        compared = sum(name in self.content.groups for name in groups)
        by_run: dict[int, CheckedRun] = {}
        for name, members in groups.items():
            base = self.content.groups.get(name)
            held = _Held(name, base, members, self.rules, compared, running=running)
            by_run |= {id(run): held.run(run) for run, _ in members}
        gone = [] if running else sorted(self.content.groups.keys() - groups.keys())
        told = [f"{name!r} is in the baseline {self.source}, but there is no such run" for name in gone]
        if self.rules.vanished == "error":
            errors = [*errors, *(Unjudged(source=self.source, run=n, message=_GONE) for n in gone)]
            told = []
        return conclude([by_run[id(run)] for run, _ in known], errors, [*remarks, *told])


_AS_BEFORE: Final = "as in the baseline"
_GONE: Final = "in the baseline, but there is no such run"


class _Decided(NamedTuple):
    outcome: Outcome
    rule: str | None = None
    reason: str | None = None
    tolerated: str | None = None


class _Held:
    """One group beside what it was."""

    def __init__(
        self,
        name: str,
        base: Group | None,
        members: Sequence[Judged],
        rules: BaselineRules,
        compared: int,
        *,
        running: bool,
    ) -> None:
        self._name, self._base, self._members, self._rules, self._running = name, base, members, rules, running
        self._rate = min(0.99, 2.0 * rules.false_alarm_rate / max(1, compared))
        self._comparison = None if base is None else self._compare(base.measured(), [m for _, m in members])

    def run(self, run: CheckedRun) -> CheckedRun:
        """Return the run with how it stands and the outcome that follows."""
        decided = self._decided(run)
        comparison = self._comparison
        told = {} if comparison is None else comparison.model_dump(exclude={"sure", "reason"})
        against = AgainstBaseline(
            group=self._name,
            seeds=len(self._members),
            base_seeds=0 if self._base is None else self._base.seeds,
            standing=self._standing(),
            reason="not in the baseline" if comparison is None else comparison.reason.rstrip("."),
            tolerated=decided.tolerated,
            **told,
        )
        update = {"outcome": decided.outcome, "rule": decided.rule, "reason": decided.reason, "baseline": against}
        return run.model_copy(update=update)

    def _standing(self) -> Standing:
        comparison = self._comparison
        if comparison is None:
            return "new"
        if comparison.difference is None:
            return "incomparable"
        if comparison.sure is None:
            return "unknown"
        if not comparison.sure:
            return "same"
        return "worse" if comparison.difference > 0.0 else "better"

    def _decided(self, run: CheckedRun) -> _Decided:
        standing = self._standing()
        if standing == "worse" and run.rule != "no_validation" and not self._running:
            return _Decided("fail", "baseline", self._reason())
        early = self._running and run.best_value is None
        if standing == "incomparable" and run.outcome == "pass" and not early and self._rules.incomparable != "note":
            return _Decided(self._rules.incomparable, "baseline", self._reason())
        if standing == "new" and run.outcome == "pass" and self._rules.new == "fail":
            return _Decided("fail", "baseline", f"{self._name}: not in the baseline")
        if run.outcome != "fail":
            return _Decided(run.outcome, run.rule, run.reason)
        tolerated = self._tolerated(run)
        if tolerated is not None:
            return _Decided("pass", tolerated=f"{run.reason} ({tolerated})")
        return _Decided("fail", run.rule, f"{run.reason}{self._before(run)}")

    def _tolerated(self, run: CheckedRun) -> str | None:
        """Return why a run at or above its limit is let through, None where it is not."""
        base = self._base
        if base is None:
            return "not in the baseline" if self._rules.new == "pass" else None
        if base.failed and run.verdict in base.verdicts:
            now, seeds = sum(r.outcome == "fail" for r, _ in self._members), len(self._members)
            if more_often(now, seeds, base.failed, base.seeds) <= self._rate / 2.0:
                return None
            return f"as in the baseline, where {base.failed} of {base.seeds} did" if base.seeds > 1 else _AS_BEFORE
        return "within the noise between the seeds of the baseline" if self._within_noise(run) else None

    def _reason(self) -> str:
        comparison = self._comparison
        told = "" if comparison is None else comparison.reason.rstrip(".")
        metric = self._members[0][1].metric
        best = f"the best {metric}" if comparison is not None and comparison.difference is not None else "the value"
        return f"{self._name}: {best} is {told}" if self._standing() == "worse" else f"{self._name}: {told}"

    def _before(self, run: CheckedRun) -> str:
        base = self._base
        if base is None:
            return ""
        if base.failed:
            other = "" if run.verdict in base.verdicts else f", the verdict {' or '.join(base.verdicts)}"
            return f" (in the baseline {base.failed} of {base.seeds} did{other})"
        return f" (in the baseline {'it did not' if base.seeds == 1 else f'none of {base.seeds} seeds did'})"

    def _within_noise(self, run: CheckedRun) -> bool:
        base = self._base
        if base is None or base.seeds < 2:
            return False
        if run.rule == "max_gap":
            before, now = base.gap, tuple(gap_of(r) for r, _ in self._members)
        elif run.rule == "overfitting":
            before = tuple(_lost(b, last, base.mode) for b, last in zip(base.best, base.last, strict=True))
            now = tuple(_lost(r.best_value, r.last_value, r.metrics.mode) for r, _ in self._members)
        else:
            return False
        if None in before or None in now:
            return False
        return self._compare(_plain(before), _plain(now)).sure is False

    def _compare(self, base: Sequence[Measured], other: Sequence[Measured]) -> Comparison:
        # Both sides may be told as different, and only a worse one fails: twice the rate.
        return compare(base, other, false_alarm_rate=self._rate)


def more_often(now: int, seeds: int, before: int, base_seeds: int) -> float:
    """Return the probability that at least so many of the seeds fail now, if as large a share of all did before.

    One-sided exact test of Fisher (1922, Journal of the Royal Statistical Society 85).

    Args:
        now: Number of seeds that fail now.
        seeds: Number of seeds now.
        before: Number of seeds that failed before.
        base_seeds: Number of seeds before.

    Example:
        >>> round(more_often(5, 5, 1, 5), 3), more_often(1, 1, 1, 3)
        (0.024, 0.5)
    """
    total, failed = seeds + base_seeds, now + before
    ways = sum(comb(failed, k) * comb(total - failed, seeds - k) for k in range(now, min(seeds, failed) + 1))
    return ways / comb(total, seeds)


def _lost(best: float | None, last: float | None, mode: Mode) -> float | None:
    if best is None or last is None:
        return None
    return best - last if mode == "max" else last - best


def _plain(values: Values) -> list[Measured]:
    return [Measured(metric="value", value=value) for value in values]


def _literal_first(name: str) -> tuple[bool, int, str]:
    return ANY in name, -len(name), name
