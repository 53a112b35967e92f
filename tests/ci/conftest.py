"""A folder with logs of known truth, and shell scripts run in it as a CI system runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = [1 / (1 + epoch) for epoch in range(40)]
OVERFIT = [0.5 + loss + 0.02 * max(0, epoch - 10) for epoch, loss in enumerate(TRAIN)]
GOOD = [0.1 + loss for loss in TRAIN]


@pytest.fixture
def workspace(tmp_path):
    """Return a folder with ``runs/overfit.json`` and ``runs/good.json``."""
    logs = tmp_path / "workspace" / "runs"
    logs.mkdir(parents=True)
    for name, val in {"overfit": OVERFIT, "good": GOOD}.items():
        (logs / f"{name}.json").write_text(json.dumps({"loss": TRAIN, "val_loss": val}))
    return logs.parent


@pytest.fixture
def commands(tmp_path):
    """Return a folder with the commands of the environment that runs the tests."""
    folder = tmp_path / "commands"
    folder.mkdir()
    command = folder / "overfit-monitor"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m overfit_monitor "$@"\n')
    command.chmod(0o755)
    return folder


@pytest.fixture
def shell(workspace, commands):
    """Return what runs a script as GitHub and GitLab do on Linux, in the workspace."""

    def run(script, **variables):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GITHUB_")}
        environment = kept | {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "TERM": "dumb"} | variables
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script],
            cwd=workspace,
            env=environment,
            capture_output=True,
            text=True,
            timeout=500,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def root():
    """Return the repository."""
    return Path(__file__).parents[2]
