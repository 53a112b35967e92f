"""The examples for CI systems run as these run them, each in a folder of its own."""

import csv
import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKFLOW = EXAMPLES / "04_ci_workflow"


def run(command, folder, **variables):
    """Run a command with those of the environment of the tests at hand, also where it is not activated."""
    commands = folder.parent / f"{folder.name}-commands"
    if not commands.exists():
        commands.mkdir()
        for name, module in {"python": "", "overfit-monitor": "-m overfit_monitor", "dvc": "-m dvc"}.items():
            (commands / name).write_text(f'#!/bin/sh\nexec {sys.executable} {module} "$@"\n')
            (commands / name).chmod(0o755)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GITHUB_", "MLFLOW_"))}
    # One thread: for networks as small as these, more of them only wait for each other.
    own = {"PATH": f"{commands}{os.pathsep}{os.environ['PATH']}", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.run(command, cwd=folder, env=kept | own | variables, capture_output=True, text=True, check=False)


def steps_after_installation():
    workflow = yaml.safe_load((WORKFLOW / "overfit.yml").read_text(encoding="utf-8"))
    (job,) = workflow["jobs"].values()
    names = [step.get("name") for step in job["steps"]]
    return job, job["steps"][names.index("Install") + 1 :]


def play(job, steps, folder, **variables):
    """Run the shell steps as the CI does; return what failed the job, or None, and the results by name."""
    failed, results = None, {}
    for step in steps:
        condition = step.get("if", "success()")
        wanted = {"success()": failed is None, "failure()": failed is not None, "always()": True}[condition]
        if "run" in step and wanted:
            # What GitHub calls for `run` on Linux.
            result = run(["bash", "-eo", "pipefail", "-c", step["run"]], folder, **job["env"] | variables)
            results[step["name"]] = result
            failed = failed or (step["name"] if result.returncode else None)
    return failed, results


@pytest.mark.parametrize(
    ("config", "failed", "status", "verdict"),
    [(None, "Check", 1, "overfitting"), ("healthy.toml", None, 0, "healthy")],
)
def test_the_workflow_fails_an_overfitting_training_only(config, failed, status, verdict, tmp_path):
    for path in WORKFLOW.iterdir():
        shutil.copy(path, tmp_path)
    job, steps = steps_after_installation()
    summary = {"GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
    broken, results = play(job, steps, tmp_path, **summary, **({} if config is None else {"CONFIG": config}))
    assert broken == failed, results
    assert results["Check"].returncode == status
    assert ("::error" in results["Check"].stdout) == (failed is not None)
    assert verdict in (tmp_path / "summary.md").read_text()

    suites = ET.parse(tmp_path / "report.xml").getroot()
    assert (suites.tag, suites.get("tests"), suites.get("failures"), suites.get("errors")) == (
        "testsuites",
        "1",
        str(status),
        "0",
    )
    (case,) = suites.iter("testcase")
    assert (case.find("failure") is not None) == bool(status)
    assert verdict in "".join(case.itertext())

    (log,) = (tmp_path / "runs").iterdir()
    with log.open(encoding="utf-8") as file:
        assert set(next(csv.reader(file))) == {"epoch", "loss", "val_loss"}
    kept = next(step for step in steps if "upload-artifact" in step.get("uses", ""))["with"]["path"].split()
    assert all((tmp_path / path).exists() for path in kept)


def test_the_workflow_fails_where_training_left_nothing_to_judge(tmp_path):
    """A gate that looked at nothing must not open."""
    job, steps = steps_after_installation()
    (tmp_path / "runs").mkdir()
    failed, results = play(job, [step for step in steps if step["name"] != "Train"], tmp_path)
    assert (failed, results["Check"].returncode) == ("Check", 2)


def copied(name, tmp_path):
    folder = tmp_path / name
    shutil.copytree(EXAMPLES / name, folder, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_trainings_as_tests(tmp_path):
    folder = copied("06_pytest", tmp_path)
    result = run(["python", "-m", "pytest", "-p", "no:cacheprovider", "--xfail-tb"], folder)
    assert result.returncode == 0, result.stdout
    assert "2 passed, 1 xfailed" in result.stdout
    assert "the verdict is overfitting: validation is" in result.stdout


def test_runs_that_mlflow_tracks(tmp_path):
    pytest.importorskip("mlflow")
    folder = copied("07_mlflow", tmp_path)
    assert run(["python", "train.py"], folder).returncode == 0
    judged = run(["python", "judge.py", "digits"], folder)
    assert judged.returncode == 1, judged.stderr
    verdicts = dict(re.findall(r"^(.+): (\w+), best at step", judged.stdout, re.M))
    assert verdicts == {"few-digits": "overfitting", "many-digits": "healthy"}
    tags = {path.read_text() for path in (folder / "mlruns").rglob("tags/overfit.verdict")}
    assert tags == set(verdicts.values())
    files = run(["overfit-monitor", "check", "mlruns", "--format", "json"], folder)  # the same, without any code
    assert files.returncode == 1
    assert all(f'"verdict": "{verdict}"' in files.stdout for verdict in verdicts.values())


STAGES = yaml.safe_load((EXAMPLES / "08_dvc" / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@pytest.mark.skipif(find_spec("dvc") is not None, reason="DVC itself runs them")
def test_the_commands_of_the_dvc_stages(tmp_path):
    pytest.importorskip("dvclive")
    folder = copied("08_dvc", tmp_path)
    assert run(STAGES["train"]["cmd"].split(), folder).returncode == 0
    assert run(STAGES["overfit"]["cmd"].split(), folder).returncode == 1
    for out in STAGES["overfit"]["outs"]:
        assert all("overfitting" in (folder / name).read_text() for name in out)


def test_dvc_fails_where_a_run_overfits(tmp_path):
    pytest.importorskip("dvclive")
    pytest.importorskip("dvc")
    folder = copied("08_dvc", tmp_path)
    assert run(["dvc", "init", "--no-scm", "--quiet"], folder).returncode == 0
    failed = run(["dvc", "repro"], folder)
    assert failed.returncode != 0
    assert "failed to reproduce 'overfit'" in failed.stderr
    assert "overfitting" in failed.stdout
