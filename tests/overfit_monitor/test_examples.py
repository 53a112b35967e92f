"""Per-example losses: numbers checked by hand, trouble that harms nothing, and a replay that equals live."""

import json
import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from overfit_monitor import Facts, Monitor, MonitorWarning, Observation, UsageError, diagnose
from overfit_monitor.examples import Examples, as_losses
from overfit_monitor.journal import FILE_NAME, read_journal
from overfit_monitor.records import Sampling
from overfit_monitor.stats.paired import paired_change, standard_error


def logged(monitor, step, losses=None, **metrics):
    monitor.log(step=step, val=metrics or None, val_losses=losses)
    return monitor._analyzer.history[-1].sampling


@pytest.fixture
def monitor():
    return Monitor(strict=True)


def test_the_standard_error_is_the_deviation_over_the_root_of_n():
    # Deviations -3, -1, 1, 3: 20 / 3 is the variance, over 4 it is 5 / 3.
    assert standard_error(np.array([0.0, 2.0, 4.0, 6.0])) == pytest.approx(math.sqrt(5.0 / 3.0))


def test_what_makes_an_example_hard_falls_out_of_a_paired_change():
    before, now = np.array([0.0, 100.0, 1000.0]), np.array([1.0, 102.0, 1003.0])
    # Differences 1, 2, 3: mean 2, standard deviation 1.
    assert paired_change(now, before) == pytest.approx((2.0, 1.0 / math.sqrt(3.0)))
    assert standard_error(now) > 300.0


def test_a_change_is_to_the_lowest_mean_before():
    examples = Examples()
    error = math.sqrt(1.0 / 3.0)
    for step, losses, told in [
        (0, [3.0, 4.0, 5.0], (None, None)),
        (1, [1.0, 2.0, 3.0], (0, -2.0)),  # a new lowest mean
        (2, [2.0, 3.0, 4.0], (1, 1.0)),
        (3, [1.0, 2.0, 3.0], (1, 0.0)),  # as low: the first one stays
        (4, [0.0, 1.0, 2.0], (1, -1.0)),
        (5, [0.0, 1.0, 2.0], (4, 0.0)),
    ]:
        found = examples.update(step, np.array(losses))[0]
        assert (found.n, found.compared_to, found.change) == (3, *told)
        assert found.standard_error == pytest.approx(error)
        assert found.change_error == (None if told[0] is None else 0.0)


def test_with_max_it_is_to_the_highest_mean_before():
    examples = Examples(mode="max")
    examples.update(0, np.array([0.0, 1.0]))
    assert examples.update(1, np.array([1.0, 1.0]))[0].change == 0.5
    assert examples.update(2, np.array([0.0, 1.0]))[0].compared_to == 1


@pytest.mark.parametrize("losses", [[], [1.0], [1.0, math.nan], [1.0, math.inf], [1e300, -1e300]])
def test_losses_that_tell_nothing_give_no_sampling_and_are_not_kept(losses):
    examples = Examples()
    assert examples.update(0, np.array(losses)) == (None, None)
    assert examples.update(1, np.array([1.0, 2.0]))[0].compared_to is None


def test_what_is_kept_is_a_copy():
    examples, losses = Examples(), np.array([1.0, 2.0])
    examples.update(0, losses)
    losses[:] = 9.0
    assert examples.update(1, np.array([1.0, 2.0]))[0].change == 0.0


def test_a_tensor_is_read_wherever_it_is():
    class Tensor:
        def detach(self):
            return self

        cpu = detach

        def double(self):
            return [[1.0, 2.0], [3.0, 4.0]]

    assert as_losses(Tensor()).tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_mean_stands_in_for_a_missing_value(monitor):
    assert logged(monitor, 0, [1.0, 3.0]).n == 2
    assert (monitor.diagnosis.metrics.val, monitor.diagnosis.last_value) == ("loss", 2.0)
    logged(monitor, 1, [1.0, 2.0], loss=5.0)  # a value that is given counts
    assert monitor.diagnosis.last_value == 5.0


