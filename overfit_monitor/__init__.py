"""Overfitting diagnostics for PyTorch, Keras and finished logs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
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

# Where each is, so that the command line starts without what it does not need.
_MODULES: Final = {
    "MonitorConfig": "config",
    "MonitorWarning": "errors",
    "OverfitMonitorError": "errors",
    "UnreadableError": "errors",
    "UsageError": "errors",
    "Facts": "facts",
    "Monitor": "monitor",
    "diagnose": "finished",
    "find_duplicates": "duplicates",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES.get(name, 'records')}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
