"""`watch`: from a model to the monitor that watches its training."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from typing import Any

from torch import nn
from torch.utils.data import DataLoader, Dataset

from overfit_monitor import Monitor, UsageError
from overfit_monitor_torch.monitor import TorchMonitor


def watch(
    model: nn.Module,
    *,
    optimizer: Any = None,
    criterion: Callable[..., Any] | None = None,
    run_dir: str | PathLike[str] | None = None,
    train_data: Any = None,
    val_data: Any = None,
    restore_best_weights: bool = True,
    strict: bool = False,
    monitor: Monitor | None = None,
    **settings: Any,
) -> TorchMonitor:
    """Watch the training of a model.

    Args:
        model: The model that is trained. Its mode (``model.train()``, ``model.eval()``) tells
            training from validation.
        optimizer: Its optimizer; the learning rate is logged, and advice knows what is set.
        criterion: The loss. An ``nn.Module`` is hooked, so that the losses need not be logged;
            anything else is only read for advice, and ``log`` is called with the losses.
        run_dir: Folder of the run, for the journal and TensorBoard; None writes nothing.
        train_data: Training ``DataLoader`` or data set, for advice; only its sizes are read.
            Without it the first epoch is counted.
        val_data: The same for validation.
        restore_best_weights: Put the weights of the best step back however the training ends.
        strict: Raise errors of the monitor itself instead of warning once and training on.
        monitor: A monitor made elsewhere, in place of ``run_dir`` and ``settings``. Facts that it
            was given are kept, and closing it is left to its maker.
        **settings: The fields of `overfit_monitor.MonitorConfig`: ``metric``, ``mode``,
            ``patience``, ``min_delta``, ``baseline``, ``start_from_epoch``, ``stopping_threshold``,
            ``false_alarm_rate``.

    Returns:
        The monitor, to be used in one of these two ways.

    Raises:
        UsageError: An argument cannot be right.

    Example:
        The losses read by a hook, with early stopping and the best weights at the end::

            monitor = watch(model, optimizer=optimizer, criterion=criterion, run_dir="runs/1")
            for epoch in monitor.epochs(100):
                train_one_epoch(model, criterion, optimizer)
                validate(model, criterion)

        The losses computed by hand::

            with watch(model, optimizer=optimizer) as monitor:
                for epoch in range(100):
                    monitor.log(step=epoch, train={"loss": 0.4}, val={"loss": 0.6})
                    if monitor.should_stop:
                        break
    """
    _check(model, optimizer, criterion, train_data, val_data)
    owns_monitor = monitor is None
    if monitor is None:
        monitor = Monitor(run_dir, strict=strict, **settings)
    elif not isinstance(monitor, Monitor):
        raise UsageError(f"monitor must be an overfit_monitor.Monitor but got {type(monitor).__name__}.")
    elif run_dir is not None or settings:
        given = ", ".join(sorted(settings | ({} if run_dir is None else {"run_dir": run_dir})))
        raise UsageError(f"monitor has its own settings: pass {given} to Monitor(...) instead.")
    return TorchMonitor(
        monitor,
        model,
        optimizer=optimizer,
        criterion=criterion,
        train_data=train_data,
        val_data=val_data,
        restore_best_weights=restore_best_weights,
        strict=strict or monitor.config.strict,
        owns_monitor=owns_monitor,
    )


def _check(model: Any, optimizer: Any, criterion: Any, train_data: Any, val_data: Any) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"model must be a torch.nn.Module but got {type(model).__name__}.")
    if optimizer is not None and not getattr(optimizer, "param_groups", None):
        raise UsageError(f"optimizer must be a torch.optim.Optimizer but got {type(optimizer).__name__}.")
    if criterion is not None and not callable(criterion):
        raise UsageError(f"criterion must be an nn.Module or a function but got {criterion!r}.")
    for name, data in (("train_data", train_data), ("val_data", val_data)):
        if data is not None and not isinstance(data, (DataLoader, Dataset)):
            raise UsageError(f"{name} must be a DataLoader or a Dataset but got {type(data).__name__}.")
