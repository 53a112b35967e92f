"""The table of names: what is in it, what a project adds, and what is said of each name."""

import pickle

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.examination import diagnose_run
from overfit_monitor.readers import read_runs
from overfit_monitor.readers.conventions import DEFAULT, current, load, using
from overfit_monitor.readers.explain import explain_names
from overfit_monitor.readers.pairing import Names, is_rate, mode_of, pair, place
from overfit_monitor.readers.table import Table


@pytest.mark.parametrize("row", DEFAULT.written, ids=lambda row: f"{row['by']}: {row['train']}")
def test_what_the_table_says_of_each_writer_is_what_is_paired(row):
    places = pair(["epoch", "lr", row["train"], row["val"]])
    assert {name: (where.split, where.metric) for name, where in places.items()} == {
        row["train"]: ("train", row["metric"]),
        row["val"]: ("val", row["metric"]),
    }


@pytest.mark.parametrize(
    "name",
    ["eval_runtime", "eval_samples_per_second", "val_time", "train/time", "Train Size", "run - val_loss__MIN"],
)
def test_what_is_no_curve_is_ignored(name):
    assert place(name) is None
    assert pair(["loss", "val_loss", name]).keys() == {"loss", "val_loss"}


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("metrics/mAP50(B)", "map50_b"),
        ("metrics/mAP50-95(B)", "map50_95_b"),
        ("metrics/precision(M)", "precision_m"),
        ("metrics/mAP_0.5", "map_0_5"),
        ("metrics/accuracy_top1", "accuracy_top1"),
    ],
)
def test_yolo_measures_on_validation_without_saying_so(name, metric):
    where = place(name)
    assert (where.split, where.metric) == ("val", metric)
    assert mode_of(metric) == "max"


def test_an_alias_of_several_words():
    assert place("val_updated_mean_io_u").metric == "updated_iou"


def test_a_mean_over_the_whole_run_is_a_curve_where_validation_is_grouped_twice_too():
    assert pair(["train/train_loss", "eval/loss"]).keys() == {"eval/loss"}
    assert pair(["train/train_loss", "val/val_loss"]).keys() == {"train/train_loss", "val/val_loss"}
    assert pair(["train/train_loss", "train/loss", "eval/loss"]).keys() == {"train/loss", "eval/loss"}


def test_without_any_validation_metrics_of_known_direction_are_train():
    table = Table(["epoch", "loss", "lr", "grad_norm", "accuracy"])
    assert {name: where.split for name, where in table.places.items()} == {"loss": "train", "accuracy": "train"}


ADDED = {
    "train": ["Fit"],
    "val": ["probe"],
    "aliases": {"error_rate": "error", "xent": "loss"},
    "steps": ["tick"],
    "ignore": ["*debug*"],
    "validation": ["scores/*"],
    "directions": {"Reward": "max"},
}


def test_a_project_adds_names():
    assert place("fit_loss") is None
    with using(load(ADDED)):
        assert place("fit_loss") == ("train", "loss", 0)
        assert place("probe_xent")[:2] == ("val", "loss")
        assert place("probe error rate").metric == "error"
        assert place("val_debug_loss") is None
        assert place("scores/psnr")[:2] == ("val", "psnr")
        assert mode_of("reward") == "max"
        table = Table(["tick", "fit_loss", "probe_loss"])
        for row in ({"tick": 5, "fit_loss": 3, "probe_loss": 4}, {"tick": 10, "fit_loss": 2, "probe_loss": 3}):
            table.append([row[name] for name in table.wanted])
        assert [(o.step, o.train["loss"], o.val["loss"]) for o in table.close()] == [(5, 3, 4), (10, 2, 3)]
    assert place("fit_loss") is None
    assert current() is DEFAULT


def test_a_direction_that_only_the_project_knows_decides(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("epoch,train_reward,val_reward\n" + "".join(f"{i},{i},{i}\n" for i in range(9)), encoding="utf-8")
    with pytest.raises(UsageError, match="mode must be 'min' or 'max' for metric 'reward'"):
        diagnose_run(read_runs([path])[0][0], {})
    with using(load({"directions": {"reward": "max"}})):
        (run,), _ = read_runs([path])
    metrics = diagnose_run(run, {}).metrics
    assert (metrics.val, metrics.mode, run.compared("reward")) == ("reward", "max", "val_reward with train_reward")


def test_words_of_a_project_go_before_those_known():
    with using(load({"val": ["dev2"]})):
        assert pair(["loss", "val_loss", "dev2_loss"]).keys() == {"loss", "dev2_loss"}


def test_conventions_can_be_sent_to_another_process():
    sent = pickle.loads(pickle.dumps(load(ADDED)))
    with using(sent):
        assert place("fit_loss") == ("train", "loss", 0)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ({"vals": ["x"]}, r"pyproject\.toml: unknown parameter 'vals'\. Did you mean 'val'"),
        ({"val": "probe"}, "val must be a valid tuple but got 'probe'"),
        ({"val": [""]}, r"val\.0 must be String should have at least 1 character|val\.0"),
        ({"directions": {"reward": "up"}}, r"directions\.reward must be 'min' or 'max' but got 'up'"),
        ({"train": ["dev"]}, "'dev' cannot be a word for train and for validation"),
        ({"val": ["training"]}, "'training' cannot be a word for train and for validation"),
        (3, "pyproject.toml"),
    ],
)
def test_a_table_that_cannot_be_right_is_one_line(table, message):
    with pytest.raises(UsageError, match=message) as caught:
        load(table, "pyproject.toml")
    assert "\n" not in str(caught.value)


def told(names, chosen=None):
    return {one.name: (one.role, one.metric, one.mode) for one in explain_names(names, chosen)}


def test_explained():
    yolo = ["epoch", "time", "train/box_loss", "metrics/mAP50(B)", "val/box_loss", "lr/pg0", "eval_runtime", "stage"]
    assert told([*yolo, "foo", "test/box_loss", "train/train_loss", "val_reward"]) == {
        "epoch": ("step", None, None),
        "time": ("unused", None, None),
        "train/box_loss": ("train", "box_loss", "min"),
        "metrics/mAP50(B)": ("val", "map50_b", "max"),
        "val/box_loss": ("val", "box_loss", "min"),
        "lr/pg0": ("rate", None, None),
        "eval_runtime": ("ignored", None, None),
        "stage": ("split", None, None),
        "foo": ("unused", None, None),
        "test/box_loss": ("unused", None, None),
        "train/train_loss": ("ignored", None, None),
        "val_reward": ("val", "reward", None),
    }


def test_the_reason_is_told():
    why = {one.name: one.why for one in explain_names(["loss", "val_loss", "test_loss", "a", "index", "eval_x"])}
    assert why == {
        "loss": "a bare name, which is train; compared with 'val_loss'.",
        "val_loss": "'val' says so; compared with 'loss'.",
        "test_loss": "'val_loss' goes before it as val loss.",
        "a": "no word in it says train or validation, and no validation metric has its name.",
        "index": "the index of a table; counts the rows if no other column does.",
        "eval_x": "'eval' says so; nothing to compare it with; "
        "its name does not tell whether lower or higher is better.",
    }


def test_explained_with_the_users_own_names():
    assert told(["a", "b", "val_loss"], Names(val="b", train="a")) == {
        "a": ("train", "b", None),
        "b": ("val", "b", None),
        "val_loss": ("unused", None, None),
    }


def test_every_name_is_explained_once():
    names = ["loss", "val_loss", "", "lr", "x" * 500]
    assert [one.name for one in explain_names(names)] == names
    assert is_rate("lr")
