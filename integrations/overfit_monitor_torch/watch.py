"""`watch`: from a model to the monitor that watches its training."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

from torch import nn
from torch.utils.data import DataLoader, Dataset

from overfit_monitor import Monitor, UsageError
from overfit_monitor.guard import Guard
from overfit_monitor.live import check_limits
from overfit_monitor_torch.applying import KNOWN
from overfit_monitor_torch.distributed import Ranks
from overfit_monitor_torch.known import FactReader
from overfit_monitor_torch.losses import named_losses
from overfit_monitor_torch.measuring import Measuring, ProbeSettings
from overfit_monitor_torch.models import unwrapped
from overfit_monitor_torch.monitor import TorchMonitor
from overfit_monitor_torch.weights import FILE_NAME, BestWeights

Keep = Literal["memory", "disk"]


def watch(
    model: nn.Module,
    *,
    optimizer: Any = None,
    criterion: Callable[..., Any] | Mapping[str, nn.Module] | None = None,
    loss_weights: Mapping[str, float] | None = None,
    run_dir: str | PathLike[str] | None = None,
    name: str | None = None,
    train_data: Any = None,
    val_data: Any = None,
    probe: ProbeSettings | bool | None = None,
    restore_best_weights: bool = True,
    keep_weights: Keep = "memory",
    distributed: bool | None = None,
    auto_apply: Mapping[str, float] | None = None,
    strict: bool = False,
    monitor: Monitor | None = None,
    **settings: Any,
) -> TorchMonitor:
    """Watch the training of a model.

    Args:
        model: The model that is trained. Its mode (``model.train()``, ``model.eval()``) tells
            training from validation.
        optimizer: Its optimizer; the learning rate is logged, and advice knows what is set.
        criterion: The loss. An ``nn.Module`` is hooked, so that the losses need not be logged; `metered` makes
            one of a function. Several losses are given by name: each is logged under its own, and ``loss`` is the
            one of that name, or their sum. A function that is not wrapped is read for advice and by the probe only,
            and ``log`` is called with the losses.
        loss_weights: Weights of the sum by name; a loss that is not named is not in it. None weighs all by 1.
        run_dir: Folder of the run, for the journal and TensorBoard; None writes nothing.
        name: Name of the run where a program watches several, such as the two networks of a GAN.
        train_data: Training ``DataLoader`` or data set: its sizes for advice, and a fixed part of it for the train
            probe. Without it the first epoch is counted.
        val_data: The same for validation; only its sizes are read, and whether it is shuffled.
        probe: Settings of the train probe, which measures a fixed part of the training set as validation is, in at
            most 2 % of the training time by default. True asks for it, False leaves it out; None measures where
            the data allow it, and says in ``diagnosis.not_judged`` where they do not.
        restore_best_weights: Put the weights of the best step back however the training ends.
        keep_weights: Where the copy of the best weights is: in main memory, once the size of the model's state, or
            on ``disk`` in ``run_dir``. With several processes each keeps its own.
        distributed: Where ``torch.distributed`` is initialized, every rank calls `watch` and logs at the same
            evaluations, with or without data of its own: metrics are averaged over all examples, all ranks come to
            one decision, and only rank 0 writes. None does so where there are several ranks; False judges this rank
            alone.
        auto_apply: Largest values, by the name of the setting, that may be applied without asking: at an overfitting
            alarm the first recommendation whose settings are all named here is applied, none above its limit, and
            each at most once. None applies nothing. Not with several processes.
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
    _check(model, optimizer, criterion, {"train_data": train_data, "val_data": val_data}, probe)
    _check_monitor(monitor, settings | {k: v for k, v in (("run_dir", run_dir), ("name", name)) if v is not None})
    folder = run_dir if monitor is None else monitor.run_dir
    _check_place(keep_weights, folder)
    check_limits(auto_apply, KNOWN)
    guard = Guard(strict=strict or (monitor is not None and monitor.config.strict), name=name)
    ranks = Ranks.join(guard, distributed=distributed)
    first, owns_monitor = ranks is None or ranks.rank == 0, monitor is None
    if monitor is None:
        monitor = Monitor(run_dir if first else None, name=name, strict=strict, **settings)
    elif monitor.run_dir is not None and not first:
        raise UsageError("monitor must have no run_dir but on rank 0: only that one writes.")
    inner = unwrapped(model)
    known = {"optimizer": optimizer, "criterion": criterion, "train_data": train_data, "val_data": val_data}
    return TorchMonitor(
        monitor,
        guard=guard,
        measuring=Measuring(monitor, inner, guard, **known, loss_weights=loss_weights, probe=probe if first else False),
        facts=FactReader(monitor, inner, guard, **known),
        best=BestWeights(inner, file=_file(keep_weights, folder, name, ranks)) if restore_best_weights else None,
        ranks=ranks,
        owns_monitor=owns_monitor,
        auto_apply=auto_apply,
    )


def _file(keep: Keep, folder: str | PathLike[str] | None, name: str | None, ranks: Ranks | None) -> Path | None:
    if keep == "memory" or folder is None:
        return None
    return Path(folder, name or "", FILE_NAME if ranks is None or ranks.rank == 0 else f"rank-{ranks.rank}-{FILE_NAME}")


def _check_monitor(monitor: Any, given: Mapping[str, Any]) -> None:
    if monitor is not None and not isinstance(monitor, Monitor):
        raise UsageError(f"monitor must be an overfit_monitor.Monitor but got {type(monitor).__name__}.")
    if monitor is not None and given:
        raise UsageError(f"monitor has its own settings: pass {', '.join(sorted(given))} to Monitor(...) instead.")


def _check_place(keep: Any, folder: str | PathLike[str] | None) -> None:
    if keep not in get_args(Keep):
        raise UsageError(f"keep_weights must be 'memory' or 'disk' but got {keep!r}.")
    if keep == "disk" and folder is None:
        raise UsageError("keep_weights='disk' needs a run_dir to keep them in.")


def _check(model: Any, optimizer: Any, criterion: Any, data: Mapping[str, Any], probe: Any) -> None:
    if not isinstance(model, nn.Module):
        raise UsageError(f"model must be a torch.nn.Module but got {type(model).__name__}.")
    if optimizer is not None and not getattr(optimizer, "param_groups", None):
        raise UsageError(f"optimizer must be a torch.optim.Optimizer but got {type(optimizer).__name__}.")
    if isinstance(criterion, Mapping):
        named_losses(criterion)
    elif criterion is not None and not callable(criterion):
        raise UsageError(f"criterion must be an nn.Module or a function but got {criterion!r}.")
    for name, given in data.items():
        if given is not None and not isinstance(given, (DataLoader, Dataset)):
            raise UsageError(f"{name} must be a DataLoader or a Dataset but got {type(given).__name__}.")
    if probe is not None and not isinstance(probe, (bool, ProbeSettings)):
        raise UsageError(f"probe must be True, False or ProbeSettings(...) but got {probe!r}.")
