"""W&B, MLflow and DVCLive: what can be wrong with their files."""

import pickle
import sqlite3

import numpy as np
import pytest

from overfit_monitor.readers import read_runs
from overfit_monitor.readers.refused import FORMATS
from overfit_monitor.testing.sample_logs import TRAIN, VAL, mlflow_files, samples, wandb_offline

SAMPLES = samples()


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


def val(run):
    return [o.val["loss"] for o in run.observations if "loss" in o.val]


@pytest.mark.parametrize("at", [300, 500, 700])
def test_one_damaged_record_of_wandb_costs_that_record(put, at):
    ((name, content),) = wandb_offline().items()
    damaged = bytearray(content)
    damaged[at] ^= 0xFF
    (run,), _ = read_runs([put({name: bytes(damaged)})])
    assert len(val(run)) == len(VAL) - 1
    assert set(val(run)) <= set(VAL)
    assert len(run.notes) == 1
    assert "a record is damaged: left out." in run.notes[0]


@pytest.mark.parametrize(
    ("damage", "left"),
    [
        (lambda at, data: data[:at] + bytes(7) + data[at + 7 :], len(VAL) - 1),  # zeros are no filling here
        (lambda at, data: data[: at + 4] + b"\xff\x7f" + data[at + 6 :], len(VAL) - 1),  # longer than the block
        (lambda at, data: data[: at + 6] + b"\x02" + data[at + 7 :], len(VAL) - 1),  # of another type
        (lambda at, data: data[:at] + data[at + 3 :], len(VAL) - 1),
        (lambda at, data: data[:at] + b"\x01\x02\x03" + data[at:], len(VAL)),
        (lambda at, data: data + b"\x01" * 5000, len(VAL)),
    ],
    ids=["zeros", "length", "type", "hole", "inserted", "appended"],
)
def test_a_damaged_header_of_wandb_costs_one_record(put, damage, left):
    ((name, content),) = wandb_offline().items()
    at = 7 + 7 + int.from_bytes(content[11:13], "little")  # the second record, the first with values
    (run,), _ = read_runs([put({name: damage(at, content)})])
    assert len(val(run)) == left
    assert set(val(run)) <= set(VAL)
    assert "damaged" in run.notes[0] or "cut off" in run.notes[0]


def test_the_beginning_and_the_end_of_two_records_of_wandb_make_none(put):
    ((name, content),) = wandb_offline([(e, 1.0, 2.0 + e) for e in range(700)]).items()
    block = 1 << 15
    crossing = content[:block], content[block : 2 * block], content[2 * block :]
    assert len(crossing[2]) > 100
    (run,), _ = read_runs([put({name: crossing[0] + crossing[2]})])  # the block between them is missing
    assert all(o.val["loss"] == 2.0 + o.step for o in run.observations)
    assert 300 < len(run.observations) < 600


def test_records_of_wandb_longer_than_a_block(put):
    from overfit_monitor.testing import sample_logs

    ((name, content),) = wandb_offline().items()
    long = sample_logs._bytes(4, b"x" * 100_000)
    framed = sample_logs._framed([long] * 3)
    (run,), problems = read_runs([put({name: content})])
    assert (run.notes, problems) == ((), [])
    _, (problem,) = read_runs([put({"run-2.wandb": framed}) / "run-2.wandb"])
    assert problem.message == "no history in it: nothing was logged"


def test_what_lies_beside_a_run_of_wandb_is_passed_over(put):
    ((name, content),) = wandb_offline().items()
    beside = name.rpartition("/")[0]
    console = SAMPLES["console"]["slurm-4711.out"]
    folder = put(
        {name: content, f"{beside}/files/output.log": console, f"{beside}/files/wandb-summary.json": b'{"a": 1}'}
    )
    (run,), problems = read_runs([folder])
    assert (run.reader, problems) == ("wandb", [])


def test_a_deleted_run_of_mlflow_is_passed_over(put):
    files = {
        name: content.replace(b"lifecycle_stage: active", b"lifecycle_stage: deleted")
        for name, content in mlflow_files().items()
    }
    assert read_runs([put(files)])[0] == []


