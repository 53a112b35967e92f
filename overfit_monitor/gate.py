"""From diagnoses and a limit to pass, fail or could not judge.

A run fails if it is at or above the limit. It is an error if nothing could be
said for want of a validation metric, or of a gap where that is limited. Too few values for a verdict is an answer,
``inconclusive``, and passes unless the limit names it: a young run is not a
broken one.

Several runs together fail if any of them does, and are an error if none fails
and anything could not be judged: a failure is the more certain news, and the
errors are listed beside it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple, get_args

from overfit_monitor.diagnosis import decide
from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.records import SEVERITIES, Diagnosis, Severity, Verdict
from overfit_monitor.reports.base import CheckedRun, CheckResult, Outcome, Unjudged

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
NO_VALIDATION: Final = "no validation metric was found"


class Broken(NamedTuple):
    """Why a run is not let through.

    Attributes:
        rule: What decided: the id of a finding, a verdict, or ``max_gap``.
        reason: The reason in words.
        unknown: Whether it is that something could not be judged.
    """

    rule: str
    reason: str
    unknown: bool = False


class MaxGap(NamedTuple):
    """The largest generalization gap allowed, at the last step.

    Attributes:
        value: The gap in the metric's own units, or as a share.
        relative: Whether it is a share of the best validation value. Not of the train value: that goes to 0 where a
            network has learned everything, and any share of it with it.
    """

    value: float
    relative: bool = False

    @classmethod
    def parse(cls, given: str | float) -> MaxGap:
        """Return the limit that ``--max-gap`` asks for.

        Args:
            given: A number, or one with ``%`` behind it.

        Raises:
            UsageError: It is neither, or below 0, or not finite.

        Example:
            >>> MaxGap.parse("10%"), MaxGap.parse(0.2)
            (MaxGap(value=0.1, relative=True), MaxGap(value=0.2, relative=False))
        """
        text = str(given).strip()
        try:
            value = float(text.removesuffix("%"))
        except ValueError:
            value = math.nan
        if not 0.0 <= value < math.inf:
            raise UsageError(f"--max-gap must be a number of at least 0, such as 0.2 or 10%, but got {given!r}.")
        relative = text.endswith("%")
        return cls(value / 100.0 if relative else value, relative)

    def __str__(self) -> str:
        return f"{self.value:.6g}" if not self.relative else f"{100.0 * self.value:.6g}%"

    def broken(self, diagnosis: Diagnosis) -> Broken | None:
        """Return why the gap of a run is too large, or not known; None where it is within the limit."""
        gap, best = diagnosis.gap, diagnosis.best_value
        value = gap.raw if gap.like_for_like is None else gap.like_for_like
        if value is None:
            return Broken("max_gap", f"the generalization gap is not known: {_no_gap(diagnosis)}", unknown=True)
        if self.relative and not best:
            return Broken("max_gap", "no share of the best validation value can be told, for it is 0", unknown=True)
        told = f"{value:.4g}{'' if gap.standard_error is None else f' ± {gap.standard_error:.2g}'}"
        if self.relative and best:
            value /= abs(best)
            told = f"{told}, {value:.1%} of the best validation value"
        if value <= self.value:
            return None
        how = "as logged, not like for like" if gap.like_for_like is None else "train measured as validation is"
        reason = f"the generalization gap of {diagnosis.metrics.val} at step {diagnosis.step} is {told} ({how})"
        return Broken("max_gap", f"{reason}, above the limit of {self}")


class Limit(NamedTuple):
    """What makes a run fail.

    Attributes:
        verdicts: Verdicts that fail.
        severity: Lowest severity of a finding that fails, None for none.
        max_gap: Largest generalization gap, None for any.
    """

    verdicts: frozenset[Verdict] = frozenset()
    severity: Severity | None = "error"
    max_gap: MaxGap | None = None

    @classmethod
    def parse(cls, values: Iterable[str], max_gap: str | float | None = None) -> Limit:
        """Return the limit that ``--fail-on`` and ``--max-gap`` ask for; of several severities the lowest counts.

        Args:
            values: Verdicts and severities, possibly several to a value with commas between; none
                at all is ``error``.
            max_gap: As `MaxGap.parse` takes it, None for any gap.

        Raises:
            UsageError: A word is neither a verdict nor a severity, or the gap is no number.

        Example:
            >>> Limit.parse(["overfitting,diverging"]).severity is None
            True
        """
        words = [word.strip().lower() for value in values for word in value.split(",") if word.strip()]
        most = None if max_gap is None else MaxGap.parse(max_gap)
        if not words:
            return cls(max_gap=most)
        for word in words:
            if word not in VERDICTS + SEVERITIES:
                raise UsageError(unknown_name("--fail-on", word, VERDICTS + SEVERITIES))
        return cls(
            verdicts=frozenset(verdict for verdict in VERDICTS if verdict in words),
            severity=next((severity for severity in SEVERITIES if severity in words), None),
            max_gap=most,
        )

    def broken(self, diagnosis: Diagnosis) -> Broken | None:
        """Return why a run fails or cannot be judged, None where it passes."""
        if diagnosis.verdict in self.verdicts:
            said = f": {diagnosis.findings[0].message}" if diagnosis.findings else ""
            decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
            rule = diagnosis.verdict if decisive is None else decisive.id
            return Broken(rule, f"the verdict is {diagnosis.verdict}{said}")
        lowest = len(SEVERITIES) if self.severity is None else SEVERITIES.index(self.severity)
        worst = next((finding for finding in diagnosis.findings if SEVERITIES.index(finding.severity) >= lowest), None)
        if worst is not None:
            return Broken(worst.id, f"{worst.severity}: {worst.id}: {worst.message}")
        return None if self.max_gap is None else self.max_gap.broken(diagnosis)


def judge(diagnosis: Diagnosis, limit: Limit, *, hint: str = "") -> CheckedRun:
    """Return the run with its outcome.

    Args:
        diagnosis: The diagnosis of the run.
        limit: What makes it fail.
        hint: What to add to the reason where there is no validation metric.
    """
    fields = {name: getattr(diagnosis, name) for name in type(diagnosis).model_fields}
    if diagnosis.metrics.val is None:
        return CheckedRun(**fields, outcome="error", rule="no_validation", reason=NO_VALIDATION + hint)
    broken = limit.broken(diagnosis)
    if broken is None:
        return CheckedRun(**fields, outcome="pass")
    return CheckedRun(**fields, outcome="error" if broken.unknown else "fail", rule=broken.rule, reason=broken.reason)


def _no_gap(diagnosis: Diagnosis) -> str:
    if diagnosis.metrics.train is None:
        return "there is no train metric beside the validation metric"
    return f"train or validation has no finite value at step {diagnosis.step}"


def conclude(runs: Sequence[CheckedRun], errors: Sequence[Unjudged], remarks: Sequence[str] = ()) -> CheckResult:
    """Return the result of the whole check: a failure outweighs an error, and an error a pass.

    Nothing at all is an error too: a gate that looked at nothing must not open.
    """
    outcomes = {run.outcome for run in runs}
    outcome: Outcome = "fail" if "fail" in outcomes else "error" if errors or outcomes != {"pass"} else "pass"
    return CheckResult(outcome=outcome, runs=tuple(runs), errors=tuple(errors), remarks=tuple(remarks))
