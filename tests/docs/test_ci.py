"""The snippets of docs/ci.md are right: what can run here is run, what others run names things that are there."""

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "ci.md").read_text()
SNIPPETS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.DOTALL)
TRAIN = [1 / (1 + epoch) for epoch in range(40)]
RISING = [0.5 + loss + 0.02 * max(0, epoch - 10) for epoch, loss in enumerate(TRAIN)]
FALLING = [0.1 + loss for loss in TRAIN]


def of(language):
    return [text for name, text in SNIPPETS if name == language]


def yaml_with(key):
    (found,) = [each for text in of("yaml") if isinstance(each := yaml.safe_load(text), dict) and key in each]
    return found


@pytest.fixture
def workspace(tmp_path):
    for name, val in {"overfit": RISING, "good": FALLING}.items():
        (tmp_path / "runs").mkdir(exist_ok=True)
        (tmp_path / "runs" / f"{name}.json").write_text(json.dumps({"loss": TRAIN, "val_loss": val}))
    for name in ("dvclive", "mlruns"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "history.json").write_text(json.dumps({"loss": TRAIN, "val_loss": RISING}))
    return tmp_path


def call(line, folder):
    program, *arguments = shlex.split(line)
    module = {"overfit-monitor": "overfit_monitor", "pytest": "pytest"}[program]
    command = [sys.executable, "-m", module, *arguments]
    # Other plugins of pytest cost a second each.
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "overfit_monitor_pytest"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def test_no_snippet_is_overlooked():
    assert {name for name, _ in SNIPPETS} == {"bash", "yaml", "python", "toml"}
    assert len(of("yaml")) == 5
    assert len(of("python")) == len(of("toml")) == 1


def test_commands_end_with_what_their_runs_deserve(workspace):
    told = {}
    for line in "".join(of("bash")).splitlines():
        result = call(line, workspace)
        assert "Traceback" not in result.stderr
        told[line] = result.returncode
    held = {line: status for line, status in told.items() if "baseline" in line}
    assert set(held.values()) == {0}  # what was so before is let through
    assert {status for line, status in told.items() if line not in held} == {1}
    assert (workspace / "report.xml").is_file()
    assert (workspace / "main.json").is_file()


def test_the_action_takes_what_the_workflow_gives():
    action = yaml.safe_load((ROOT / "action.yml").read_text())
    (job,) = yaml_with("jobs")["jobs"].values()
    (step,) = [each for each in job["steps"] if "overfit-monitor@" in each.get("uses", "")]
    assert step["with"].keys() <= action["inputs"].keys()
    outputs = set(re.findall(rf"steps\.{step['id']}\.outputs\.(\w+)", yaml.dump(job)))
    assert outputs
    assert outputs <= action["outputs"].keys()
    described = PAGE.split("The inputs are ")[1].split("describes")[0]
    assert set(re.findall(r"`([a-z-]+)`", described)) == {
        *action["inputs"],
        *action["outputs"],
        *("pass", "fail", "error"),
    }


def test_the_folder_that_lies_in_the_workspace_is_the_action(tmp_path):
    (steps,) = [each for text in of("yaml") if isinstance(each := yaml.safe_load(text), list)]
    (step,) = [each for each in steps if each.get("uses", "").startswith("./")]
    (tmp_path / "overfit-monitor").symlink_to(ROOT)
    action = yaml.safe_load((tmp_path / step["uses"] / "action.yml").read_text())
    assert action["runs"]["using"] == "composite"
    assert step["with"].keys() <= action["inputs"].keys()


def test_owner_is_told_to_be_a_placeholder():
    before, _, _ = PAGE.partition("uses: OWNER/")
    assert "`OWNER` here and below stands for the account" in before


def test_the_gitlab_job_extends_what_the_template_has():
    pipeline = yaml_with("include")
    (local,) = pipeline["include"]
    template = yaml.safe_load((ROOT / local["local"]).read_text())
    job = pipeline["overfit"]
    assert job["variables"].keys() <= template[job["extends"]]["variables"].keys()
    assert set(job["needs"]) <= pipeline.keys()


def test_the_hook_is_one_of_ours():
    (repository,) = yaml_with("repos")["repos"]
    hooks = {each["id"] for each in yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())}
    assert {each["id"] for each in repository["hooks"]} <= hooks
    assert re.search(repository["hooks"][0]["files"], "experiments/a/b.csv")


def test_the_dvc_stage_writes_what_it_says(workspace):
    (stage,) = yaml_with("stages")["stages"].values()
    assert call(stage["cmd"], workspace).returncode == 1
    assert all((workspace / name).is_file() for out in stage["outs"] for name in out)
    assert all((workspace / name).exists() for name in stage["deps"])


def test_the_tests_and_the_ini_keys(workspace):
    (source,), (settings,) = of("python"), of("toml")
    given = f"fit = lambda: zip({TRAIN}, {FALLING})\n"
    filled = source.replace("[...]", str(TRAIN), 1).replace("[...]", str(FALLING), 1)
    (workspace / "test_it.py").write_text(given + filled)
    assert tomllib.loads(settings)
    (workspace / "pyproject.toml").write_text(settings)
    named = call("pytest -q test_it.py -p no:cacheprovider", workspace)
    assert named.returncode == 0, named.stdout
    assert "2 runs: 2 passed" in named.stdout
    whole = call("pytest -q -p no:cacheprovider", workspace)
    assert "4 runs: 1 failed, 3 passed" in whole.stdout
    assert whole.returncode == 1
