"""Each format in the exact form its tool writes: whole, cut off at any place, and empty."""

import io
import sys

import pytest

from overfit_monitor.check import check
from overfit_monitor.readers import read_runs
from overfit_monitor.testing.sample_logs import TRAIN, VAL, samples

SAMPLES = samples()
READERS = {
    "Keras CSVLogger": ("csv", "log"),
    "Lightning CSVLogger": ("csv", "lightning_logs/version_0/metrics"),
    "YOLO results.csv": ("csv", "results"),
    "CSV with stages": ("long-table", "stages"),
    "W&B CSV export": ("wandb-table", "wandb_export/quick-fox-1"),
    "Keras history": ("keras-history", "history"),
    "trainer_state.json": ("json-records", "checkpoint-120/trainer_state"),
    "JSON lines": ("json-lines", "log"),
    "MLflow files": ("mlflow", "bold-hare-7"),
    "MLflow SQLite": ("mlflow-sqlite", "bold-hare-7"),
    "DVCLive": ("dvclive", "dvclive"),
    "W&B offline": ("wandb", "quick-fox-1"),
    "Comet export": ("json-records", "metrics"),
    "Keras console": ("console", "train"),
    "console": ("console", "slurm-4711"),
    "notebook": ("notebook", "train"),
}
ALONE = sorted(name for name, files in SAMPLES.items() if len(files) == 1 and name in READERS)


@pytest.fixture
def put(tmp_path):
    def put(files):
        folder = tmp_path / "logs"
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return folder

    return put


def losses(run, split):
    return [values["loss"] for o in run.observations if "loss" in (values := getattr(o, split))]


@pytest.mark.parametrize("name", READERS)
def test_whole(put, name):
    (run,), problems = read_runs([put(SAMPLES[name])])
    assert problems == []
    assert (run.reader, run.name) == READERS[name]
    assert losses(run, "val") == pytest.approx(VAL)
    assert losses(run, "train") == pytest.approx(TRAIN)
    assert {where.split for where in run.places.values()} == {"train", "val"}


def test_every_sample_is_asked():
    assert READERS.keys() == SAMPLES.keys() - {"pickle"}


@pytest.mark.parametrize("name", READERS)
def test_the_verdict_is_the_same_in_every_format(put, name):
    (run,) = check([put(SAMPLES[name])]).runs
    assert run.best_step is not None
    assert run.verdict in ("overfitting", "inconclusive", "healthy")
    (reference,) = check([put(SAMPLES["Keras history"])]).runs[-1:]
    assert run.verdict == reference.verdict


def values_before(values, curve):
    return values == pytest.approx(curve[: len(values)])


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize("share", [0.35, 0.6, 0.83, 0.99])
def test_cut_off_it_gives_what_stands_before_or_a_reason(put, name, share):
    files = {path: content[: int(len(content) * share)] for path, content in SAMPLES[name].items()}
    folder = put(files)
    runs, problems = read_runs([folder])
    assert len(runs) <= 1
    for run in runs:
        if name == "MLflow SQLite":  # its pages hold values in any order
            assert run.notes[0].startswith("the file is cut off")
            assert set(losses(run, "val")) <= set(VAL)
            continue
        assert values_before(losses(run, "val"), VAL)
        assert values_before(losses(run, "train"), TRAIN)
    named, reasons = read_runs(sorted(path for path in folder.rglob("*") if path.is_file()))
    assert named or reasons
    assert all("\n" not in problem.message for problem in problems + reasons)


NOT_FOR_CUTS = {"MLflow SQLite"}  # its pages are all needed


@pytest.mark.parametrize("name", sorted(READERS.keys() - NOT_FOR_CUTS - {"YOLO results.csv", "notebook"}))
def test_cut_off_near_the_end_most_is_still_read(put, name):
    files = {path: content[: int(len(content) * 0.9)] for path, content in SAMPLES[name].items() if len(content) > 100}
    (run,), _ = read_runs([put(files)])
    assert len(losses(run, "val")) >= 9 or len(losses(run, "train")) >= 9


@pytest.mark.parametrize("name", ALONE)
def test_empty(put, name):
    (path,) = SAMPLES[name]
    folder = put({path: b""})
    runs, (problem,) = read_runs([folder / path])
    assert runs == []
    assert "empty" in problem.message or "nothing was logged" in problem.message


@pytest.mark.parametrize("name", ALONE)
def test_found_by_its_content_on_standard_input(monkeypatch, name):
    (content,) = SAMPLES[name].values()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    (run,), problems = read_runs(["-"])
    assert problems == []
    assert run.source == "-"
    assert run.reader == READERS[name][0]
    assert losses(run, "val") == pytest.approx(VAL)
