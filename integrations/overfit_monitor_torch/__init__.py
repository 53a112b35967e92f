"""PyTorch: three lines in a plain training loop watch it, stop it and bring the best weights back."""

from overfit_monitor_torch.averaging import Averaging, average_weights
from overfit_monitor_torch.facts import read_facts
from overfit_monitor_torch.measuring import ProbeSettings
from overfit_monitor_torch.metered import metered
from overfit_monitor_torch.monitor import TorchMonitor
from overfit_monitor_torch.training import Parts, Training
from overfit_monitor_torch.watch import watch

__all__ = [
    "Averaging",
    "Parts",
    "ProbeSettings",
    "TorchMonitor",
    "Training",
    "average_weights",
    "metered",
    "read_facts",
    "watch",
]
