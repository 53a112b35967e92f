"""Overfitting diagnostics for PyTorch, Keras and finished logs."""

from overfit_monitor.config import MonitorConfig
from overfit_monitor.duplicates import find_duplicates
from overfit_monitor.errors import MonitorWarning, OverfitMonitorError, UnreadableError, UsageError
from overfit_monitor.facts import Facts
from overfit_monitor.finished import diagnose
from overfit_monitor.monitor import Monitor
from overfit_monitor.records import Diagnosis, Finding, NotJudged, Observation, Recommendation, Report

__all__ = [
    "Diagnosis",
    "Facts",
    "Finding",
    "Monitor",
    "MonitorConfig",
    "MonitorWarning",
    "NotJudged",
    "Observation",
    "OverfitMonitorError",
    "Recommendation",
    "Report",
    "UnreadableError",
    "UsageError",
    "diagnose",
    "find_duplicates",
]
