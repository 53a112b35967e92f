"""The GitHub Action: its steps run as GitHub runs them, and no input is ever a command."""

import json
import re
from xml.etree import ElementTree as ET

import pytest
import yaml

HOSTILE = "$(touch hacked)`touch hacked`; touch hacked #\"'"


@pytest.fixture(scope="session")
def action(root):
    return yaml.safe_load((root / "action.yml").read_text())


def step(action, name):
    (found,) = [each for each in action["runs"]["steps"] if each["name"] == name]
    return found


def filled(action, given):
    """Return the inputs with their defaults."""
    assert given.keys() <= action["inputs"].keys()
    return {name: given.get(name, each.get("default", "")) for name, each in action["inputs"].items()}


def environment(action, each, given):
    """Return the environment of a step, its expressions resolved as GitHub does."""
    inputs = filled(action, given)
    found = {name: re.fullmatch(r"\$\{\{ inputs\.([a-z-]+) \}\}", value) for name, value in each["env"].items()}
    return {name: inputs[match[1]] for name, match in found.items()}


@pytest.fixture
def check(action, shell, tmp_path, commands):
    """Return what runs the step that checks, and what it left."""
    (tmp_path / "temp" / "overfit-monitor").mkdir(parents=True)
    (tmp_path / "temp" / "overfit-monitor" / "bin").symlink_to(commands)
    files = {name: tmp_path / name.lower() for name in ("GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}

    def run(**given):
        each = step(action, "Check")
        inputs = {name.replace("_", "-"): value for name, value in given.items()}
        variables = environment(action, each, inputs) | {name: str(path) for name, path in files.items()}
        result = shell(each["run"], RUNNER_TEMP=str(tmp_path / "temp"), GITHUB_ACTIONS="true", **variables)
        told = {name: path.read_text() if path.exists() else "" for name, path in files.items()}
        outputs = dict(line.split("=", 1) for line in told["GITHUB_OUTPUT"].splitlines())
        return result, outputs, told["GITHUB_STEP_SUMMARY"]

    return run


def test_it_is_a_composite_action_that_lists_what_it_takes_and_gives(action):
    assert action["runs"]["using"] == "composite"
    assert {name for name, each in action["inputs"].items() if each.get("required")} == {"paths"}
    assert all(each["description"] for each in (*action["inputs"].values(), *action["outputs"].values()))
    values = {each["value"] for each in action["outputs"].values()}
    assert values == {f"${{{{ steps.check.outputs.{name} }}}}" for name in action["outputs"]}


def test_inputs_reach_scripts_through_the_environment_only(action):
    used = set()
    for each in action["runs"]["steps"]:
        assert "${{" not in each.get("run", ""), each["name"]
        assert each.get("shell") == "bash" or "uses" in each
        used |= set(re.findall(r"inputs\.([a-z-]+)", json.dumps(each)))
    assert used == action["inputs"].keys()


def test_an_overfit_run_fails_the_job_and_is_told_everywhere(check, workspace):
    result, outputs, summary = check(paths="runs\n")
    assert result.returncode == 1, result.stderr
    assert outputs == {
        "outcome": "fail",
        "json": "overfit-reports/report.json",
        "junit": "overfit-reports/report.xml",
        "sarif": "overfit-reports/report.sarif",
    }
    (error,) = [line for line in result.stdout.splitlines() if line.startswith("::error")]
    assert "overfit" in error
    assert "overfitting" in summary
    assert json.loads((workspace / outputs["json"]).read_text())["outcome"] == "fail"
    assert ET.parse(workspace / outputs["junit"]).getroot().get("failures") == "1"
    sarif = json.loads((workspace / outputs["sarif"]).read_text())
    assert (sarif["version"], len(sarif["runs"][0]["results"])) == ("2.1.0", 1)


@pytest.mark.parametrize(
    ("given", "status", "outcome"),
    [
        ({"paths": "runs/good.json"}, 0, "pass"),
        ({"paths": "runs/good.json\r\n\r\nruns/overfit.json\r\n", "fail_on": "diverging"}, 0, "pass"),
        ({"paths": "runs/good.json", "max_gap": "0.05"}, 1, "fail"),
        ({"paths": "nowhere"}, 2, "error"),
        ({"paths": ""}, 2, "error"),
        ({"paths": "runs", "baseline": "main.json"}, 0, "pass"),
        ({"paths": "runs", "config": "other.toml", "format": "text"}, 0, "pass"),
    ],
)
def test_outcomes(check, shell, workspace, given, status, outcome):
    (workspace / "other.toml").write_text('fail_on = "diverging"\n')
    if "baseline" in given:
        assert shell("overfit-monitor baseline update runs --output main.json").returncode == 0
    result, outputs, _ = check(**given)
    assert (result.returncode, outputs["outcome"]) == (status, outcome), result.stdout + result.stderr


@pytest.mark.parametrize(
    ("hostile", "status"),
    [(["paths"], 2), (["fail_on", "max_gap", "baseline", "config", "format"], 2), (["reports"], 0)],
)
def test_no_input_is_a_command(check, workspace, hostile, status):
    result, outputs, _ = check(**{"paths": "runs/good.json"} | dict.fromkeys(hostile, HOSTILE))
    assert not list(workspace.rglob("hacked"))
    assert (result.returncode, outputs["outcome"]) == (status, {0: "pass", 2: "error"}[status])


def test_no_input_is_an_option_or_another_output(check, workspace):
    result, outputs, _ = check(paths="--exit-zero\nruns/overfit.json")
    assert (result.returncode, outputs["outcome"]) == (1, "fail")
    _, outputs, _ = check(paths="runs/good.json", reports="out\noutcome=mine")
    assert outputs["outcome"] == "pass"


@pytest.mark.parametrize(
    ("given", "requirement"),
    [
        ({}, "/the/action[tensorboard]"),
        ({"action": "/the/workspace/./overfit-monitor"}, "/the/workspace/./overfit-monitor[tensorboard]"),
        ({"extras": ""}, "/the/action"),
        ({"version": "0.1.0"}, "overfit-monitor[tensorboard]==0.1.0"),
        ({"version": HOSTILE, "extras": "yaml,remote"}, f"overfit-monitor[yaml,remote]=={HOSTILE}"),
    ],
)
def test_what_is_installed(action, shell, workspace, commands, tmp_path, given, requirement):
    """Of the action as it lies there, be it a folder of the workspace.

    A python that only writes down what it was called with stands in for the real one.
    """
    stub = commands / "python"
    stub.write_text(
        '#!/bin/sh\nif [ "$2" = venv ]; then mkdir -p "$3/bin"; cp "$0" "$3/bin/python"; exit; fi\n'
        'printf "%s\\n" "$@" > called\n'
    )
    stub.chmod(0o755)
    each = step(action, "Install overfit-monitor")
    place = given.get("action", "/the/action")
    given = {name: value for name, value in given.items() if name != "action"}
    variables = environment(action, each, given) | {"RUNNER_TEMP": str(tmp_path), "GITHUB_ACTION_PATH": place}
    assert shell(each["run"], **variables).returncode == 0
    called = (workspace / "called").read_text().splitlines()
    assert called[:3] == ["-m", "pip", "install"]
    assert called[-1] == requirement
    assert not (workspace / "hacked").exists()
