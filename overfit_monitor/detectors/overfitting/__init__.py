"""Validation gets worse than its own best while training goes on."""

from overfit_monitor.detectors.overfitting.detector import Overfitting

__all__ = ["Overfitting"]
