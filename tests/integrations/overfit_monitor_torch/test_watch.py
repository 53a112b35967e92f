"""Real fits: the loop is watched, stopped, and the best weights are back however it ended."""

from __future__ import annotations

import gc
import itertools
import logging
import math
import weakref

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from overfit_monitor import Monitor, MonitorWarning, UsageError  # noqa: E402
from overfit_monitor.journal import FILE_NAME, read_journal  # noqa: E402
from overfit_monitor_torch import watch  # noqa: E402


def journal(run_dir, kind="observation"):
    return [entry.record for entry in read_journal(run_dir / FILE_NAME) if entry.kind == kind]


def best_of(values):
    return min(range(len(values)), key=values.__getitem__)


def test_three_lines_stop_an_overfitting_run_and_bring_the_best_weights_back(task, same_weights, tmp_path):
    kept, means, vals = [], [], []
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, run_dir=tmp_path, strict=True)
    for _ in monitor.epochs(100):
        means.append(task.train_epoch())
        vals.append(task.validate())
        kept.append(task.weights())
    assert len(vals) < 100
    assert monitor.should_stop
    assert monitor.best_step == monitor.restored_step == best_of(vals) < len(vals) - 1
    assert same_weights(task.weights(), kept[monitor.best_step])
    logged = journal(tmp_path)
    assert [row["step"] for row in logged] == list(range(len(vals)))
    assert [row["train"]["loss"] for row in logged] == pytest.approx(means)
    assert [row["val"]["loss"] for row in logged] == pytest.approx(vals)
    assert {row["learning_rate"] for row in logged} == {3e-3}


def test_the_verdict_and_the_alert_of_an_overfitting_run(task, caplog):
    caplog.set_level(logging.WARNING, logger="overfit_monitor")  # the demo, run in this process, silences it
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, patience=25, strict=True)
    for _ in monitor.epochs(60):
        task.train_epoch()
        task.validate()
    assert monitor.diagnosis.verdict == "overfitting"
    assert any(record.name == "overfit_monitor" and "overfitting" in record.message for record in caplog.records)


def test_without_restoring_the_last_weights_stay(task, same_weights):
    monitor = watch(task.model, criterion=task.criterion, restore_best_weights=False, patience=3, strict=True)
    for _ in monitor.epochs(30):
        task.train_epoch()
        task.validate()
        last = task.weights()
    assert monitor.best_step is not None
    assert monitor.restored_step is None
    assert monitor.restore_best_weights() is None
    assert same_weights(task.weights(), last)
    assert monitor.facts.early_stopping is None


class Broken(Exception):
    pass


def leave(how: str) -> bool:
    """Raise what ends the loop, or return True to break."""
    if how == "break":
        return True
    raise {"exception": Broken, "ctrl-c": KeyboardInterrupt}[how]


def train_until(monitor, task, how, *, at=12):
    kept, vals = [], []
    try:
        for epoch in monitor.epochs(50):
            task.train_epoch()
            if epoch == at and leave(how):
                break
            vals.append(task.validate())
            kept.append(task.weights())
    except (Broken, KeyboardInterrupt):
        pass
    return kept, vals


@pytest.mark.parametrize("how", ["break", "exception", "ctrl-c"])
def test_best_weights_are_back_however_the_loop_is_left(task, same_weights, how):
    monitor = watch(task.model, criterion=task.criterion, patience=50, strict=True)
    kept, vals = train_until(monitor, task, how)
    assert len(vals) == 12
    assert monitor.restored_step == monitor.best_step == best_of(vals)
    assert same_weights(task.weights(), kept[monitor.best_step])


def test_the_context_manager_restores_even_while_the_loop_is_still_referred_to(task, same_weights):
    kept, vals = [], []
    with pytest.raises(Broken), watch(task.model, criterion=task.criterion, patience=50, strict=True) as monitor:
        loop = monitor.epochs(50)
        for epoch in loop:
            task.train_epoch()
            if epoch == 12:
                raise Broken
            vals.append(task.validate())
            kept.append(task.weights())
    assert monitor.restored_step == best_of(vals)
    assert same_weights(task.weights(), kept[best_of(vals)])
    last = task.train_epoch()
    after = task.weights()
    loop.close()  # must not restore again over what was done since
    assert math.isfinite(last)
    assert same_weights(task.weights(), after)


def test_a_healthy_run_reaches_its_end_and_keeps_its_best(task):
    monitor = watch(task.model, criterion=task.criterion, strict=True)
    seen = []
    for epoch in monitor.epochs(2):
        seen.append(epoch)
        task.train_epoch()
        task.validate()
    assert seen == [0, 1]
    assert monitor.restored_step == monitor.best_step


