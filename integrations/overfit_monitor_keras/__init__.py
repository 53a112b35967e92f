"""Keras 3: a callback that says when overfitting began, stops, and brings the best weights back.

Importing it puts a thin wrapper around ``keras.Model.fit``, so that the best
weights come back after an exception and Ctrl-C, too; why, and what else was
tried, is in ``docs/decisions/0010-restore-after-interrupt-in-keras.md``.
"""

from overfit_monitor_keras.callback import OverfitMonitor
from overfit_monitor_keras.fitting import install
from overfit_monitor_keras.probe import ProbeSettings
from overfit_monitor_keras.training import Parts, Training

__all__ = ["OverfitMonitor", "Parts", "ProbeSettings", "Training"]

install()