@pytest.mark.parametrize(
    ("settings", "metrics", "name", "value"),
    [
        ({}, {}, "loss", 0.5),
        ({}, {"accuracy": 0.7}, "loss", 0.5),
        ({}, {"mse": 0.6}, "mse", 0.6),
        ({}, {"mse": 0.6, "loss": 1.0}, "loss", 1.0),
        ({"metric": "nll"}, {"loss": 0.7}, "nll", 0.5),
        ({"metric": "accuracy", "mode": "max"}, {}, "accuracy", 0.5),
    ],
)
def test_the_losses_are_those_of_the_compared_metric(settings, metrics, name, value):
    monitor = Monitor(strict=True, **settings)
    assert logged(monitor, 0, [0.0, 1.0], **metrics).n == 2
    assert (monitor.diagnosis.metrics.val, monitor.diagnosis.last_value) == (name, value)


def test_losses_of_another_metric_than_the_compared_one_are_left_alone():
    monitor = Monitor()
    with pytest.warns(MonitorWarning, match="'mse', and 'accuracy' is compared"):
        assert logged(monitor, 0, [0.0, 1.0], accuracy=0.5, mse=0.5) is None


def test_losses_of_a_metric_to_maximize():
    monitor = Monitor(metric="accuracy", strict=True)
    logged(monitor, -1, accuracy=0.5)  # the direction is that of the metric, whichever came first
    logged(monitor, 0, [1.0, 0.0, 1.0, 1.0])
    logged(monitor, 1, [0.0, 0.0, 1.0, 1.0])
    assert logged(monitor, 2, [1.0, 0.0, 1.0, 0.0]).compared_to == 0


def test_another_number_of_examples_is_told_once_and_compared_with_nothing():
    monitor = Monitor()
    logged(monitor, 0, [1.0, 2.0, 3.0])
    with pytest.warns(MonitorWarning, match="2 values at step 1 and had 3 before") as told:
        odd = logged(monitor, 1, [1.0, 2.0])
        logged(monitor, 2, [1.0, 2.0])
    assert len(told) == 1
    assert (odd.n, odd.compared_to) == (2, None)
    assert logged(monitor, 3, [1.0, 2.0, 3.0]).compared_to == 0


@pytest.mark.parametrize("losses", ["text", [[1.0], [1.0, 2.0]], object()])
def test_what_is_no_numbers_costs_one_warning(losses):
    monitor = Monitor()
    with pytest.warns(MonitorWarning, match="val_losses is off") as told:
        logged(monitor, 0, losses, loss=1.0)
        logged(monitor, 1, losses, loss=2.0)
    assert len(told) == 1
    assert monitor.diagnosis.last_value == 2.0


def test_an_empty_array_costs_one_warning_and_no_value():
    monitor = Monitor()
    with pytest.warns(MonitorWarning, match="no values") as told:
        logged(monitor, 0, [], loss=1.0)
        logged(monitor, 1, [], loss=2.0)
    assert len(told) == 1
    assert monitor.diagnosis.last_value == 2.0


def test_a_checkpoint_of_a_probed_run_gives_what_an_uninterrupted_one_gives():
    rng = np.random.default_rng(1)
    val, probe = rng.exponential(size=(8, 40)).astype(np.float32), rng.exponential(size=(8, 30)).astype(np.float32)
    monitor, resumed = Monitor(), Monitor()
    for step in range(8):
        monitor.log(step=step, val_losses=val[step], probe_losses=probe[step])
        if step >= 4:
            resumed.log(step=step, val_losses=val[step], probe_losses=probe[step])
        if step == 3:
            resumed.load_state_dict(json.loads(json.dumps(monitor.state_dict())))
    assert resumed.diagnosis == monitor.diagnosis
    assert resumed.diagnosis.membership is not None
    assert list(resumed._analyzer.history) == list(monitor._analyzer.history)


@pytest.mark.parametrize("losses", ["text", [], [1.0, 2.0, 3.0]])
def test_strict_raises_instead(monitor, losses):
    logged(monitor, 0, [1.0, 2.0])
    with pytest.raises(UsageError):
        logged(monitor, 1, losses)