def test_explicit_form(task, same_weights, tmp_path):
    kept, vals = [], []
    with watch(task.model, optimizer=task.optimizer, run_dir=tmp_path, strict=True) as monitor:
        for epoch in range(100):
            task.train_epoch()
            vals.append(task.validate())
            kept.append(task.weights())
            loss = torch.tensor(vals[-1], dtype=torch.float64, requires_grad=True)
            diagnosis = monitor.log(step=epoch, train={"loss": torch.tensor(0.5)}, val={"loss": loss})
            if monitor.should_stop:
                break
        assert monitor.restored_step is None
        assert diagnosis.best_step == monitor.best_step == best_of(vals)
        assert monitor.restore_best_weights() == monitor.best_step
    assert len(vals) < 100
    assert monitor.restored_step == monitor.best_step
    assert same_weights(task.weights(), kept[monitor.best_step])
    assert [row["val"]["loss"] for row in journal(tmp_path)] == vals
    assert journal(tmp_path)[0]["train"] == {"loss": 0.5}
    assert journal(tmp_path)[0]["learning_rate"] == 3e-3


def test_metrics_logged_in_the_body_join_the_losses_of_the_hook(task, tmp_path):
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path, strict=True)
    for epoch in monitor.epochs(3):
        task.train_epoch()
        val = task.validate()
        monitor.log(step=epoch, val={"accuracy": 0.5})
    rows = journal(tmp_path)
    assert [row["step"] for row in rows] == [0, 1, 2]
    assert rows[-1]["val"] == {"loss": pytest.approx(val), "accuracy": 0.5}
    assert monitor.diagnosis.metrics.val == "loss"


def test_what_the_loss_module_sees_after_the_epoch_was_logged_is_not_logged_again(task, tmp_path):
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path, strict=True)
    for epoch in monitor.epochs(3):
        task.train_epoch()
        val = task.validate()
        monitor.log(step=epoch)
        task.criterion(task.model(task.val[0]) + 100.0, task.val[1])  # a test set, say
    assert [row["step"] for row in journal(tmp_path)] == [0, 1, 2]
    assert journal(tmp_path)[-1]["val"]["loss"] == pytest.approx(val)


def test_train_metrics_logged_before_validation_do_not_lose_the_validation_loss(task, tmp_path):
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path, strict=True)
    for epoch in monitor.epochs(2):
        train = task.train_epoch()
        monitor.log(step=epoch, train={"accuracy": 0.5})
        val = task.validate()
    rows = journal(tmp_path)[-2:]
    assert rows[0]["train"] == {"loss": pytest.approx(train), "accuracy": 0.5}
    assert rows[1]["val"] == {"loss": pytest.approx(val)}
    assert monitor.facts.data.n_train == 72
    assert monitor.facts.data.n_val == 200
    assert not monitor.diagnosis.notes


def test_losses_seen_outside_the_loop_do_not_count(task, tmp_path):
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path, strict=True)
    task.model.eval()
    task.criterion(torch.tensor([[100.0, -100.0]]), torch.tensor([1]))
    for _ in monitor.epochs(1):
        task.train_epoch()
        val = task.validate()
    assert journal(tmp_path)[0]["val"]["loss"] == pytest.approx(val)


def test_the_learning_rate_is_that_of_the_epoch_and_not_of_the_next(task, tmp_path):
    schedule = torch.optim.lr_scheduler.StepLR(task.optimizer, step_size=1, gamma=0.5)
    monitor = watch(task.model, optimizer=task.optimizer, criterion=task.criterion, run_dir=tmp_path, strict=True)
    for _ in monitor.epochs(3):
        task.train_epoch()
        task.validate()
        schedule.step()
    assert [row["learning_rate"] for row in journal(tmp_path)] == pytest.approx([3e-3, 1.5e-3, 0.75e-3])


@pytest.mark.parametrize("criterion", [None, functional.cross_entropy], ids=["none", "function"])
def test_without_a_loss_module_the_loop_says_so_once(task, criterion):
    monitor = watch(task.model, criterion=criterion)
    with pytest.warns(MonitorWarning, match="no loss was seen in this epoch") as warned:
        for _ in monitor.epochs(3):
            task.train_epoch()
    assert len(warned) == 1
    assert monitor.restored_step is None


def test_without_a_loss_module_logging_in_the_body_is_enough(task, same_weights):
    kept, vals = [], []
    monitor = watch(task.model, criterion=functional.cross_entropy, strict=True)
    for epoch in monitor.epochs(100):
        task.train_epoch()
        vals.append(task.validate())
        kept.append(task.weights())
        monitor.log(step=epoch, val={"loss": vals[-1]})
    assert len(vals) < 100
    assert same_weights(task.weights(), kept[best_of(vals)])


def test_validation_without_eval_mode_is_pointed_out_once(task):
    monitor = watch(task.model, criterion=task.criterion)
    with pytest.warns(MonitorWarning, match=r"call model.eval\(\)") as warned:
        for _ in monitor.epochs(3):
            task.train_epoch()
    assert len(warned) == 1


