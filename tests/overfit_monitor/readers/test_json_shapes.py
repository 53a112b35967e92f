"""The shapes in which people keep a history in JSON, and tables that tell in a cell what a row is about."""

import json

import pytest

from overfit_monitor.readers import read_runs

SHAPES = {
    "splits apart": {"train": {"loss": [3, 2]}, "val": {"loss": [4, 3]}, "config": {"lr": 0.1}},
    "by epoch": {"1": {"loss": 3, "val_loss": 4}, "2": {"loss": 2, "val_loss": 3}},
    "by named epoch": {
        f"epoch_{e}": {"train": {"loss": t}, "val": {"loss": u}} for e, t, u in ((1, 3, 4), (2, 2, 3))
    },
    "by column": {"loss": {"0": 3, "1": 2}, "val_loss": {"0": 4, "1": 3}},
    "a data frame": {"columns": ["epoch", "loss", "val_loss"], "index": [0, 1], "data": [[0, 3, 4], [1, 2, 3]]},
    "records under a key": {
        "args": {"lr": 0.1}, "epochs": [{"train_loss": 3, "val_loss": 4}, {"train_loss": 2, "val_loss": 3}]
    },
    "records": [{"train_loss": 3, "val_loss": 4}, {"train_loss": 2, "val_loss": 3}],
    "records with a phase": [
        {"phase": p, "epoch": e, "loss": v}
        for e, t, u in ((1, 3, 4), (2, 2, 3)) for p, v in (("train", t), ("valid", u))
    ],
    "points": [
        {"metricName": n, "metricValue": str(v), "step": e}
        for e, t, u in ((1, 3, 4), (2, 2, 3)) for n, v in (("train_loss", t), ("val_loss", u))
    ],
    "nested": {"model": {"history": {"loss": [3, 2], "val_loss": [4, 3]}}},
    "plural": {"train_losses": [3, 2], "val_losses": [4, 3], "test_accuracy": 0.9},
    "deep keys": [{"metrics": {"train": {"loss": t}, "val": {"loss": u}}} for t, u in ((3, 4), (2, 3))],
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(tmp_path, shape):
    path = tmp_path / "x.json"
    path.write_text(json.dumps(SHAPES[shape]), encoding="utf-8")
    (run,), problems = read_runs([path])
    assert problems == []
    assert [(o.train["loss"], o.val["loss"]) for o in run.observations] == [(3, 4), (2, 3)]


def test_points_of_several_runs(tmp_path):
    path = tmp_path / "frame.csv"
    rows = [f"{run},{tag},{step},{step}" for run in "ab" for step in range(3) for tag in ("Loss/train", "Loss/val")]
    path.write_text("\n".join(["run,tag,step,value", *rows]), encoding="utf-8")
    runs, problems = read_runs([path])
    assert ([run.name for run in runs], problems) == (["frame/a", "frame/b"], [])
    assert [(o.step, o.val["loss"]) for o in runs[0].observations] == [(0, 0), (1, 1), (2, 2)]


def test_an_empty_list_is_noted(tmp_path):
    path = tmp_path / "x.json"
    path.write_text('{"loss": [3, 2], "val_loss": []}', encoding="utf-8")
    (run,), _ = read_runs([path])
    assert run.notes == ("the lists are not of one length: 'loss' 2, 'val_loss' 0.",)


NO_LOGS = [
    {"betas": [0.9, 0.999], "lr": 0.1},
    {"final_val_loss": 0.3, "accuracy": 0.9},
    {"train": {"files": ["a"]}, "val": {"files": ["b"]}},
    {"1": {"name": "a"}, "2": {"name": "b"}},
    {"columns": ["id", "name"], "data": [[1, "x"]]},
    [{"id": 1, "label": "cat"}],
    [1, 2, 3],
    "loss",
    {"images": [{"id": 1, "loss": "none"}]},
]


@pytest.mark.parametrize("content", NO_LOGS, ids=str)
def test_what_is_no_log_is_passed_over(tmp_path, content):
    (tmp_path / "x.json").write_text(json.dumps(content), encoding="utf-8")
    runs, (problem,) = read_runs([tmp_path])
    assert (runs, problem.message) == ([], "no run was found in this folder")


STAGES = [
    ("epoch,stage,loss\n1,train,3\n1,val,4\n2,train,2\n2,val,3\n", None),
    ("epoch;split;loss\n1;train;3\n1;valid;4\n2;train;2\n2;valid;3\n", None),
    ("phase\tepoch\tloss\nTrain\t1\t3\nTest\t1\t4\nTrain\t2\t2\nTest\t2\t3\n", None),
    ("step,name,value\n1,train_loss,3\n1,val_loss,4\n2,train_loss,2\n2,val_loss,3\n", None),
    (
        "epoch,stage,loss\n1,train,3\n1,val,4\nbroken\n2,train,2\n2,val,3\n2,tr",
        ("line 4 has 1 of 3 cells: left out.", "line 7 has 2 of 3 cells: left out."),
    ),
]


@pytest.mark.parametrize(("content", "notes"), STAGES)
def test_rows_that_say_what_they_are_about(tmp_path, content, notes):
    path = tmp_path / "log.csv"
    path.write_text(content, encoding="utf-8")
    (run,), problems = read_runs([path])
    assert problems == []
    assert [(o.step, o.train["loss"], o.val["loss"]) for o in run.observations] == [(1, 3, 4), (2, 2, 3)]
    assert run.notes == (notes or ())


def test_lines_of_json_that_are_damaged_are_left_out(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"loss": 3, "val_loss": 4}\n{"loss": 2, "val\n\n{"loss": 1, "val_loss": 2}\n[1]\n{"lo', encoding="utf-8"
    )
    (run,), _ = read_runs([path])
    assert [(o.train["loss"], o.val["loss"]) for o in run.observations] == [(3, 4), (1, 2)]
    assert run.notes == tuple(f"line {n} is cut off or damaged: left out." for n in (2, 5, 6))


def notebook(outputs):
    return json.dumps({"cells": [{"cell_type": "code", "outputs": [out]} for out in outputs], "nbformat": 4})


def test_each_cell_of_a_notebook_that_trains_is_a_run(tmp_path):
    stream = {
        "output_type": "stream",
        "text": [
            "Epoch 1/2\n",
            "2/2 - 1s - loss: 3 - val_loss: 4\n",
            "Epoch 2/2\n",
            "2/2 - 1s - loss: 2 - val_loss: 3\n",
        ],
    }
    path = tmp_path / "n.ipynb"
    path.write_text(notebook([stream, {"output_type": "stream", "text": "hello"}, stream]), encoding="utf-8")
    runs, problems = read_runs([path])
    assert ([run.name for run in runs], problems) == (["n/cell 1", "n/cell 3"], [])
    assert [(o.step, o.train["loss"], o.val["loss"]) for o in runs[1].observations] == [(1, 3, 4), (2, 2, 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (notebook([{"output_type": "stream", "text": "hello"}]), "no output of a cell tells a metric twice"),
        (
            notebook([{"output_type": "stream", "text": "hello"}])[:-5],
            "the file is cut off, and before it no output of a cell tells a metric twice",
        ),
        ('{"cells": 3}', "no output of a cell tells a metric twice"),
        ('{"cells": [3, {"outputs": [3, {"data": {"text/html": "<table><tr><td>"}}]}]}', "no output of a cell"),
    ],
)
def test_a_notebook_without_training_is_refused(tmp_path, content, message):
    path = tmp_path / "n.ipynb"
    path.write_text(content, encoding="utf-8")
    runs, (problem,) = read_runs([path])
    assert runs == []
    assert message in problem.message


def test_a_table_of_nested_and_open_cells_is_no_traceback(tmp_path):
    html = "<table>" * 500 + "<tr><th>Epoch</th><th>Train Loss<td>1</tr>" * 50
    path = tmp_path / "n.ipynb"
    path.write_text(notebook([{"output_type": "display_data", "data": {"text/html": html}}]), encoding="utf-8")
    assert read_runs([path])[0] == []


def test_the_band_of_a_chart_of_wandb_is_no_curve(tmp_path):
    path = tmp_path / "chart.csv"
    path.write_text(
        '"Step","fox - train/loss","fox - train/loss__MIN","hare - train/loss","fox - val/loss"\n'
        "1,3,2.9,9,4\n2,2,1.9,,3\n", encoding="utf-8"
    )  # fmt: skip
    runs, _ = read_runs([path])
    assert [run.name for run in runs] == ["chart/fox", "chart/hare"]
    assert [(o.step, o.train["loss"], o.val["loss"]) for o in runs[0].observations] == [(1, 3, 4), (2, 2, 3)]
    assert [o.train for o in runs[1].observations] == [{"loss": 9.0}]