def test_a_value_that_is_no_number_is_seen_through_the_mean(monitor):
    assert logged(monitor, 0, [1.0, math.nan]) is None
    assert monitor.diagnosis.finding("non_finite") is not None


def test_a_restart_forgets_the_losses_that_came_after_it(monitor):
    logged(monitor, 0, [4.0, 5.0])
    logged(monitor, 5, [1.0, 2.0])
    assert logged(monitor, 3, [2.0, 3.0]).compared_to is None
    assert logged(monitor, 4, [3.0, 4.0]).compared_to == 3


def test_a_restart_without_losses_forgets_them_as_well(monitor):
    logged(monitor, 5, [1.0, 2.0])
    logged(monitor, 3, loss=2.0)
    assert logged(monitor, 6, [2.0, 3.0]).compared_to is None


def test_a_train_value_that_comes_late_forgets_nothing(monitor):
    logged(monitor, 5, [1.0, 2.0])
    monitor.log(step=5, train={"loss": 1.0})
    assert logged(monitor, 6, [2.0, 3.0]).compared_to == 5


def test_a_checkpoint_carries_the_losses(monitor):
    logged(monitor, 0, [1.0, 2.0])
    logged(monitor, 1, [2.0, 3.0])
    resumed = Monitor()
    resumed.load_state_dict(json.loads(json.dumps(monitor.state_dict())))
    assert logged(resumed, 2, [1.0, 4.0]) == logged(monitor, 2, [1.0, 4.0])
    assert logged(resumed, 2, [1.0, 4.0]).compared_to == 0


def test_a_checkpoint_without_losses_is_one_as_before(monitor):
    logged(monitor, 0, loss=1.0)
    old = {name: value for name, value in monitor.state_dict().items() if name != "examples"}
    resumed = Monitor()
    resumed.load_state_dict(old)
    assert logged(resumed, 1, [1.0, 2.0]).compared_to is None


def test_diagnose_takes_a_row_of_losses_for_each_evaluation():
    rows = [[1.0, 2.0], [0.5, 1.0], [2.0, 1.0]]
    monitor = Monitor(metric="loss")
    for step, row in enumerate(rows):
        monitor.log(step=step, val={"loss": sum(row) / 2}, val_losses=row)
    assert diagnose(val=[1.5, 0.75, 1.5], val_losses=np.array(rows)) == monitor.diagnosis


@pytest.mark.parametrize("rows", [[[1.0, 2.0]], [[1.0], [1.0, 2.0]], [["a", "b"], ["a", "b"]]])
def test_diagnose_refuses_rows_that_cannot_be(rows):
    with pytest.raises(UsageError, match="val_losses"):
        diagnose(val=[1.0, 2.0], val_losses=rows)


def test_losses_tell_a_rise_from_the_luck_of_a_few_examples():
    rng = np.random.default_rng(0)
    level = np.concatenate([np.linspace(2.0, 1.0, 30), np.linspace(1.0, 1.3, 30)])
    # One example in forty becomes hopeless: the mean rises as much as if all did, its paired error with it.
    few = np.minimum(level, np.where(np.arange(60) < 30, math.inf, 1.0))[:, None] * np.ones(40)
    few[30:, 0] += 40.0 * (level[30:] - 1.0)
    few += 0.005 * rng.normal(size=few.shape)
    val = few.mean(axis=1).tolist()
    assert diagnose(val=val).verdict == "overfitting"
    assert diagnose(val=val, val_losses=few).verdict == "healthy"
    every = level[:, None] + 0.005 * rng.normal(size=few.shape)
    assert diagnose(val=every.mean(axis=1).tolist(), val_losses=every).verdict == "overfitting"


