"""What the hooks and the probe measure reaches the diagnosis, and a fault in any of them costs that part only."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from overfit_monitor import MonitorWarning, UsageError  # noqa: E402
from overfit_monitor.journal import FILE_NAME, read_journal  # noqa: E402
from overfit_monitor_torch import ProbeSettings, watch  # noqa: E402


def fit(task, epochs=4, **settings):
    data = TensorDataset(*task.train)
    settings = {"train_data": data, "probe": ProbeSettings(budget=None), "patience": 100, "strict": True} | settings
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, **settings)
    for _ in monitor.epochs(epochs):
        task.train_epoch()
        task.validate()
    return monitor


def test_the_gap_is_split_and_the_examples_are_known(make_task, tmp_path):
    task = make_task(dropout=0.5)
    monitor = fit(task, epochs=15, run_dir=tmp_path)
    gap = monitor.diagnosis.gap
    assert gap.raw == pytest.approx(gap.like_for_like + gap.artefact)
    assert gap.artefact < 0 < gap.standard_error  # dropout makes train look worse than it is
    tables = monitor.monitor.examples
    assert len(tables.worst) == 10
    assert {row.label for row in tables.classes} == {0, 1}
    assert sum(row.n for row in tables.classes) == 200
    assert all(row.name is not None for row in tables.mislabelled if row.split == "train")
    assert monitor.diagnosis.membership.auc > 0.5
    monitor.close()
    kinds = [entry.kind for entry in read_journal(tmp_path / FILE_NAME)]
    assert "examples" in kinds
    assert not {"probe", "val_losses"} & {item.id for item in monitor.diagnosis.not_judged}


def test_training_with_everything_is_bit_for_bit_training_without(make_task, same_weights):
    tasks = [make_task(dropout=0.5) for _ in range(2)]
    torch.manual_seed(3)
    for _ in range(4):
        tasks[0].train_epoch()
        tasks[0].validate()
    state = torch.get_rng_state()
    torch.manual_seed(3)
    fit(tasks[1], restore_best_weights=False)
    assert same_weights(tasks[1].weights(), tasks[0].weights())
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize(
    ("probe", "data", "reason"),
    [(None, None, "train_data"), (True, None, "train_data"), (None, "iterable", "cannot be read by index")],
)
def test_what_cannot_be_measured_is_said(task, probe, data, reason):
    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            yield from zip(*task.train, strict=True)

    monitor = fit(task, train_data=None if data is None else DataLoader(Endless()), probe=probe)
    (told,) = [item for item in monitor.diagnosis.not_judged if item.id == "probe"]
    assert reason in told.reason


def test_without_the_probe_nothing_is_said_of_it(task):
    monitor = fit(task, probe=False)
    assert monitor.diagnosis.gap.like_for_like is None
    assert not [item for item in monitor.diagnosis.not_judged if item.id == "probe"]


@pytest.mark.parametrize("probe", ["yes", 1.0, {"size": 3}])
def test_settings_that_are_none(task, probe):
    with pytest.raises(UsageError, match=r"probe must be True, False or ProbeSettings"):
        watch(task.model, probe=probe)


@pytest.mark.parametrize(("name", "value"), [("size", 1), ("size", 2.5), ("budget", 0.0), ("loss_fn", 3)])
def test_settings_that_cannot_be(task, name, value):
    with pytest.raises(UsageError, match=name if name != "budget" else "budget|share"):
        watch(task.model, criterion=task.criterion, probe=ProbeSettings(**{name: value}))


@pytest.mark.parametrize(
    ("target", "part"),
    [
        ("overfit_monitor_torch.probe.TrainProbe.measure", "probe"),
        ("overfit_monitor_torch.probe.undisturbed", "probe"),
        ("overfit_monitor_torch.per_example.unreduced", "per-example losses"),
        ("overfit_monitor_torch.per_example.PerExample._taken", "per-example losses"),
        ("overfit_monitor_torch.rates.RateMeter._changed", "learning-rate hook"),
        ("overfit_monitor_torch.totals.Total.take", "loss hook"),
        ("overfit_monitor.monitor.ExampleNames.describe", "example names"),
    ],
)
@pytest.mark.parametrize("error", [RuntimeError("injected"), MemoryError("injected")])
def test_a_fault_costs_one_warning_and_that_part(make_task, same_weights, monkeypatch, target, part, error):
    plain, task = make_task(), make_task()
    for _ in range(4):
        plain.train_epoch()

    def boom(*_args, **_kwargs):
        raise error

    monkeypatch.setattr(target, boom)
    with pytest.warns(MonitorWarning) as told:
        monitor = fit(task, strict=False, restore_best_weights=False)
    mine = [str(w.message) for w in told if "injected" in str(w.message)]
    assert len(mine) == 1
    assert f"{part} is off after {type(error).__name__}: injected; training goes on" in mine[0]
    assert same_weights(task.weights(), plain.weights())
    if part != "loss hook":
        assert monitor.diagnosis.step == 3
    with pytest.raises(type(error), match="injected"):
        fit(make_task(), strict=True)


def test_a_data_set_that_raises_costs_the_probe_only(task):
    class Broken(TensorDataset):
        def __getitem__(self, index):
            raise OSError("the disk is gone")

    with pytest.warns(MonitorWarning, match="probe is off after OSError: the disk is gone") as told:
        monitor = fit(task, train_data=Broken(*task.train), strict=False)
    assert len(told) == 1
    assert monitor.diagnosis.step == 3
    assert json.loads(monitor.diagnosis.model_dump_json())["gap"]["like_for_like"] is None
