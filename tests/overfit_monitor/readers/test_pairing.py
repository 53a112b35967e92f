"""Names as they are found in logs, and what they stand for."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.readers.pairing import Names, heads, is_rate, merge, pair, place, with_total

PLACES = [
    # name, split, metric
    ("val_loss", "val", "loss"),
    ("train_loss", "train", "loss"),
    ("Train Loss", "train", "loss"),
    ("trainLoss", "train", "loss"),
    ("valAcc", "val", "acc"),
    ("val_mAP50", "val", "map50"),
    ("train_losses", "train", "loss"),
    ("val_accuracies", "val", "accuracy"),
    ("train/epoch_loss", "train", "loss"),
    ("Loss/test", "val", "loss"),
    ("Loss_train/Loss", "train", "loss"),
    ("eval_loss", "val", "loss"),
    ("valid_loss", "val", "loss"),
    ("train/box_loss", "train", "box_loss"),
    ("loss_test", "val", "loss"),
    ("test_mse", "val", "mse"),
]


@pytest.mark.parametrize(("name", "split", "metric"), PLACES)
def test_place(name, split, metric):
    where = place(name)
    assert where is not None
    assert (where.split, where.metric) == (split, metric)


@pytest.mark.parametrize("name", ["loss", "epoch", "lr", "", "mAP", "train/train_loss"])
def test_names_of_no_split(name):
    assert place(name) is None


def paired(*names):
    return {name: f"{where.split} {where.metric}" for name, where in pair(names).items()}


def test_a_bare_name_is_train_where_validation_has_it():
    assert paired("loss", "val_loss") == {"loss": "train loss", "val_loss": "val loss"}
    assert paired("loss", "accuracy") == {}


def test_validation_goes_before_test_and_epoch_before_step():
    assert paired("val_loss", "test_loss") == {"val_loss": "val loss"}
    assert paired("train_loss_step", "train_loss_epoch") == {"train_loss_epoch": "train loss"}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lr", True),
        ("lr-Adam", True),
        ("lr/pg0", True),
        ("x/lr0", True),
        ("learning_rate", True),
        ("Learning Rate", True),
        ("train/learning_rate", True),
        ("loss", False),
        ("rate", False),
        ("", False),
    ],
)
def test_is_rate(name, expected):
    assert is_rate(name) is expected


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("train/box_loss", "train/cls_loss", "val/box_loss", "val/cls_loss"), ("box_loss", "cls_loss")),
        (("train/box_loss", "val/box_loss", "val/cls_loss"), ()),  # a part only on one side
        (("train/box_loss", "val/box_loss"), ()),  # one part is no sum
        (("train_loss", "train_a_loss", "train_b_loss", "val_a_loss", "val_b_loss"), ()),  # there is a total
        (("train_a_loss", "train_b_loss", "val_loss", "val_a_loss", "val_b_loss"), ()),
    ],
)
def test_heads(names, expected):
    assert heads(pair(names)) == expected


def test_a_total_needs_all_its_parts():
    assert with_total({"a": 1.0, "b": 2.0}, ("a", "b")) == {"a": 1.0, "b": 2.0, "loss": 3.0}
    assert with_total({"a": 1.0}, ("a", "b")) == {"a": 1.0}
    assert with_total({"a": 1.0}, ()) == {"a": 1.0}


def test_merge_goes_by_step_and_adds_the_total():
    series = {
        "train/a_loss": [(0, 1.0), (1, 0.5)],
        "train/b_loss": [(0, 2.0), (1, 1.5)],
        "val/a_loss": [(1, 0.7)],
        "val/b_loss": [(1, 0.2)],
        "lr/pg0": [(0, 0.1)],
    }
    first, second = merge(series)
    assert first.train == {"a_loss": 1.0, "b_loss": 2.0, "loss": 3.0}
    assert (first.val, first.learning_rate) == ({}, 0.1)
    assert second.val == {"a_loss": 0.7, "b_loss": 0.2, "loss": pytest.approx(0.9)}


def test_merge_takes_a_restart_as_one():
    steps = [(0, 1.0), (1, 2.0), (2, 3.0), (1, 9.0)]
    assert [(o.step, o.val["loss"]) for o in merge({"val_loss": steps})] == [(0, 1.0), (1, 9.0)]


def test_the_users_own_names():
    seen = ["tr", "hold", "val_f1"]
    assert {n: w.split for n, w in Names(val="hold", train="tr").places(seen).items()} == {"tr": "train", "hold": "val"}
    assert Names(val="val_f1").places(seen)["val_f1"].metric == "f1"
    with pytest.raises(UsageError, match=r"unknown name 'holt'\. Did you mean 'hold'"):
        Names(val="holt").places(seen)


def test_the_first_of_the_validation_sets_of_hugging_face_is_compared_with_the_loss():
    sets = [f"eval_{one}_{what}" for one in ("ood", "iid") for what in ("accuracy", "loss", "runtime")]
    places = pair(["epoch", *sets, "loss"])
    assert list(places)[:2] == ["eval_ood_loss", "loss"]  # what comes first is judged
    assert (places["loss"].split, places["loss"].metric) == ("train", "ood_loss")
    assert places["eval_iid_loss"].metric == "iid_loss"


@pytest.mark.parametrize(
    "names",
    [
        ["loss", "eval_recon_loss", "eval_kl_loss"],  # parts of one loss, which the total is not compared with
        ["train_loss", "eval_a_loss", "eval_a_runtime"],
        ["loss", "eval_loss", "eval_runtime", "eval_a_loss", "eval_a_runtime"],
    ],
)
def test_other_losses_are_no_validation_sets(names):
    assert all(where.metric == "loss" for where in pair(names).values() if where.split == "train")
