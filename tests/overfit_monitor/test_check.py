"""Layers of settings, and the metric that was asked for."""

import pytest

from overfit_monitor.check import check, layered
from overfit_monitor.errors import UsageError
from overfit_monitor.gate import Limit
from overfit_monitor.readers.pairing import Names


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ([{"patience": 1}, {"patience": 2}], {"patience": 2}),
        ([{"patience": 1}, {}], {"patience": 1}),
        ([{"metric": "loss", "mode": "min"}, {"metric": "acc"}], {"metric": "acc"}),
        ([{"metric": "acc", "mode": "max"}, {"metric": "acc"}], {"metric": "acc", "mode": "max"}),
        ([{"mode": "min"}, {"metric": "acc", "mode": "max"}], {"metric": "acc", "mode": "max"}),
        ([{"metric": None, "mode": "auto"}, {"mode": "max"}], {"metric": None, "mode": "max"}),
    ],
)
def test_layers(layers, expected):
    assert layered(*layers) == expected


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("loss,accuracy,val_loss,val_accuracy,val_reward\n" + "1,0.5,2,0.5,3\n" * 10, encoding="utf-8")
    return path


@pytest.mark.parametrize("metric", ["accuracy", "val_accuracy"])
def test_a_metric_is_known_by_our_name_and_by_that_of_the_log(log, metric):
    (run,) = check([log], settings={"metric": metric}).runs
    assert run.metrics.model_dump() == {"train": "accuracy", "val": "accuracy", "mode": "max", "also": {"loss": "min"}}


def test_an_unknown_metric_is_an_error_of_that_run(log, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("epoch,val_acuracy\n0,0.5\n", encoding="utf-8")
    result = check([log, other], settings={"metric": "acuracy", "mode": "max"})
    assert [run.run for run in result.runs] == ["other"]
    (error,) = result.errors
    assert (error.source, error.run) == (str(log), "log")
    assert error.message.startswith("unknown metric 'acuracy'. Did you mean 'accuracy'?")
    assert result.outcome == "error"


def test_a_direction_that_no_name_tells_must_be_given(log):
    names = Names(val="val_reward")
    assert "mode must be 'min' or 'max'" in check([log], names=names).errors[0].message
    (run,) = check([log], names=names, settings={"mode": "max"}).runs
    assert run.metrics.model_dump() == {"train": None, "val": "reward", "mode": "max", "also": {}}


def test_a_setting_that_cannot_be_right_is_raised_before_anything_is_read():
    with pytest.raises(UsageError, match="patience must be greater than or equal to 0 but got -1"):
        check([], settings={"patience": -1})


def test_the_limit_and_the_curves(log):
    curves = {}
    assert check([log], limit=Limit.parse(["healthy"]), curves=curves).outcome == "fail"
    assert curves == {"log": [2.0] * 10}
