"""From paths to a result, and the metric that was asked for."""

import pickle

import pytest

from overfit_monitor.check import check
from overfit_monitor.errors import UsageError
from overfit_monitor.examination import examine, judge_run
from overfit_monitor.policy import Layer, Policies
from overfit_monitor.readers import read_runs
from overfit_monitor.readers.pairing import Names


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
    sketches = {}
    assert check([log], policies=Policies(over={"fail_on": ["healthy"]}), sketches=sketches).outcome == "fail"
    assert sketches == {"log": (tuple(range(10)), (2.0,) * 10, "min")}


def test_policies_by_run_and_those_that_fit_none(log):
    policies = Policies(
        layers=(
            Layer(("log",), {"metric": "accuracy", "fail_on": ["healthy"]}),
            Layer(("elsewhere/*",), {"fail_on": ["info"]}),
        )
    )
    result = check([log], policies=policies)
    assert (result.outcome, result.runs[0].metrics.val) == ("fail", "accuracy")
    assert result.remarks == ("the policy for 'elsewhere/*' fits none of the runs",)


def test_progress_is_told_after_each_run(log, tmp_path):
    (tmp_path / "b.csv").write_text(log.read_text(encoding="utf-8"), encoding="utf-8")
    told = []
    check([tmp_path], progress=lambda *now: told.append(now))
    assert told == [(1, 2, "b"), (2, 2, "log")]


def test_one_run_is_judged_as_in_a_check(log):
    ((run,), _) = read_runs([log])
    policies = Policies(over={"fail_on": ["healthy"]})
    assert judge_run(run, policies) == check([log], policies=policies).runs[0]
    examined = examine(run, policies, measured=True, sketched=True)
    assert examined.measured.value == 2.0
    assert pickle.loads(pickle.dumps(examined)) == examined
    assert pickle.loads(pickle.dumps(policies)) == policies
