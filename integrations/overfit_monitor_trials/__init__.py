"""Tries advice before it is believed: paired trainings, cross-validation, and how often a validation set was used."""

from overfit_monitor_trials.crossval import CrossValidation, compare, crossval
from overfit_monitor_trials.learning_curve import LearningCurve, learning_curve
from overfit_monitor_trials.ledger import Ledger
from overfit_monitor_trials.verification import Tried, Verification
from overfit_monitor_trials.verify import verify

__all__ = [
    "CrossValidation",
    "LearningCurve",
    "Ledger",
    "Tried",
    "Verification",
    "compare",
    "crossval",
    "learning_curve",
    "verify",
]
