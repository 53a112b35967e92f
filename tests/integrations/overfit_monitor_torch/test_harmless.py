"""Watching changes nothing in the training, waits for nothing, and a fault in it costs one warning."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from overfit_monitor import MonitorWarning  # noqa: E402
from overfit_monitor_torch import watch  # noqa: E402
from overfit_monitor_torch.losses import LossMeter  # noqa: E402
from overfit_monitor_torch.weights import BestWeights  # noqa: E402


def fit(task, epochs):
    """Train with dropout on shuffled data, so that every random number counts."""
    loader = DataLoader(TensorDataset(*task.train), batch_size=16, shuffle=True)
    for _ in epochs(loader):
        task.model.train()
        for inputs, targets in loader:
            task.optimizer.zero_grad()
            task.criterion(task.model(inputs), targets).backward()
            task.optimizer.step()
        task.validate()


def test_training_is_bit_for_bit_the_same(make_task, same_weights, tmp_path):
    plain, watched = make_task(dropout=0.5), make_task(dropout=0.5)

    def epochs(loader):
        monitor = watch(
            watched.model,
            optimizer=watched.optimizer,
            criterion=watched.criterion,
            train_data=loader,
            run_dir=tmp_path,
            restore_best_weights=False,
            patience=100,
            strict=True,
        )
        return monitor.epochs(5)

    torch.manual_seed(5)
    fit(plain, lambda _loader: range(5))
    state = torch.get_rng_state()
    torch.manual_seed(5)
    fit(watched, epochs)
    assert same_weights(watched.weights(), plain.weights())
    assert torch.equal(torch.get_rng_state(), state)


def test_nothing_waits_for_the_device_during_an_epoch(task, monkeypatch):
    calls = []
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, strict=True)

    def counting(name):
        original = getattr(torch.Tensor, name)
        return lambda self, *args, **kwargs: (calls.append(name), original(self, *args, **kwargs))[1]

    inputs, targets = task.train
    for _ in monitor.epochs(2):
        with monkeypatch.context() as patched:
            for name in ("item", "tolist", "cpu", "numpy", "to", "__float__", "__int__", "__bool__", "__index__"):
                patched.setattr(torch.Tensor, name, counting(name))
            for mode in (True, False):
                task.model.train(mode)
                for _ in range(300):
                    task.criterion(task.model(inputs), targets)
            assert calls == []
            assert torch.ones(()).item() == 1.0  # the counter counts
            assert calls == ["item"]
            calls.clear()
    assert monitor.diagnosis.step == 1


def run(task, *, strict=False, epochs=6):
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, patience=100, strict=strict)
    seen = 0
    for _ in monitor.epochs(epochs):
        task.train_epoch()
        task.validate()
        seen += 1
    return monitor, seen


def boom(*_args, **_kwargs):
    raise RuntimeError("injected")


FAULTS = [
    (LossMeter, "seen", "loss hook is off after RuntimeError: injected; training goes on"),
    (BestWeights, "keep", "best weights is off after RuntimeError: injected; training goes on"),
    (BestWeights, "restore", "best weights is off after RuntimeError: injected; training goes on"),
]


@pytest.mark.parametrize(("owner", "method", "message"), FAULTS, ids=["hook", "copy", "restore"])
def test_a_fault_costs_one_warning_and_training_goes_on(make_task, same_weights, monkeypatch, owner, method, message):
    plain, task = make_task(), make_task()
    for _ in range(6):
        plain.train_epoch()
    monkeypatch.setattr(owner, method, boom)
    with pytest.warns(MonitorWarning) as warned:
        monitor, seen = run(task)
    assert [str(w.message) for w in warned if message in str(w.message)]
    assert len(warned) == 1
    assert seen == 6
    assert monitor.restored_step is None
    assert same_weights(task.weights(), plain.weights())


# After the failed copy the loop still says, on its way out, that there is nothing to restore.
@pytest.mark.filterwarnings("ignore::overfit_monitor.MonitorWarning")
@pytest.mark.parametrize(("owner", "method", "_message"), FAULTS, ids=["hook", "copy", "restore"])
def test_strict_raises_the_fault(task, monkeypatch, owner, method, _message):
    monkeypatch.setattr(owner, method, boom)
    with pytest.raises(RuntimeError, match="injected"):
        run(task, strict=True)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("overfit_monitor_torch.known.read_facts", "facts is off after RuntimeError"),
        ("overfit_monitor_torch.hooks.first_tensor", "facts is off after RuntimeError"),
        ("overfit_monitor.analyzer.Analyzer.update", "monitor is off after RuntimeError"),
    ],
)
def test_a_fault_elsewhere_costs_one_warning(task, monkeypatch, target, message):
    monkeypatch.setattr(target, boom)
    with pytest.warns(MonitorWarning) as warned:
        _, seen = run(task)
    assert message in str(warned[0].message)
    assert seen == 6


def test_a_fault_in_the_middle_of_an_epoch_logs_no_half_mean(task, monkeypatch):
    original, calls = LossMeter.seen, []

    def sometimes(self, *args):
        calls.append(1)
        if len(calls) == 20:
            raise RuntimeError("injected")
        original(self, *args)

    monkeypatch.setattr(LossMeter, "seen", sometimes)
    with pytest.warns(MonitorWarning, match="loss hook is off"):
        monitor, _ = run(task)
    assert monitor.diagnosis.step == 1  # 3 + 4 calls an epoch: the third was cut


def test_an_optimizer_that_loses_its_learning_rate(task):
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion)
    del task.optimizer.param_groups[0]["lr"]
    with pytest.warns(MonitorWarning, match="learning rate is off after KeyError: 'lr'") as warned:
        for _ in monitor.epochs(3):
            task.validate()
    assert len(warned) == 1
    assert monitor.diagnosis.step == 2


def test_a_loss_that_is_no_tensor_is_named():
    class Odd(nn.Module):
        def forward(self, _outputs):
            return {"total": 1.0}

    model, criterion = nn.Linear(1, 1), Odd()
    monitor = watch(model, criterion=criterion)
    with pytest.warns(MonitorWarning, match="the criterion must return a tensor but returned dict"):
        assert criterion(torch.zeros(1, 1)) == {"total": 1.0}
    monitor.close()
