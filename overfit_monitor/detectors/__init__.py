"""The catalogue of detectors: what can be seen."""

from __future__ import annotations

from overfit_monitor.detectors.base import Detector
from overfit_monitor.detectors.confidence_overfitting import ConfidenceOverfitting
from overfit_monitor.detectors.divergence import Divergence
from overfit_monitor.detectors.double_descent import DoubleDescent
from overfit_monitor.detectors.instability import Instability
from overfit_monitor.detectors.late_generalization import LateGeneralization
from overfit_monitor.detectors.leakage_suspected import LeakageSuspected
from overfit_monitor.detectors.measurement_artefact import MeasurementArtefact
from overfit_monitor.detectors.memorization import Memorization
from overfit_monitor.detectors.metric_disagreement import MetricDisagreement
from overfit_monitor.detectors.noisy_validation import NoisyValidation
from overfit_monitor.detectors.non_finite import NonFinite
from overfit_monitor.detectors.overfitting import Overfitting
from overfit_monitor.detectors.plateau import Plateau
from overfit_monitor.detectors.train_val_shift import TrainValShift
from overfit_monitor.detectors.underfitting import Underfitting

__all__ = [
    "CATALOGUE",
    "ConfidenceOverfitting",
    "Detector",
    "Divergence",
    "DoubleDescent",
    "Instability",
    "LateGeneralization",
    "LeakageSuspected",
    "MeasurementArtefact",
    "Memorization",
    "MetricDisagreement",
    "NoisyValidation",
    "NonFinite",
    "Overfitting",
    "Plateau",
    "TrainValShift",
    "Underfitting",
]

CATALOGUE: tuple[type[Detector], ...] = (
    NonFinite,
    Divergence,
    Overfitting,
    Plateau,
    ConfidenceOverfitting,
    DoubleDescent,
    LateGeneralization,
    Memorization,
    MetricDisagreement,
    Underfitting,
    NoisyValidation,
    TrainValShift,
    LeakageSuspected,
    MeasurementArtefact,
    Instability,
)
