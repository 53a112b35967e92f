"""Which folders are one run, as tables."""

import pytest

from overfit_monitor.errors import UsageError
from overfit_monitor.readers.pairing import Names
from overfit_monitor.records import MetricChoice
from overfit_monitor_tensorboard.alerts import AlertState
from overfit_monitor_tensorboard.grouping import Curve, choose_curves, group

CASES = {
    "one folder, one run": (
        {"exp": ["Loss/train", "Loss/val"]},
        {"exp": ["Loss/train", "Loss/val"]},
    ),
    "Keras": (
        {"exp/train": ["epoch_loss"], "exp/validation": ["epoch_loss"]},
        {"exp": ["train/epoch_loss", "validation/epoch_loss"]},
    ),
    "Keras in the root": (
        {"train": ["epoch_loss"], "validation": ["epoch_loss"]},
        {".": ["train/epoch_loss", "validation/epoch_loss"]},
    ),
    "Keras and our own folder": (
        {"exp/train": ["epoch_loss"], "exp/overfit-monitor": ["overfit/val"]},
        {"exp": ["overfit-monitor/overfit/val", "train/epoch_loss"]},
    ),
    "our own folder inside a part of a run": (
        {"exp/train": ["epoch_loss"], "exp/train/overfit-monitor": ["overfit/val"]},
        {"exp": ["train/epoch_loss", "train/overfit-monitor/overfit/val"]},
    ),
    "add_scalars beside other curves": (
        {"exp": ["lr"], "exp/Loss_train": ["Loss"], "exp/Loss_val": ["Loss"]},
        {"exp": ["Loss_train/Loss", "Loss_val/Loss", "lr"]},
    ),
    "add_scalars with a slash in the tag": (
        {"a/loss_epoch_train": ["loss/epoch"], "a/loss_epoch_test": ["loss/epoch"]},
        {"a": ["loss_epoch_test/loss/epoch", "loss_epoch_train/loss/epoch"]},
    ),
    "runs that are numbered, not parts": (
        {"loss_1": ["loss"], "loss_2": ["loss"]},
        {"loss_1": ["loss"], "loss_2": ["loss"]},
    ),
    "a run that happens to be called train": (
        {"runs/train": ["train/box_loss", "val/box_loss"]},
        {"runs/train": ["train/box_loss", "val/box_loss"]},
    ),
    "folders and tags that both name the split": (
        {"exp/train": ["train_loss"], "exp/val": ["val_loss"]},
        {"exp": ["train_loss", "val_loss"]},
    ),
    "the same tag in the parent": (
        {"exp": ["train_loss"], "exp/train": ["train_loss"]},
        {"exp": ["train/train_loss", "train_loss"]},
    ),
    "nothing": ({}, {}),
}


@pytest.mark.parametrize(("tags", "expected"), CASES.values(), ids=CASES)
def test_group(tags, expected):
    assert {found.name: [curve.label for curve in found.curves] for found in group(tags)} == expected


def test_a_group_names_its_folders_even_those_without_curves():
    (found,) = group({"exp/train": ["epoch_loss"], "exp/validation": []})
    assert found.folders == ("exp/train", "exp/validation")


OURS = [Curve("e/overfit-monitor", f"overfit/{n}", f"overfit-monitor/overfit/{n}") for n in ("train", "val", "gap")]
PAIR = [Curve("e", "Loss/train", "Loss/train"), Curve("e", "Loss/val", "Loss/val")]


def state(val, mode="min"):
    return AlertState(metrics=MetricChoice(train=val, val=val, mode=mode))


def chosen(curves, alerts=None, names=None):
    choice = choose_curves(curves, alerts, names)
    return {label: (place.split, place.metric) for label, place in choice.places.items()}, choice.settings


def test_the_runs_own_pair_goes_before_ours():
    assert chosen(OURS + PAIR) == ({"Loss/train": ("train", "loss"), "Loss/val": ("val", "loss")}, {})


def test_ours_are_used_where_the_run_has_no_pair():
    ours = {"overfit-monitor/overfit/train": ("train", "reward"), "overfit-monitor/overfit/val": ("val", "reward")}
    settings = {"metric": "reward", "mode": "max"}
    assert chosen(OURS, state("reward", "max")) == (ours, settings)
    assert chosen(OURS + PAIR[:1], state("reward", "max")) == (ours, settings)
    assert chosen(OURS + PAIR[1:], state("reward", "max")) == (ours, settings)


def test_ours_are_a_loss_where_the_record_of_the_metric_is_lost():
    assert chosen(OURS)[0]["overfit-monitor/overfit/val"] == ("val", "loss")


def test_what_was_compared_live_is_compared_here_if_it_is_there():
    assert chosen(PAIR, state("loss"))[1] == {"metric": "loss", "mode": "min"}
    assert chosen(PAIR, state("accuracy", "max"))[1] == {}


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        (["epoch_loss", "lr"], {"epoch_loss": ("train", "epoch_loss")}),
        (["train_loss"], {"train_loss": ("train", "loss")}),
        (["lr", "temperature"], {}),
    ],
)
def test_a_run_without_validation_still_has_a_curve_to_show(tags, expected):
    assert chosen([Curve("e", tag, tag) for tag in tags])[0] == expected


def test_several_losses_are_added_up_and_that_is_said():
    parts = [Curve("e", f"{s}/{p}_loss", f"{s}/{p}_loss") for s in ("train", "val") for p in ("box", "cls")]
    choice = choose_curves(parts, None)
    assert len(choice.places) == 4
    assert choice.notes == ("no total loss was logged: 'loss' is the sum of box_loss and cls_loss.",)


def test_the_users_choice_goes_before_everything():
    names = Names(val="overfit-monitor/overfit/val", train="Loss/train")
    assert set(chosen(OURS + PAIR, None, names)[0]) == {"Loss/train", "overfit-monitor/overfit/val"}
    with pytest.raises(UsageError, match=r"unknown name 'Loss/vla'\. Did you mean 'Loss/val'"):
        choose_curves(PAIR, None, Names(val="Loss/vla"))


def test_folders_of_a_logdir_spec_carry_no_dot():
    """TensorBoard calls the files right in a named folder ``name/.``."""
    (a, b) = group(
        {"a/.": ["val_loss"], "a/overfit-monitor": ["overfit/val"], "b/train": ["loss"], "b/validation": ["loss"]}
    )
    assert (a.name, a.folders) == ("a", ("a/.", "a/overfit-monitor"))
    assert [curve.label for curve in a.curves] == ["overfit-monitor/overfit/val", "val_loss"]
    assert (b.name, [curve.label for curve in b.curves]) == ("b", ["train/loss", "validation/loss"])