def test_a_folder_of_metrics_named_itself(put):
    folder = put(mlflow_files()) / "mlruns/504816/cd0ab81e/metrics"
    (run,), problems = read_runs([folder])
    assert (run.name, val(run), problems) == ("cd0ab81e", list(VAL), [])
    (run,), _ = read_runs([folder / "val_loss"])
    assert val(run) == list(VAL)


def test_metrics_of_mlflow_logged_without_a_step_are_counted(put):
    files = {
        f"mlruns/0/r/metrics/{name}": b"".join(b"1795806987%03d %r 0\n" % (i, v) for i, v in enumerate(values))
        for name, values in (("train_loss", TRAIN), ("val_loss", VAL))
    }
    files = {name: content.replace(b"'", b"") for name, content in files.items()}
    (run,), _ = read_runs([put(files)])
    assert val(run) == list(VAL)
    assert run.notes == ("all points were logged at one step: they are counted from 0 instead.",)


def test_what_a_run_of_mlflow_keeps_beside_its_metrics_is_passed_over(put):
    files = dict(mlflow_files())
    home = next(iter(files)).rpartition("/metrics/")[0]
    console = SAMPLES["console"]["slurm-4711.out"]
    folder = put(files | {f"{home}/artifacts/train.txt": console, f"{home}/artifacts/h.json": b'{"val_loss": [1'})
    runs, problems = read_runs([folder])
    assert ([run.reader for run in runs], problems) == (["mlflow"], [])


def test_damaged_lines_of_mlflow_are_noted(put):
    files = dict(mlflow_files())
    name = next(name for name in files if name.endswith("val_loss"))
    files[name] = files[name].replace(b" 0.68 3", b" 0.6x 3")[:-3]
    (run,), _ = read_runs([put(files)])
    assert len(val(run)) == len(VAL) - 2
    assert run.notes == (
        "val_loss, line 4 is cut off or damaged: left out.",
        "val_loss, line 12 is cut off or damaged: left out.",
    )


def database(path, *statements):
    connection = sqlite3.connect(path)
    for statement in statements:
        connection.execute(statement)
    connection.commit()
    connection.close()


def test_deleted_and_other_runs_of_a_database(put):
    folder = put(SAMPLES["MLflow SQLite"])
    database(
        folder / "mlflow.db",
        "INSERT INTO runs VALUES ('b', 'gone', 'deleted', 2), ('c', 'other', 'active', 0)",
        "INSERT INTO metrics VALUES ('val_loss', 1, 1, 'b', 0, 0)",
        "INSERT INTO metrics VALUES ('val_loss', 1, 1, 'c', 0, 0), ('val_loss', 0, 2, 'c', 1, 1)",
    )
    runs, problems = read_runs([folder])
    assert ([run.name for run in runs], problems) == (["other", "bold-hare-7"], [])
    assert [str(value) for value in val(runs[0])] == ["1.0", "nan"]


