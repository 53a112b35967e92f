"""Every example runs as a user would run it: in a process of its own, from an empty folder."""

import csv
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import yaml

from overfit_monitor.journal import FILE_NAME

EXAMPLES = Path(__file__).parents[2] / "examples"
WORKFLOW = EXAMPLES / "04_ci_workflow"
LOOPS = {"01_pytorch_loop.py": "torch", "02_keras_fit.py": "keras"}
TRIED = "05_try_advice.py"
MOONS = {"03_two_moons/train_pytorch.py": "torch", "03_two_moons/train_keras.py": "keras"}
RUN_ELSEWHERE = {"03_two_moons/moons.py", "04_ci_workflow/train.py"}  # by those of MOONS, by the workflow
VARIANTS = ("base model", "L2", "dropout", "early stopping")
PNG = b"\x89PNG\r\n\x1a\n"


def run(command, folder, **variables):
    environment = os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "MPLBACKEND": "Agg",
        # The commands of the environment that runs the tests, also where it is not activated.
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    return subprocess.run(
        command, cwd=folder, env=environment | variables, capture_output=True, text=True, timeout=240, check=False
    )


def run_example(name, folder):
    result = run([sys.executable, EXAMPLES / name], folder)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
    return result


def test_no_example_is_missing_here():
    scripts = {path.relative_to(EXAMPLES).as_posix() for path in EXAMPLES.rglob("*.py")}
    assert scripts == LOOPS.keys() | MOONS.keys() | RUN_ELSEWHERE | {TRIED}


def test_the_list_names_every_example():
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    links = set(re.findall(r"\]\((.+?)\)", text))
    assert all((EXAMPLES / link).is_file() for link in links)
    assert LOOPS.keys() | MOONS.keys() <= links
    assert {path.name for path in EXAMPLES.iterdir() if path.name != "README.md"} == {
        link.split("/")[0] for link in links
    }


@pytest.mark.parametrize(("name", "framework"), LOOPS.items())
def test_a_watched_training_is_stopped_and_advised(name, framework, tmp_path):
    pytest.importorskip(framework)
    result = run_example(name, tmp_path)
    said = dict(re.findall(r"^(verdict|onset|best step|stopped) +(?:after )?(?:epoch )?(\w+)", result.stdout, re.M))
    assert said["verdict"] == "overfitting"
    assert int(said["best step"]) < int(said["stopped"]) < 149
    assert int(said["onset"]) < int(said["stopped"])
    _, _, advice = result.stdout.partition("\nFirst recommendation: ")
    code = advice.split("\n\n", 1)[1]
    compile(code, name, "exec")
    assert "overfit-monitor: step" in result.stderr  # told live
    assert (tmp_path / "runs" / Path(name).stem / FILE_NAME).is_file()


@pytest.mark.parametrize(("name", "framework"), MOONS.items())
def test_two_moons_compares_what_each_change_bought(name, framework, tmp_path):
    pytest.importorskip(framework)
    result = run_example(name, tmp_path)
    rows = {
        variant: row.split() for variant, row in re.findall(rf"^({'|'.join(VARIANTS)}) +(\d.+)$", result.stdout, re.M)
    }
    assert tuple(rows) == VARIANTS
    verdicts = {variant: row[-2] for variant, row in rows.items()}
    epochs = {variant: int(row[-1]) for variant, row in rows.items()}
    assert verdicts["base model"] == "overfitting"
    assert epochs["early stopping"] < epochs["base model"] == epochs["L2"] == epochs["dropout"]
    # The same training, as far as the second goes: the same best step, of all that were seen by the first.
    assert rows["early stopping"][4] == rows["base model"][4]
    assert len(re.findall(r"points of test accuracy", result.stdout)) == 3
    folder = tmp_path / "runs" / Path(name).stem.replace("train", "two_moons")
    assert (folder / "two_moons.png").read_bytes().startswith(PNG)
    for variant in VARIANTS:
        assert (folder / variant.replace(" ", "_") / FILE_NAME).is_file()


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
    broken, results = play(job, steps, tmp_path, **({} if config is None else {"CONFIG": config}))
    assert broken == failed, results
    assert results["Check"].returncode == status
    assert ("Say why" in results) == (failed is not None)
    assert all(verdict in result.stdout for name, result in results.items() if name == "Say why")

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


def test_advice_is_tried_and_goes_on_where_it_was_interrupted(tmp_path):
    pytest.importorskip("joblib")
    said = run_example(TRIED, tmp_path).stdout
    assert said.startswith("overfitting best at epoch")
    assert "trainings of the original length" in said
    assert "keep " in said
    journal = tmp_path / "runs" / "05_try_advice" / "trials.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:3]) + "\n")  # as if it had been killed after three trainings
    assert run_example(TRIED, tmp_path).stdout == said
    assert len(journal.read_text().splitlines()) == len(lines)
