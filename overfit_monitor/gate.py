"""From diagnoses and a limit to pass, fail or could not judge.

A run fails if it is at or above the limit. It is an error if nothing could be
said for want of a validation metric. Too few values for a verdict is an answer,
``inconclusive``, and passes unless the limit names it: a young run is not a
broken one.

Several runs together fail if any of them does, and are an error if none fails
and anything could not be judged: a failure is the more certain news, and the
errors are listed beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.records import SEVERITIES, Diagnosis, Severity, Verdict
from overfit_monitor.reports.base import CheckedRun, CheckResult, Outcome, Unjudged

VERDICTS: Final[tuple[Verdict, ...]] = get_args(Verdict)
NO_VALIDATION: Final = "no validation metric was found"


@dataclass(frozen=True, slots=True)
class Limit:
    """What makes a run fail.

    Attributes:
        verdicts: Verdicts that fail.
        severity: Lowest severity of a finding that fails, None for none.
    """

    verdicts: frozenset[Verdict] = frozenset()
    severity: Severity | None = "error"

    @classmethod
    def parse(cls, values: Iterable[str]) -> Limit:
        """Return the limit that ``--fail-on`` asks for; of several severities the lowest counts.

        Args:
            values: Verdicts and severities, possibly several to a value with commas between; none
                at all is ``error``.

        Raises:
            UsageError: A word is neither a verdict nor a severity.

        Example:
            >>> Limit.parse(["overfitting,diverging"]).severity is None
            True
        """
        words = [word.strip().lower() for value in values for word in value.split(",") if word.strip()]
        if not words:
            return cls()
        for word in words:
            if word not in VERDICTS + SEVERITIES:
                raise UsageError(unknown_name("--fail-on", word, VERDICTS + SEVERITIES))
        return cls(
            verdicts=frozenset(verdict for verdict in VERDICTS if verdict in words),
            severity=next((severity for severity in SEVERITIES if severity in words), None),
        )

    def reason(self, diagnosis: Diagnosis) -> str | None:
        """Return why a run fails, None where it does not."""
        if diagnosis.verdict in self.verdicts:
            said = f": {diagnosis.findings[0].message}" if diagnosis.findings else ""
            return f"the verdict is {diagnosis.verdict}{said}"
        if self.severity is None:
            return None
        lowest = SEVERITIES.index(self.severity)
        worst = next((finding for finding in diagnosis.findings if SEVERITIES.index(finding.severity) >= lowest), None)
        return None if worst is None else f"{worst.severity}: {worst.id}: {worst.message}"


def judge(diagnosis: Diagnosis, limit: Limit, *, hint: str = "") -> CheckedRun:
    """Return the run with its outcome.

    Args:
        diagnosis: The diagnosis of the run.
        limit: What makes it fail.
        hint: What to add to the reason where there is no validation metric.
    """
    fields = {name: getattr(diagnosis, name) for name in type(diagnosis).model_fields}
    if diagnosis.metrics.val is None:
        return CheckedRun(**fields, outcome="error", reason=NO_VALIDATION + hint)
    reason = limit.reason(diagnosis)
    return CheckedRun(**fields, outcome="pass" if reason is None else "fail", reason=reason)


def conclude(runs: Sequence[CheckedRun], errors: Sequence[Unjudged]) -> CheckResult:
    """Return the result of the whole check: a failure outweighs an error, and an error a pass.

    Nothing at all is an error too: a gate that looked at nothing must not open.
    """
    outcomes = {run.outcome for run in runs}
    outcome: Outcome = "fail" if "fail" in outcomes else "error" if errors or outcomes != {"pass"} else "pass"
    return CheckResult(outcome=outcome, runs=tuple(runs), errors=tuple(errors))
