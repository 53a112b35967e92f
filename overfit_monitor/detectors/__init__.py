"""The catalogue of detectors: what can be seen, and what cannot be judged yet."""

from __future__ import annotations

from overfit_monitor.detectors.base import Detector
from overfit_monitor.detectors.confidence_overfitting import ConfidenceOverfitting
from overfit_monitor.detectors.divergence import Divergence
from overfit_monitor.detectors.double_descent import DoubleDescent
from overfit_monitor.detectors.late_generalization import LateGeneralization
from overfit_monitor.detectors.memorization import Memorization
from overfit_monitor.detectors.metric_disagreement import MetricDisagreement
from overfit_monitor.detectors.non_finite import NonFinite
from overfit_monitor.detectors.overfitting import Overfitting
from overfit_monitor.detectors.plateau import Plateau
from overfit_monitor.records import NotJudged

__all__ = [
    "CATALOGUE",
    "UNSEEN",
    "ConfidenceOverfitting",
    "Detector",
    "Divergence",
    "DoubleDescent",
    "LateGeneralization",
    "Memorization",
    "MetricDisagreement",
    "NonFinite",
    "Overfitting",
    "Plateau",
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
)

_NO_DETECTOR = "this version has no detector for it"
UNSEEN: tuple[NotJudged, ...] = tuple(
    NotJudged(id=id, reason=_NO_DETECTOR)
    for id in (
        "leakage_suspected",
        "measurement_artefact",
        "noisy_validation",
        "train_val_shift",
        "underfitting",
    )
)
