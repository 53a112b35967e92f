"""Replaying stopping policies: tables a reader can check by hand."""

import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Monitor, judged_run, pooling
from overfit_monitor.cli import main
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Observation
from overfit_monitor.replay import Course, _best_patience, _regret_by_patience, replay
from overfit_monitor.stopping.evidence import EvidenceStopping
from overfit_monitor.stopping.patience import PatienceStopping
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import signals

FALLS_AND_RISES = [5.0, 4.0, 3.0, 4.0, 5.0, 2.0, 4.0, 4.0, 4.0, 4.0]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name, **columns):
    rows = zip(*columns.values(), strict=True)
    lines = [",".join(["epoch", *columns]), *(",".join(map(str, [i, *row])) for i, row in enumerate(rows))]
    Path(name).write_text("\n".join(lines) + "\n")
    return name


def course(val):
    seen = signals(val)
    return Course("run", "file", "loss", seen, [False] * len(seen), "validation", {s.step: s.val for s in seen})


def figures(result, policy):
    return next(figures for figures in result.policies if figures.policy == policy)


def test_a_policy_against_the_validation_curve_seen():
    path = write("log.csv", train_loss=[1.0] * 10, val_loss=FALLS_AND_RISES)
    result = replay([path], policies=["patience:2", "patience:3", "never"])
    hasty, right, never = result.policies
    # Patience 2 stops at step 4 with the checkpoint of step 2: 3 instead of 2, of five of ten evaluations.
    assert (hasty.regret, hasty.within, hasty.epochs, hasty.wasted, hasty.stopped) == (0.5, 0.0, 0.5, 2.0, 1)
    # Patience 3 goes on to the best at step 5 and stops at step 8.
    assert (right.regret, right.within, right.epochs, right.wasted, right.stopped) == (0.0, 1.0, 0.9, 3.0, 1)
    assert (never.regret, never.within, never.epochs, never.wasted, never.stopped) == (0.0, 1.0, 1.0, 4.0, 0)
    assert result.best_patience == 3
    assert result.best_patience_figures == right
    (run,) = result.runs
    assert [(stop.stop_step, stop.best_step) for stop in run.stops] == [(4, 2), (8, 5), (None, 5)]


def test_in_a_long_run_the_default_policy_is_what_the_monitor_follows(monkeypatch):
    """Which judges means there; a patience counts single evaluations in the monitor as well."""
    for module in (pooling, judged_run):
        monkeypatch.setattr(module, "MOST", 16)
    val = [1.0 / (1 + i / 9) + 0.02 * ((7 * i) % 5 - 2) + max(0.0, (i - 60) * 0.004) for i in range(200)]
    observations = [Observation(step=i, val={"loss": value}) for i, value in enumerate(val)]
    expected = [Monitor(patience=patience).replay(observations) for patience in (None, 25)]
    (run,) = replay([write("log.csv", val_loss=val)], policies=["evidence", "patience:25"]).runs
    assert [stop.stop_step for stop in run.stops] == [diagnosis.stop_step for diagnosis in expected]
    ends = [199 if diagnosis.stop_step is None else diagnosis.stop_step for diagnosis in expected]
    assert [stop.best_step for stop in run.stops] == [min(range(end + 1), key=val.__getitem__) for end in ends]
    single, policy = signals(val), EvidenceStopping()
    by_singles = next(found for found in map(policy.update, single) if found is not None)
    assert by_singles.step != expected[0].stop_step


def test_a_test_metric_judges_the_checkpoint_where_the_log_has_one():
    test = [1.0, 1.0, 1.0, 1.0, 1.0, 1.5, 1.0, 1.0, 1.0, 0.5]
    path = write("log.csv", train_loss=[1.0] * 10, val_loss=FALLS_AND_RISES, test_loss=test)
    result = replay([path], policies=["patience:2", "never"])
    assert result.runs[0].judged_by == "test_loss"
    assert figures(result, "patience:2").regret == 1.0
    assert figures(result, "never").regret == 1.0, "two times worse than the best counts as 1"


def test_a_test_metric_of_the_last_epoch_only_judges_nothing():
    test = ["", "", "", "", "", "", "", "", "", 0.5]
    path = write("log.csv", train_loss=[1.0] * 10, val_loss=FALLS_AND_RISES, test_loss=test)
    assert replay([path]).runs[0].judged_by == "validation"


def test_truth_names_another_column_and_higher_can_be_better():
    path = write("log.csv", val_accuracy=[0.5, 0.8, 0.7, 0.9], holdout=[0.5, 0.8, 0.8, 0.4])
    result = replay([path], policies=["patience:1", "never"], settings={"metric": "accuracy"}, truth="holdout")
    assert figures(result, "patience:1").regret == 0.0
    assert figures(result, "never").regret == pytest.approx(0.5)


