"""In which order recommendations come: what must be put right first, then by measured effect."""

from __future__ import annotations

import math
from typing import Final

from overfit_monitor.effects import Known, effect_of
from overfit_monitor.facts import Facts
from overfit_monitor.records import Recommendation

# What is wrong with the judgement itself, and what all effects were measured on top of.
FIRST: Final = ("remove_duplicates", "clean_labels", "early_stopping")
STANDARD_ERRORS: Final = 2.0


def ordered(answers: tuple[Recommendation, ...], facts: Facts) -> tuple[Recommendation, ...]:
    """Return the recommendations in order, each with those it is tied with.

    First `FIRST`; then what was measured to help on average, largest expected effect (mean log ratio of the loss)
    first; then what was not measured, in the order of the catalogue; last what was measured not to help on average.
    Two effects are tied where they differ by less than two standard errors of their difference.
    """
    known = {answer.id: effect_of(answer.id, facts) if answer.effect else Known(None, "") for answer in answers}
    place = {answer.id: i for i, answer in enumerate(answers)}

    def key(answer: Recommendation) -> tuple[int, float, int]:
        gain = known[answer.id].gain
        if answer.id in FIRST:
            return 0, 0.0, place[answer.id]
        if gain is None:
            return 2, 0.0, place[answer.id]
        return (1 if gain < 0.0 else 3), gain, place[answer.id]

    return tuple(
        answer.model_copy(update={"tied_with": _ties(answer.id, known)})
        if known[answer.id].gain is not None
        else answer
        for answer in sorted(answers, key=key)
    )


def _ties(id: str, known: dict[str, Known]) -> tuple[str, ...]:
    return tuple(other for other in known if other != id and _tied(known[id], known[other]))


def _tied(one: Known, other: Known) -> bool:
    if one.gain is None or other.gain is None or (one.gain < 0.0) is not (other.gain < 0.0):
        return False
    return abs(one.gain - other.gain) < STANDARD_ERRORS * math.hypot(one.error, other.error)
