"""Train is better than right answers can make it: single examples, wrong labels among them, are known by heart."""

from overfit_monitor.detectors.memorization.detector import Memorization

__all__ = ["Memorization"]
