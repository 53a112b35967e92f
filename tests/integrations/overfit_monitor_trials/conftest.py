"""Cluster workers import the toys by name."""

import os
import sys
from pathlib import Path

import pytest

HERE = str(Path(__file__).parent)
sys.path.insert(0, HERE)
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [HERE, os.environ.get("PYTHONPATH")]))

from overfit_monitor.records import Effect, Recommendation  # noqa: E402


@pytest.fixture
def advice():
    changes = {"weight_decay": 1.0, "dropout": 0.2, "noise_scale": 0.1}
    return [Recommendation(id=name, title="", why="", change={name: value}, code="") for name, value in changes.items()]


@pytest.fixture
def effect():
    return Effect(runs=50, ratio=0.95, low=0.85, high=1.02, helps=0.7, harms=0.08)
