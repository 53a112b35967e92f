"""The GitLab template: its script runs as a runner runs it."""

from xml.etree import ElementTree as ET

import pytest
import yaml


@pytest.fixture(scope="session")
def job(root):
    content = yaml.safe_load((root / "templates" / "gitlab-ci.yml").read_text())
    (name,) = content
    assert name.startswith(".")  # a hidden job, to be extended
    return content[name]


@pytest.mark.parametrize(
    ("variables", "status", "failures"),
    [
        ({}, 1, "1"),
        ({"OVERFIT_PATHS": "runs/good.json"}, 0, "0"),
        ({"OVERFIT_PATHS": "runs/good.json runs/overfit.json", "OVERFIT_ARGUMENTS": "--fail-on diverging"}, 0, "0"),
        ({"OVERFIT_PATHS": "nowhere"}, 2, "0"),
    ],
)
def test_the_script(job, shell, workspace, variables, status, failures):
    result = shell("\n".join(job["script"]), **job["variables"] | variables)
    assert result.returncode == status, result.stderr
    assert f"exit status {status}" in result.stdout  # a person reads it in the log of the job
    assert ET.parse(workspace / job["artifacts"]["reports"]["junit"]).getroot().get("failures") == failures
    assert all((workspace / path).is_file() for path in job["artifacts"]["paths"])
    assert job["artifacts"]["when"] == "always"


def test_what_is_installed_is_one_package(job, shell, commands, workspace):
    stub = commands / "python"
    stub.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > called\n')
    stub.chmod(0o755)
    assert shell("\n".join(job["before_script"]), **job["variables"]).returncode == 0
    assert (workspace / "called").read_text().splitlines()[-1] == "overfit-monitor[tensorboard]"
