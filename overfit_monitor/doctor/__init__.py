"""What is installed, what is in a log, and why the check or the tab says what it says."""

from overfit_monitor.doctor.environment import Environment, look_at_environment
from overfit_monitor.doctor.logs import Log, look_at_log

__all__ = ["Environment", "Log", "look_at_environment", "look_at_log"]
