"""The catalogue of rules, and the one way to ask them."""

from __future__ import annotations

from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

__all__ = ["CATALOGUE", "Rule", "advise"]

CATALOGUE: tuple[type[Rule], ...] = ()


def advise(diagnosis: Diagnosis, facts: Facts) -> tuple[Recommendation, ...]:
    """Return what to change about this run, in the order of the catalogue: best expected effect first."""
    answers = (rule().advise(diagnosis, facts) for rule in CATALOGUE)
    return tuple(answer for answer in answers if answer is not None)
