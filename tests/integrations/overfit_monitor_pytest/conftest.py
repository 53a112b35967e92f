"""A project of a user, with logs of known truth."""

import json

import pytest

# What an inner session imports first is unloaded after it, which numpy does not survive.
import scipy.special  # noqa: F401

import overfit_monitor_pytest.guard
import overfit_monitor_pytest.logs  # noqa: F401
from overfit_monitor import diagnose

TRAIN = [1 / (1 + epoch) for epoch in range(40)]
CURVES = {
    "overfit": [0.5 + loss + 0.02 * max(0, epoch - 10) for epoch, loss in enumerate(TRAIN)],
    "good": [0.1 + loss for loss in TRAIN],
    "short": [0.1 + loss for loss in TRAIN[:4]],
}
TABLES = {name: {"loss": TRAIN[: len(val)], "val_loss": val} for name, val in CURVES.items()}


LOOP = """for train, val in zip(TRAIN, CURVES[{curve!r}]):
        overfit_guard.log(train={{"loss": train}}, val={{"loss": val}})"""


@pytest.fixture(autouse=True, scope="session")
def warmed():
    """Load what is imported when the first run is judged."""
    assert diagnose(train=TRAIN, val=CURVES["overfit"]).verdict == "overfitting"


@pytest.fixture
def project(pytester, monkeypatch):
    """Return a folder with logs in ``runs``, and a module of the curves for its tests.

    Its sessions have no plugin but ours: others cost a second each, and are none of what is tested.
    """
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "overfit_monitor_pytest")
    pytester.makepyfile(curves=f"TRAIN = {TRAIN}\nCURVES = {CURVES}\nTABLES = {TABLES}\n")
    logs = pytester.mkdir("runs")
    for name, table in TABLES.items():
        (logs / f"{name}.json").write_text(json.dumps(table))
    return pytester


@pytest.fixture
def training():
    """Return what makes the source of a test that logs a curve."""

    def make(curve, *, end="pass", before="", body="", fixtures="overfit_guard"):
        return f"""
import pytest
from curves import CURVES, TABLES, TRAIN
from overfit_monitor_pytest import assert_generalizes

{before}
def test_training({fixtures}):
    {body or LOOP.format(curve=curve)}
    {end}
"""

    return make
