"""The pre-commit hook, run by pre-commit itself where that is installed."""

import json
import os
import re
import shutil
import sys

import pytest
import yaml


@pytest.fixture(scope="session")
def hook(root):
    (found,) = yaml.safe_load((root / ".pre-commit-hooks.yaml").read_text())
    return found


@pytest.mark.parametrize(
    ("path", "judged"),
    [
        ("runs/exp1.csv", True),
        ("models/net/history.json", True),
        ("results.csv", True),
        ("logs/a/b/metrics.jsonl", True),
        ("experiments/run7/overfit-monitor.jsonl", True),
        ("lightning_logs/version_0/metrics.csv", True),
        ("data/train.csv", False),
        ("package.json", False),
        ("src/history.py", False),
        ("docs/logs.md", False),
    ],
)
def test_which_files_it_judges(hook, path, judged):
    assert bool(re.search(hook["files"], path)) is judged


def test_it_is_a_command_of_ours_with_the_files_behind_it(hook, shell):
    assert (hook["language"], hook["require_serial"]) == ("python", True)
    assert shell(f"{hook['entry']} runs/good.json").returncode == 0
    assert shell(f"{hook['entry']} runs/good.json runs/overfit.json").returncode == 1


@pytest.mark.skipif(shutil.which("git") is None, reason="pre-commit needs git")
def test_pre_commit_runs_it(hook, shell, workspace, tmp_path):
    """In the environment of the tests, so that nothing is downloaded."""
    pytest.importorskip("pre_commit")
    repository = tmp_path / "hooks"
    repository.mkdir()
    here = {name: value for name, value in hook.items() if name != "language_version"} | {"language": "system"}
    (repository / ".pre-commit-hooks.yaml").write_text(json.dumps([here]))
    identity = "-c user.name=a -c user.email=a@b -c commit.gpgsign=false"
    start = f"git init -q && git add -A && git {identity} commit -qm start"
    environment = {"PRE_COMMIT_HOME": str(tmp_path / "cache"), "GIT_CONFIG_GLOBAL": os.devnull}
    assert shell(f"cd {repository} && {start}", **environment).returncode == 0
    (workspace / "README.md").write_text("not judged")
    assert shell(start, **environment).returncode == 0

    def run(*files):
        command = f"{sys.executable} -m pre_commit try-repo {repository} {hook['id']} --files {' '.join(files)}"
        return shell(command, **environment)

    assert "Passed" in run("runs/good.json").stdout
    assert "Skipped" in run("README.md").stdout
    failed = run("runs/good.json", "runs/overfit.json")
    assert failed.returncode == 1
    assert "overfitting" in failed.stdout