def test_one_damaged_page_of_a_database_costs_that_page(put):
    folder = put(SAMPLES["MLflow SQLite"])
    path = folder / "mlflow.db"
    rows = ", ".join(f"('val_loss', {3 + e}, {99000 + e}, 'cd0ab81e', {20 + e}, 0)" for e in range(2000))
    database(path, f"INSERT INTO metrics VALUES {rows}")
    content = path.read_bytes()
    at = content.index(b"val_loss", len(content) // 2) // 4096 * 4096
    path.write_bytes(content[:at] + bytes([255]) * 4096 + content[at + 4096 :])
    (run,), _ = read_runs([folder])
    assert run.notes == ("the database is damaged or not MLflow's: database disk image is malformed",)
    assert 1800 < len(val(run)) < len(VAL) + 2000
    assert {o.step: o.val["loss"] for o in run.observations if o.step >= 20}.items() <= {
        20 + e: 3.0 + e for e in range(2000)
    }.items()
    assert run.observations[-1].step == 2019  # what lies behind the damage was read too


def test_rows_of_a_database_that_cannot_be_right_are_told(put):
    folder = put(SAMPLES["MLflow SQLite"])
    odd = (
        "('val_loss', 'x', 1, 'cd0ab81e', 20, 0), ('val_loss', 1, 1, 'cd0ab81e', 'x', 0), ('val_loss', 1, 1, 'b', 0, 0)"
    )
    database(folder / "mlflow.db", f"INSERT INTO metrics VALUES {odd}")
    (run,), _ = read_runs([folder])
    assert val(run) == list(VAL)
    assert run.notes == (
        "2 row(s) of metrics hold no numbers: left out.",
        "1 row(s) of metrics belong to no run that is there: left out.",
    )


def test_a_database_is_left_as_it_is(put):
    folder = put(SAMPLES["MLflow SQLite"])
    (folder / "mlflow.db-wal").write_bytes(b"x")
    before = (folder / "mlflow.db").read_bytes()
    (run,), _ = read_runs([folder])
    assert run.notes == ("mlflow.db-wal holds changes that are not in the database yet: not read.",)
    assert (folder / "mlflow.db").read_bytes() == before
    assert sorted(path.name for path in folder.iterdir()) == ["mlflow.db", "mlflow.db-wal"]


HOSTILE = [
    "CREATE VIEW metrics AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS key, "
    "i AS value, i AS timestamp, 'a' AS run_uuid, i AS step, 0 AS is_nan FROM n",
    "CREATE TABLE metrics (x INTEGER)",
    "CREATE TABLE metrics (key, value, timestamp, run_uuid, step, is_nan)",
]


@pytest.mark.parametrize("statement", HOSTILE)
def test_a_hostile_database_is_refused(tmp_path, statement):
    path = tmp_path / "mlflow.db"
    runs = "CREATE TABLE runs (run_uuid, name, lifecycle_stage, start_time)"
    database(path, runs, statement, "INSERT INTO runs VALUES ('a', 'x', 'active', 0)")
    found, (problem,) = read_runs([path])
    assert found == []
    assert "\n" not in problem.message


def test_a_database_of_others_is_passed_over_and_refused_when_named(tmp_path):
    database(tmp_path / "optuna.db", "CREATE TABLE trials (x)")
    assert read_runs([tmp_path])[1][0].message == "no run was found in this folder"
    ((problem,)) = read_runs([tmp_path / "optuna.db"])[1]
    assert problem.message.startswith("an SQLite database without MLflow's tables")


REFUSED = [
    # name, content, what is said
    ("history.pkl", pickle.dumps({"val_loss": [1.0]}), "a pickle, which is not opened because that can run code"),
    ("history.pickle", pickle.dumps({"val_loss": [1.0]}, protocol=0), "a pickle, which is not opened"),
    ("history", pickle.dumps({"val_loss": [1.0]}), "pickle.load(open('history', 'rb'))"),
    ("history.joblib", b"\x78\x9c" + b"val_loss", "joblib.load('history.joblib')"),
    ("h.pt", b"PK\x03\x04" + b"archive/data.pkl", "torch.load('h.pt', weights_only=True)"),
    ("h.npy", b"\x93NUMPY\1\0v\0{'descr': '|O', 'shape': ()}", "np.load('h.npy', allow_pickle=True)"),
    ("h.npy", b"\x93NUMPY\1\0v\0{'descr': '<f8', 'shape': (3,)}", "columns have no names"),
    ("h.h5", b"\x89HDF\r\n\x1a\n", "h5py.File('h.h5')"),
    ("runs.zip", b"PK\x03\x04", "a zip archive"),
    ("runs.tar.gz", b"\x1f\x8b\x08", "an archive, which is not opened: unpack it"),
    ("runs.tar", b"\0" * 257 + b"ustar", "an archive, which is not opened"),
    ("h.parquet", b"PAR1", "pandas.read_parquet('h.parquet')"),
]


@pytest.mark.parametrize(("name", "content", "message"), REFUSED)
def test_what_may_run_code_is_refused_with_how_to_export_it(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    runs, (problem,) = read_runs([path])
    assert runs == []
    assert message in problem.message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("history.pkl", pickle.dumps({"loss": [1.0], "val_loss": [1.0]}), "a pickle, which is not opened"),
        ("model.pkl", pickle.dumps({"coef_": [1.0]}), "no run was found in this folder"),
        ("checkpoint.pkl", pickle.dumps({"state_dict": 1, "val_loss": 1.0}), "no run was found in this folder"),
        ("best.pt", b"PK\x03\x04 val_loss", "no run was found in this folder"),
    ],
)
def test_in_a_folder_a_pickled_history_is_a_problem_and_weights_are_passed_over(tmp_path, name, content, expected):
    (tmp_path / name).write_bytes(content)
    runs, (problem,) = read_runs([tmp_path])
    assert runs == []
    assert problem.message.startswith(expected)