def test_resuming_from_a_checkpoint_brings_the_best_weights_along(make_task, same_weights, tmp_path):
    first = make_task()
    kept, vals = [], []
    monitor = watch(first.model, criterion=first.criterion, run_dir=tmp_path / "run", patience=50, strict=True)
    for _ in itertools.islice(monitor.epochs(100), 12):
        first.train_epoch()
        vals.append(first.validate())
        kept.append(first.weights())
    torch.save(monitor.state_dict(), tmp_path / "monitor.pt")
    monitor.close()
    best = best_of(vals[:11])  # islice leaves in the twelfth epoch

    second = make_task(seed=1)
    resumed = watch(second.model, criterion=second.criterion, run_dir=tmp_path / "run", patience=50, strict=True)
    resumed.load_state_dict(torch.load(tmp_path / "monitor.pt", weights_only=True))
    steps = []
    for epoch in resumed.epochs(13, start=11):
        steps.append(epoch)
        resumed.log(step=epoch, val={"loss": 10.0})
    assert steps == [11, 12]
    assert resumed.restored_step == best
    assert same_weights(second.weights(), kept[best])


def test_resuming_from_the_journal_alone_says_that_the_best_weights_are_not_there(task, tmp_path):
    with Monitor(tmp_path, sinks={}) as before:
        before.log(step=0, val={"loss": 0.0})
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path)
    with pytest.warns(MonitorWarning, match="the weights of the best step 0 were not kept here") as warned:
        for _ in monitor.epochs(3, start=1):
            task.train_epoch()
            task.validate()
    assert len(warned) == 1
    assert monitor.best_step == 0
    assert monitor.restored_step is None


def test_a_second_loop_goes_on_from_the_first(task):
    monitor = watch(task.model, criterion=task.criterion, patience=50, strict=True)
    for n, start in ((3, 0), (6, 3)):
        for _ in monitor.epochs(n, start=start):
            assert monitor.restored_step is None
            task.train_epoch()
            task.validate()
    assert monitor.diagnosis.step == 5
    assert not monitor.diagnosis.notes


def test_wrapped_models_are_watched_inside(task):
    wrapped = nn.DataParallel(task.model)
    monitor = watch(wrapped, criterion=task.criterion, strict=True)
    wrapped.eval()
    task.criterion(wrapped(task.val[0]), task.val[1])
    monitor.log(step=0)
    assert monitor.best_step == 0
    assert [layer.name for layer in monitor.facts.layers] == ["0", "1", "3", "4"]
    assert "0.weight" in monitor.state_dict()["best_weights"]["weights"]


def test_an_injected_monitor_is_used_and_left_open(task, tmp_path):
    with Monitor(tmp_path, sinks={}, patience=7) as core:
        with watch(task.model, criterion=task.criterion, monitor=core, strict=True) as monitor:
            for _ in monitor.epochs(1):
                task.train_epoch()
                task.validate()
        core.log(step=1, val={"loss": 0.1})
    assert monitor.monitor is core
    assert [row["step"] for row in journal(tmp_path)] == [0, 1]


def test_closing_takes_everything_off(task):
    monitor = watch(task.model, criterion=task.criterion)
    assert task.criterion._compiled_call_impl
    assert task.model._forward_pre_hooks
    monitor.close()
    monitor.close()
    assert not task.criterion._compiled_call_impl
    assert not task.model._forward_pre_hooks


def test_a_monitor_nobody_holds_takes_its_hooks_along(task):
    monitor = watch(task.model, criterion=task.criterion)
    held = weakref.ref(monitor)
    del monitor
    gc.collect()
    assert held() is None
    assert not task.criterion._compiled_call_impl


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": "net"}, "model must be a torch.nn.Module but got str."),
        ({"optimizer": 0.1}, "optimizer must be a torch.optim.Optimizer but got float."),
        ({"criterion": "mse"}, "criterion must be an nn.Module or a function but got 'mse'."),
        ({"train_data": 3}, "train_data must be a DataLoader or a Dataset but got int."),
        ({"val_data": [1]}, "val_data must be a DataLoader or a Dataset but got list."),
        ({"patience": -1}, "patience must be greater than or equal to 0 but got -1."),
        ({"patiense": 3}, "unknown parameter 'patiense'. Did you mean 'patience'"),
        ({"monitor": 3}, "monitor must be an overfit_monitor.Monitor but got int."),
        ({"monitor": Monitor(), "patience": 3, "run_dir": "x"}, "monitor has its own settings: pass patience, run_dir"),
    ],
)
def test_wrong_arguments_fail_at_construction(arguments, message):
    arguments = {"model": nn.Linear(1, 1)} | arguments
    with pytest.raises(UsageError) as error:
        watch(arguments.pop("model"), **arguments)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": -1}, "n must be a whole number of epochs, at least 0, but got -1."),
        ({"n": 2.5}, "n must be a whole number of epochs, at least 0, but got 2.5."),
        ({"n": 3, "start": True}, "start must be a whole number of epochs, at least 0, but got True."),
        ({"n": 3, "start": 4}, "start must be at most n (3), the number of epochs in all, but got 4."),
    ],
)
def test_wrong_numbers_of_epochs_fail_before_the_first(task, arguments, message):
    with pytest.raises(UsageError) as error:
        watch(task.model).epochs(**arguments)
    assert str(error.value) == message


def test_a_state_that_is_none():
    with pytest.raises(UsageError, match=r"state must come from TorchMonitor.state_dict\(\) but has no 'best_weights'"):
        watch(nn.Linear(1, 1)).load_state_dict({"monitor": {}})
