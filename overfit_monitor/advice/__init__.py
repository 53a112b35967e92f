"""The catalogue of rules, and the one way to ask them."""

from __future__ import annotations

from overfit_monitor.advice.augmentation import Augmentation
from overfit_monitor.advice.base import Rule
from overfit_monitor.advice.dropout import Dropout
from overfit_monitor.advice.early_stopping import EarlyStopping
from overfit_monitor.advice.input_noise import InputNoise
from overfit_monitor.advice.label_smoothing import LabelSmoothing
from overfit_monitor.advice.more_data import MoreData
from overfit_monitor.advice.smaller_model import SmallerModel
from overfit_monitor.advice.weight_decay import WeightDecay
from overfit_monitor.facts import Facts
from overfit_monitor.records import Diagnosis, Recommendation

__all__ = ["CATALOGUE", "Rule", "advise"]

# Best expected effect first; how the order came about, and what in it is a tie: docs/recommendations/README.md.
CATALOGUE: tuple[type[Rule], ...] = (
    EarlyStopping,
    WeightDecay,
    LabelSmoothing,
    Dropout,
    Augmentation,
    MoreData,
    SmallerModel,
    InputNoise,
)


def advise(diagnosis: Diagnosis, facts: Facts) -> tuple[Recommendation, ...]:
    """Return what to change about this run, in the order of the catalogue: best expected effect first."""
    answers = (rule().advise(diagnosis, facts) for rule in CATALOGUE)
    return tuple(answer for answer in answers if answer is not None)
