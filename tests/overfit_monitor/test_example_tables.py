"""The tables of examples and classes, against what a reader reckons by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from overfit_monitor import Facts, Monitor, MonitorWarning, UsageError
from overfit_monitor.example_tables import ExampleTables, find_mislabelled
from overfit_monitor.facts import LossFacts
from overfit_monitor.journal import FILE_NAME, read_journal


def monitor_of(*evaluations, **settings):
    monitor = Monitor(**settings)
    for step, (val, probe) in enumerate(evaluations):
        monitor.log(step=step, val_losses=np.array(val), probe_losses=None if probe is None else np.array(probe))
    return monitor


def test_by_hand():
    monitor = monitor_of(([1.0, 2.0, 3.0, 4.0], [0.5, 0.5]), ([1.0, 6.0, 3.5, 4.5], [0.1, 9.0]))
    monitor.describe_examples(val_labels=[0, 1, 1, 0], val_names=["a", "b", "c", "d"])
    tables = monitor.examples
    assert (tables.step, tables.best_step) == (1, 0)
    assert [(row.name, row.label, row.loss, row.best_loss) for row in tables.worst] == [
        ("b", 1, 6.0, 2.0),
        ("d", 0, 4.5, 4.0),
        ("c", 1, 3.5, 3.0),
        ("a", 0, 1.0, 1.0),
    ]
    assert [row.name for row in tables.risen] == ["b", "c", "d"]  # a did not rise
    first, second = tables.classes
    # Class 1 rose by 4 and .5: mean 2.25, and half the difference is the error of a mean of two.
    assert (first.label, first.n, first.loss, first.change, first.change_error) == (1, 2, 4.75, 2.25, 1.75)
    assert (second.label, second.n, second.loss, second.change, second.change_error) == (0, 2, 2.75, 0.25, 0.25)


def test_membership_is_that_of_the_diagnosis():
    rng = np.random.default_rng(0)
    monitor = monitor_of((rng.exponential(size=50), rng.exponential(0.1, size=50)))
    assert monitor.examples.membership == monitor.diagnosis.membership
    assert monitor.examples.membership.low > 0.5


def test_of_a_metric_that_grows_the_lowest_is_the_worst():
    monitor = Monitor(metric="iou", mode="max")
    for step, values in enumerate(([0.5, 0.9], [0.4, 0.1])):
        monitor.log(step=step, val_losses=values)
    monitor.describe_examples(val_labels=[3, 3])
    tables = monitor.examples
    assert [row.loss for row in tables.worst] == pytest.approx([0.1, 0.4])
    assert [row.index for row in tables.risen] == [1, 0]
    assert tables.classes[0].change == pytest.approx(-0.45)
    assert tables.mislabelled == ()


def test_at_the_best_step_nothing_has_changed():
    monitor = monitor_of(([2.0, 3.0], None), ([1.0, 2.0], None))
    monitor.describe_examples(val_labels=[0, 1])
    assert monitor.examples.risen == ()
    assert [(row.change, row.change_error) for row in monitor.examples.classes] == [(None, None)] * 2


def test_without_losses_there_is_nothing():
    assert Monitor().examples == ExampleTables()


@pytest.mark.parametrize("labels", [[0, 1], np.zeros(7), None])
def test_class_numbers_of_another_number_of_examples_are_not_used(labels):
    monitor = monitor_of(([2.0, 3.0, 4.0], None))
    monitor.describe_examples(val_labels=labels)
    assert monitor.examples.classes == ()
    assert [row.label for row in monitor.examples.worst] == [None] * 3


@pytest.mark.parametrize("labels", [["cat", "dog"], [0.5, 1.0], [math.nan, 1.0], object()])
def test_labels_that_are_no_class_numbers_cost_one_warning(labels):
    monitor = monitor_of(([2.0, 3.0], None))
    with pytest.warns(MonitorWarning, match="labels must be class numbers") as told:
        monitor.describe_examples(val_labels=labels)
        monitor.describe_examples(val_labels=labels)
    assert len(told) == 1
    with pytest.raises(UsageError, match="labels must be class numbers"):
        Monitor(strict=True).describe_examples(val_labels=labels)


def mislabelled_losses():
    rng = np.random.default_rng(0)
    losses, labels = rng.exponential(0.2, size=400), np.arange(400) % 4
    losses[[7, 100, 333]] = [5.0, 6.0, 4.0]
    return losses, labels


def test_examples_that_stand_out_of_their_class_look_mislabelled():
    losses, labels = mislabelled_losses()
    found = find_mislabelled(losses, labels)
    assert found[:3].tolist() == [100, 7, 333]
    assert (losses[found] > math.log(4)).all()


def test_a_class_that_is_merely_hard_does_not():
    losses, labels = mislabelled_losses()
    hard = np.where(labels == 2, losses + 3.0, losses)
    assert (labels[find_mislabelled(hard, labels)] != 2).sum() == len(find_mislabelled(hard, labels))


@pytest.mark.parametrize(
    ("losses", "labels"),
    [(np.full(100, 9.0), np.zeros(100, dtype=int)), (np.arange(19.0), np.arange(19) % 2), (np.zeros(0), np.zeros(0))],
)
def test_of_one_class_or_few_examples_none_does(losses, labels):
    assert len(find_mislabelled(losses, labels)) == 0


def test_the_probe_is_looked_at_and_the_facts_may_say_that_it_means_nothing():
    losses, labels = mislabelled_losses()
    monitor = monitor_of((losses + 1e-3, losses[:200]))
    monitor.describe_examples(probe_labels=labels, probe_names=[f"#{i}" for i in range(400)])
    assert [(row.split, row.name) for row in monitor.examples.mislabelled[:2]] == [("train", "#100"), ("train", "#7")]
    monitor.know(Facts(loss=LossFacts(name="MSELoss", classification=False)))
    assert monitor.examples.mislabelled == ()


@given(st.integers(1, 40), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_the_class_means_and_their_changes_add_up_to_those_of_all(n, classes, seed):
    rng = np.random.default_rng(seed)
    first, second = rng.exponential(size=n), 1.0 + rng.exponential(size=n)
    monitor = monitor_of((first, None), (second, None))
    monitor.describe_examples(val_labels=rng.integers(classes, size=n))
    rows = monitor.examples.classes
    if n > 1:  # one example has no standard error and is not kept
        assert sum(row.n for row in rows) == n
        assert sum(row.n * row.loss for row in rows) / n == pytest.approx(second.mean(), rel=1e-5)
        if monitor.examples.best_step == 0 and monitor.examples.step == 1:
            assert sum(row.n * row.change for row in rows) / n == pytest.approx((second - first).mean(), rel=1e-5)


def test_the_journal_has_the_tables_at_the_end_once(tmp_path):
    with Monitor(run_dir=tmp_path, sinks={}) as monitor:
        monitor.log(step=0, val_losses=[1.0, 2.0])
    monitor.close()
    entries = [entry.record for entry in read_journal(tmp_path / FILE_NAME) if entry.kind == "examples"]
    assert entries == [json.loads(monitor.examples.model_dump_json())]


def test_a_fault_in_the_tables_costs_one_warning(tmp_path, monkeypatch):
    monitor = Monitor(run_dir=tmp_path, sinks={})
    monkeypatch.setattr("overfit_monitor.monitor.example_tables", lambda *_, **__: 1 / 0)
    monitor.log(step=0, val_losses=[1.0, 2.0])
    with pytest.warns(MonitorWarning, match="example tables is off") as told:
        monitor.close()
        monitor.close()
    assert len(told) == 1
