"""The contract of a rule of advice, on one screen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation


class Rule(ABC):
    """One technique: when it is worth a try on this run, and with which value.

    A rule is final and has no state. It reads the diagnosis and the facts, never
    the history; it speaks only where the technique is likely to help, and never
    for what is in place already. It must pass
    `overfit_monitor.testing.rule_checks`, which run over the whole catalogue.
    """

    id: ClassVar[str]
    against: ClassVar[tuple[str, ...]] = ("overfitting",)
    """Verdicts and ids of findings that it may speak against; it is silent where none of them is seen."""

    @abstractmethod
    def advise(self, diagnosis: Diagnosis, facts: Facts) -> Recommendation | None:
        """Return the recommendation for this run, or None where the technique has no place."""

    @classmethod
    def may_speak(cls, diagnosis: Diagnosis, facts: Facts) -> bool:
        """Return whether the run has what the rule is against, and its change is not applied yet."""
        seen = {diagnosis.verdict, *(f.id for f in diagnosis.findings if f.id != "overfitting")}
        return cls.id not in facts.applied and not seen.isdisjoint(cls.against)
