"""The comparison with the neighbours: each is asked what it is said to be asked, and a missing one has its row."""

import importlib.util
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from overfit_monitor.testing import curves

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
TOOLS = ("overfit-monitor", "trainproof", "losslint", "runmedic")


@pytest.fixture(scope="module")
def peers():
    sys.path.insert(0, str(BENCHMARKS))
    spec = importlib.util.spec_from_file_location("peers", BENCHMARKS / "peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.path.remove(str(BENCHMARKS))


def tool(peers, name):
    (found,) = [each for each in peers.TOOLS if each.name == name]
    if found.installed is None:
        pytest.skip(f"{name} is not installed")
    return found


@pytest.mark.parametrize("name", TOOLS)
def test_each_is_right_where_nothing_is_in_doubt(peers, name):
    tool(peers, name)
    for make, truth in ((curves.overfit, True), (curves.falling, False)):
        curve = make(24, sd=0.0)
        answer = peers.said({"train": curve.train, "val": curve.val, "onset": curve.onset_step or math.nan}, name)
        assert (answer.at_end, answer.ever) == (truth, truth)
    assert {tool.name for tool in peers.TOOLS} == set(TOOLS)


@pytest.mark.parametrize(
    ("name", "feature", "outcome"),
    [
        ("overfit-monitor", "fails_an_overfit_run", True),
        ("overfit-monitor", "writes_junit", True),
        ("trainproof", "writes_sarif", True),
        ("trainproof", "fails_an_overfit_run", False),
        ("losslint", "fails_where_asked", True),
        ("runmedic", "names_an_onset", True),
        ("runmedic", "has_a_pytest_plugin", False),
    ],
)
def test_what_each_can_do_is_tried(peers, tmp_path, name, feature, outcome):
    assert getattr(peers, feature)(peers.Tried(tool(peers, name), tmp_path)) is outcome


def test_what_is_missing_is_said(peers, monkeypatch, capsys, tmp_path):
    missing = replace(peers.TOOLS[1], name="of-this-name-there-is-none", module="of_this_name_there_is_none")
    monkeypatch.setattr(peers, "TOOLS", (missing,))
    peers.show_times(1, tmp_path)
    peers.show_features(tmp_path)
    peers.show_right("None", [], 1)
    assert capsys.readouterr().out.count("not installed") == 2 + len(peers.FEATURES)


def test_the_times_as_a_user_sees_them():
    command = [sys.executable, str(BENCHMARKS / "peers.py"), "--only", "times", "--rounds", "1"]
    said = subprocess.run(command, capture_output=True, text=True, check=False, timeout=500)
    assert said.returncode == 0, said.stderr
    assert all(f"| {name}" in said.stdout for name in ("import numpy", *TOOLS))