def test_the_probe_is_compared_on_its_common_beginning_with_the_lowest_validation_mean():
    examples = Examples()
    for step, val, probe, told in [
        (0, [3.0, 5.0], [4.0, 4.0, 1.0], (3.0, None, None)),
        (1, [1.0, 3.0], [2.0, 3.0], (2.5, 0, -1.5)),  # the lowest validation mean; of the probe two examples
        (2, [2.0, 4.0], [1.0, 1.0, 4.0], (2.0, 1, -1.5)),
        (3, [2.0, 4.0], [1.0], (1.0, None, None)),  # one example has no error
    ]:
        probe_now = examples.update(step, np.array(val), np.array(probe))[1]
        sampling = probe_now.sampling
        told_now = (None, None) if sampling is None else (sampling.compared_to, sampling.change)
        assert (probe_now.value, *told_now) == told
    assert examples.update(4, None, np.array([1.0, 2.0]))[1].sampling.compared_to == 1
    assert (examples.best.step, examples.latest.step) == (1, 3)


def test_a_probe_splits_the_gap(monitor):
    monitor.log(step=0, train={"loss": 1.0}, val_losses=[0.0, 2.0, 4.0], probe_losses=[1.0, 1.0, 1.0])
    gap = monitor.diagnosis.gap
    # Validation 2, train 1 as logged and 1 as probed.
    assert (gap.raw, gap.like_for_like, gap.artefact) == (1.0, 1.0, 0.0)
    assert gap.standard_error == pytest.approx(math.sqrt(4.0 / 3.0))
    monitor.log(step=1, train={"loss": 3.0}, val={"loss": 2.0}, probe_losses=[1.0, 2.0])
    gap = monitor.diagnosis.gap
    assert (gap.raw, gap.like_for_like, gap.artefact, gap.standard_error) == (-1.0, 0.5, -1.5, None)
    monitor.log(step=2, train={"loss": 3.0}, val={"loss": 2.0})
    assert monitor.diagnosis.gap.like_for_like is None


def test_what_could_not_be_measured_is_said_and_taken_back(monitor):
    logged(monitor, 0, loss=1.0)
    monitor.cannot("probe", "the data cannot be read twice")
    assert monitor.diagnosis.not_judged[-1].reason == "the data cannot be read twice"
    monitor.know(Facts(early_stopping=True))
    assert monitor.diagnosis.not_judged[-1].id == "probe"
    monitor.cannot("probe", None)
    assert "probe" not in {item.id for item in monitor.diagnosis.not_judged}


ROWS = st.integers(1, 12).flatmap(
    lambda n: arrays.arrays(np.float64, (n, 4), elements=st.floats(width=32, allow_nan=True, allow_infinity=True))
)


@given(rows=ROWS, back=st.integers(0, 11))
def test_a_replay_of_the_journal_equals_live(tmp_path_factory, rows, back):
    folder = tmp_path_factory.mktemp("run")
    steps = [*range(len(rows)), *range(min(back, len(rows) - 1), len(rows))]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with Monitor(run_dir=folder, sinks={}) as live:
            for step in steps:
                said = live.log(
                    step=step, val_losses=rows[step], probe_losses=rows[step, 1:], learning_rates=(0.1, step)
                )
            stop, best = live.should_stop, live.best_step
    entries = list(read_journal(folder / FILE_NAME))
    replayed = Monitor()
    again = replayed.replay(Observation(**entry.record) for entry in entries if entry.kind == "observation")
    assert repr(again) == repr(said)
    assert (replayed.should_stop, replayed.best_step) == (stop, best)
    samplings = [evaluation.sampling for evaluation in replayed._analyzer.history]
    assert all(found is None or isinstance(found, Sampling) for found in samplings)
    assert repr(list(replayed._analyzer.history)) == repr(list(live._analyzer.history))


@given(
    losses=arrays.arrays(np.float64, (2, 6), elements=st.floats(-100, 100)),
    shift=st.floats(-10, 10),
)
def test_a_paired_error_does_not_depend_on_how_hard_the_examples_are(losses, shift):
    now, before = losses
    change, error = paired_change(now + shift, before + shift)
    assert change == pytest.approx(now.mean() - before.mean(), abs=1e-9)
    assert error == pytest.approx(standard_error(now - before), abs=1e-9)
    assert paired_change(before + shift, before) == pytest.approx((shift, 0.0), abs=1e-9)
