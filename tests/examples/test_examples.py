"""Every example runs as a user would run it: in a process of its own, from an empty folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from overfit_monitor.journal import FILE_NAME

EXAMPLES = Path(__file__).parents[2] / "examples"
LOOPS = {"01_pytorch_loop.py": "torch", "02_keras_fit.py": "keras"}
TRIED = "05_try_advice.py"
MOONS = {"03_two_moons/train_pytorch.py": "torch", "03_two_moons/train_keras.py": "keras"}
# By those of MOONS, by the workflow, and by test_ci_examples.py.
RUN_ELSEWHERE = {"03_two_moons/moons.py", "04_ci_workflow/train.py"} | {
    f"{name}.py" for name in ("06_pytest/test_digits", "07_mlflow/train", "07_mlflow/judge", "08_dvc/train")
}
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
    return subprocess.run(command, cwd=folder, env=environment | variables, capture_output=True, text=True, check=False)


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


def test_advice_is_tried_and_goes_on_where_it_was_interrupted(tmp_path):
    pytest.importorskip("joblib")
    said = run_example(TRIED, tmp_path).stdout
    assert said.startswith("overfitting best at epoch")
    assert "trainings of the original length" in said
    assert "keep " in said
    journal = tmp_path / "runs" / "05_try_advice" / "trials.jsonl"
    lines = journal.read_text().splitlines()
    journal.write_text("\n".join(lines[:-2]) + "\n")  # as if it had been killed two trainings before the end
    assert run_example(TRIED, tmp_path).stdout == said
    assert len(journal.read_text().splitlines()) == len(lines)
