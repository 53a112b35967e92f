"""The package as a whole: its public names, and what importing it costs."""

import subprocess
import sys

import overfit_monitor

FRAMEWORKS = {"torch", "keras", "tensorflow", "tensorboard", "sklearn", "matplotlib", "rich"}


def test_public_names_are_sorted_and_there():
    assert overfit_monitor.__all__ == sorted(overfit_monitor.__all__)
    assert all(hasattr(overfit_monitor, name) for name in overfit_monitor.__all__)


def test_importing_it_imports_no_framework_and_no_heavy_part_of_scipy():
    code = "import sys, overfit_monitor, overfit_monitor.cli; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not FRAMEWORKS & set(loaded)
    assert "scipy.stats" not in loaded
