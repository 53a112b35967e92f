"""What an analyzer has to say, with what to do about it."""

from __future__ import annotations

from typing import Any

from overfit_monitor.analyzer import Analyzer
from overfit_monitor.facts import Facts
from overfit_monitor.plotting import Curves
from overfit_monitor.records import Diagnosis, Recommendation

_NOTHING_TO_CHANGE = ("healthy", "inconclusive")


def advised(analyzer: Analyzer, facts: Facts, name: str | None = None) -> Diagnosis:
    """Return the diagnosis now, recommendations included, with the curves to draw it.

    Args:
        analyzer: What took in the run.
        facts: What is known of model, optimizer and data.
        name: Name of the run, None where it has none.
    """
    diagnosis = analyzer.diagnosis(facts)
    diagnosis._curves = Curves(analyzer.history)
    told: dict[str, Any] = {"run": name, "recommendations": _advise(diagnosis, facts)}
    if facts.changes:
        told["notes"] = (*diagnosis.notes, *map(str, facts.changes))
    return diagnosis.model_copy(update=told)


def _advise(diagnosis: Diagnosis, facts: Facts) -> tuple[Recommendation, ...]:
    if not diagnosis.findings and diagnosis.verdict in _NOTHING_TO_CHANGE:
        return ()  # a rule speaks against a finding or a verdict, so none of them need be loaded
    from overfit_monitor.advice import advise

    return advise(diagnosis, facts)