def test_a_journal_with_a_test_metric_and_a_restart():
    with Monitor(run_dir="run", sinks={}) as monitor:
        for step, value in [(0, 3.0), (1, 9.0), (2, 9.0), (1, 2.0), (2, 1.0)]:
            monitor.log(step=step, train={"loss": 1.0}, val={"loss": value, "test_loss": value + 1.0})
    result = replay(["run"], policies=["patience:1"])
    assert (result.runs[0].evaluations, result.runs[0].judged_by) == (3, "test_loss")
    assert result.policies[0].stopped == 0


def test_replay_stops_where_the_monitor_stopped():
    for make in curves.CATALOGUE:
        curve = make(100)
        path = write(f"{curve.name}.csv", train_loss=curve.train, val_loss=curve.val)
        stop = replay([path], policies=["evidence"]).runs[0].stops[0]
        monitor = Monitor()
        for step, (train, val) in enumerate(zip(curve.train, curve.val, strict=True)):
            monitor.log(step=step, train={"loss": train}, val={"loss": val})
            if monitor.should_stop:
                break
        assert (stop.stop_step, stop.best_step) == (monitor.diagnosis.stop_step, monitor.best_step), curve.name


@given(
    val=st.lists(st.sampled_from([1.0, 2.0, 3.0, 4.0, math.nan]), min_size=1, max_size=30).filter(
        lambda values: any(map(math.isfinite, values))
    )
)
def test_the_patience_tried_is_the_policy(val):
    run = course(val)
    by_patience = _regret_by_patience(run)
    for patience in range(1, len(val) + 2):
        policy = PatienceStopping(patience=patience)
        stop = next((signal for signal in run.signals if policy.update(signal)), run.signals[-1])
        assert by_patience[min(patience, len(by_patience)) - 1] == run.regret(stop)
    best = _best_patience([run])
    assert by_patience[min(best, len(by_patience)) - 1] <= by_patience[-1] + 0.01


@pytest.mark.parametrize(
    ("policy", "message"),
    [("patiense:3", "Did you mean 'patience'"), ("gl:x", "takes a number"), ("", "unknown policy")],
)
def test_a_wrong_policy(policy, message):
    with pytest.raises(UsageError, match=message):
        replay([write("log.csv", val_loss=[1.0, 2.0])], policies=[policy])


def test_cli_text(capsys):
    write("log.csv", train_loss=[1.0] * 10, val_loss=FALLS_AND_RISES)
    assert main(["replay", "log.csv", "--policy", "patience:2,never", "--policy", "patience:3"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "1 run(s), 10 evaluations"
    table = out[2:6]
    assert table[0].split()[:2] == ["policy", "regret"]
    assert table[1].split() == ["patience:2", "50.00%", "0%", "50%", "2.0", "1"]
    assert table[2].split() == ["never", "0.00%", "100%", "100%", "4.0", "0"]
    assert len({len(line) for line in table}) == 1, "the columns are not aligned"
    assert "best patience for these runs: 3 " in out[-1]


def test_cli_json(capsys):
    write("log.csv", train_loss=[1.0] * 10, val_loss=FALLS_AND_RISES)
    assert main(["replay", "log.csv", "--format", "json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["schema_version"], result["outcome"], result["best_patience"]) == (1, "pass", 3)
    assert result["policies"][0]["policy"] == "evidence"


def test_cli_output_goes_to_the_file(capsys):
    write("log.csv", val_loss=FALLS_AND_RISES, train_loss=[1.0] * 10)
    assert main(["replay", "log.csv", "--output", "report.txt"]) == 0
    assert capsys.readouterr().out == ""
    assert "best patience" in Path("report.txt").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["replay", "nowhere"], "nowhere: "),
        (["replay", "blind.csv"], "no finite validation value"),
        (["replay", "log.csv", "--policy", "nevr"], "Did you mean 'never'"),
        (["replay", "log.csv", "--truth", "val_los"], "Did you mean 'val_loss'"),
        (["replay", "log.csv", "--metric", "accuracy", "--val", "val_loss"], "metric cannot go together with --val"),
        (["replay"], "LOG is missing"),
    ],
)
def test_cli_what_cannot_be_judged_is_exit_status_2(arguments, message, capsys):
    write("log.csv", val_loss=FALLS_AND_RISES, train_loss=[1.0] * 10)
    write("blind.csv", train_loss=[1.0, 2.0])
    assert main(arguments) == 2
    seen = capsys.readouterr()
    assert message in seen.out + seen.err


def test_one_unreadable_file_does_not_hide_the_others(capsys):
    write("log.csv", val_loss=FALLS_AND_RISES, train_loss=[1.0] * 10)
    write("blind.csv", train_loss=[1.0, 2.0])
    assert main(["replay", "log.csv", "blind.csv", "--format", "json"]) == 2
    result = json.loads(capsys.readouterr().out)
    assert (len(result["runs"]), len(result["errors"]), result["outcome"]) == (1, 1, "error")