def test_a_pickle_is_never_loaded(tmp_path):
    trap = tmp_path / "sprung"

    class Trap:
        def __reduce__(self):
            return open, (str(trap), "w")

    (tmp_path / "history.pkl").write_bytes(pickle.dumps({"val_loss": Trap()}))
    read_runs([tmp_path, tmp_path / "history.pkl"])
    assert not trap.exists()


EXPORTS = {
    "pickle": ("pickle", lambda path, history: path.write_bytes(pickle.dumps(history))),
    "joblib": ("joblib", lambda path, history: pytest.importorskip("joblib").dump(history, path, compress=3)),
    "torch": ("torch", lambda path, history: pytest.importorskip("torch").save(history, path)),
    "npy-objects": ("numpy as np", np.save),
    "npy": ("numpy as np", lambda path, history: np.save(path, np.array(list(history.values())).T)),
}


# One line closes its file when nothing holds it any longer.
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("id", EXPORTS)
def test_the_line_that_exports_a_history_does_so(tmp_path, monkeypatch, id):
    module, save = EXPORTS[id]
    suffix = {"joblib": ".joblib", "npy": ".npy", "npy-objects": ".npy", "torch": ".pt", "pickle": ".pkl"}[id]
    path = tmp_path / f"h{suffix}"
    save(path, {"train_loss": [3.0, 2.0], "val_loss": [4.0, 3.0]})
    _, (problem,) = read_runs([path])
    (known,) = [known for known in FORMATS if known.id == id]
    code = known.code.replace("FILE", repr(path.name))
    assert code in problem.message
    monkeypatch.chdir(tmp_path)
    exec(f"import json, {module}\n{code}", {})
    (run,), _ = read_runs([next(tmp_path.glob("history.*"))])
    assert [(o.train["loss"], o.val["loss"]) for o in run.observations] == [(3, 4), (2, 3)]


def test_a_curve_without_a_name_is_refused_with_what_to_name_instead(tmp_path):
    path = tmp_path / "run-train-tag-loss.csv"
    path.write_text("Wall time,Step,Value\n1.5,0,0.5\n2.5,1,0.4\n", encoding="utf-8")
    _, (problem,) = read_runs([path])
    assert problem.message.startswith("one curve without a name, as TensorBoard's page exports it")


def test_a_long_table_that_ends_in_the_middle_of_a_number(put):
    content = SAMPLES["CSV with stages"]["stages.csv"]
    assert content.endswith(b",61%\n")
    (run,), _ = read_runs([put({"stages.csv": content[:-3]})])
    assert "accuracy" not in run.observations[-1].val
    assert val(run) == list(VAL)
    assert "may lack digits" in run.notes[0]


def test_digits_that_a_damaged_tag_parts_are_no_number(put):
    ((name, content),) = SAMPLES["notebook"].items()
    cell = b"<td>0.5</td>"
    assert content.count(cell) == 1
    (run,), _ = read_runs([put({name: content.replace(cell, b"<td>0.5</ttd>5</td>")})])
    assert losses(run) == [1.0, None, 0.3333]


def losses(run):
    return [o.train.get("loss") for o in run.observations[:3]]
