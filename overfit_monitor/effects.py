"""What our benchmark measured of each change, shipped as data, and the order that follows from it.

The data is `effects.json`; ``benchmarks/advice.py --learn`` writes it, with its provenance.
"""

from __future__ import annotations

import json
from functools import lru_cache
from importlib.resources import files
from typing import Any, NamedTuple

from overfit_monitor.facts import Facts
from overfit_monitor.records import Effect

DATA = "effects.json"
_SAID = {
    "plain classification": "classification without normalization layers",
    "normalized classification": "classification with normalization layers",
    "regression": "regression",
}
NOT_MEASURED = "What it brings was not measured in our own benchmark."


class Known(NamedTuple):
    """The measured effect of a change on runs of this kind, and the sentence that tells it.

    Attributes:
        record: The figures, None where it was not measured.
        sentence: One sentence with them.
        gain: Expected effect: mean log ratio, below 0 is better; None where it was not measured.
        error: Standard error of ``gain`` over the tasks.
    """

    record: Effect | None
    sentence: str
    gain: float | None = None
    error: float = 0.0


def effect_of(id: str, facts: Facts) -> Known:
    """Return what was measured of a change, on runs of the same kind where there were enough of them.

    Args:
        id: The recommendation.
        facts: What is known of the run.
    """
    return _known(id, group_of(facts))


def group_of(facts: Facts) -> str:
    """Return the kind of run that effects are told apart by; empty where it is unknown."""
    if facts.loss is None or facts.loss.classification is None:
        return ""
    if not facts.loss.classification:
        return "regression"
    return "normalized classification" if facts.of_kind("norm") else "plain classification"


@lru_cache(maxsize=256)
def _known(id: str, group: str) -> Known:
    effects = _data()["effects"].get(id, {})
    found = effects.get(group) or effects.get("all")
    if found is None:
        return Known(None, NOT_MEASURED)
    kind = f"runs ({_SAID[group]}) " if group in effects else "runs "
    record = Effect(**{name: found[name] for name in Effect.model_fields})
    return Known(
        record,
        f"In our own benchmark it lowered the loss of {record.helps:.0%} of {record.runs} overfitting {kind}by 1 % or "
        f"more and raised that of {record.harms:.0%} by more than 2 %, each beside the same run stopped early.",
        found["gain"],
        found["error"],
    )


@lru_cache(maxsize=1)
def _data() -> dict[str, Any]:
    text = files("overfit_monitor").joinpath(DATA).read_text(encoding="utf-8")
    data: dict[str, Any] = json.loads(text)
    return data
