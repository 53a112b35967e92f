"""From findings to the one word for the run, and the gap at its end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from overfit_monitor.records import SEVERITIES, Finding, Gap, NotJudged, Verdict, finite_or_none
from overfit_monitor.signals import Signal

# A finding that decides the verdict, the decisive one first: a run that comes apart is not called overfit.
DECIDES: dict[str, Verdict] = {
    "non_finite": "diverging",
    "divergence": "diverging",
    "overfitting": "overfitting",
    "underfitting": "underfitting",
}


def decide(findings: Sequence[Finding], not_judged: Sequence[NotJudged]) -> tuple[Verdict, Finding | None]:
    """Return the verdict and the finding that decided it.

    A finding decides only as an error. Without one, the run is inconclusive if overfitting could not be
    looked for, or if validation is so noisy that it could not be seen, and healthy otherwise.
    """
    errors = {finding.id: finding for finding in findings if finding.severity == "error"}
    for id, verdict in DECIDES.items():
        if id in errors:
            return verdict, errors[id]
    if any(item.id == "overfitting" for item in not_judged):
        return "inconclusive", None
    noisy = next((finding for finding in findings if finding.id == "noisy_validation"), None)
    if noisy is not None and noisy.severity == "warning":
        return "inconclusive", noisy
    return "healthy", None


def worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings by severity, the worst first, otherwise in the order given."""
    return tuple(sorted(findings, key=lambda finding: -SEVERITIES.index(finding.severity)))


def gap_of(signal: Signal) -> Gap:
    """Return the generalization gap at an evaluation, larger is worse, and what of it is real."""
    raw = None if signal.train is None else finite_or_none(signal.val - signal.train)
    probed = signal.probe is not None and signal.probe_step == signal.step
    real = finite_or_none(signal.val - signal.probe) if probed and signal.probe is not None else None
    errors = [s.standard_error for s in (signal.sampling, signal.probe_sampling) if s is not None]
    return Gap(
        raw=raw,
        like_for_like=real,
        standard_error=math.hypot(*errors) if real is not None and len(errors) == 2 else None,
        artefact=None if raw is None or real is None else raw - real,
    )
