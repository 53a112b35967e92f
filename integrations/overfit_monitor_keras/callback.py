"""The callback for ``model.fit``."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, final

import keras

from overfit_monitor import Diagnosis, Facts, Monitor, MonitorConfig, UsageError
from overfit_monitor.errors import unknown_name
from overfit_monitor.live import Changes, check_limits
from overfit_monitor.records import AppliedChange, Recommendation
from overfit_monitor_keras.applying import KNOWN
from overfit_monitor_keras.fitting import running_fit
from overfit_monitor_keras.probe import ProbeSettings
from overfit_monitor_keras.session import VAL, FitSession, Plan

_BESIDE_CORE = frozenset({"auto_apply", "verbose", "restore_best_weights", "strict", "probe"})


@final
class OverfitMonitor(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    """Says when overfitting began and why, stops, and brings the best weights back.

    Takes the arguments of ``keras.callbacks.EarlyStopping``, in their order and with their
    meaning. What differs:

    - ``patience=None``, the default, stops on evidence instead of on a count.
    - ``restore_best_weights`` is True by default. What comes back are the weights of the best
      validation value seen: ``min_delta``, ``baseline`` and ``start_from_epoch`` decide when
      to stop, not which epoch was best. They come back after an exception and Ctrl-C, too.
    - NaN and infinity never count as an improvement, not even in the first epoch.
    - Arguments that cannot be right are errors: a negative ``min_delta``, an unknown ``mode``,
      a ``monitor`` that is no validation metric.

    An instance may be used for several fits, one after the other; each starts afresh. The
    first writes into ``run_dir``, the n-th into ``run_dir/fit-n``.

    Args:
        monitor: Validation metric to watch, as in the logs: ``val_loss``, ``val_accuracy``.
        min_delta: Smallest change that counts as an improvement when it is decided to stop, at least 0.
        patience: Epochs with validation and without improvement to allow, at least 0; None stops
            on evidence.
        verbose: 1 says when training is stopped and which weights are restored.
        mode: ``min``, ``max``, or ``auto`` to go by the compiled metric, then by its name.
        baseline: With ``patience``: value to beat before an improvement counts.
        restore_best_weights: Keep the best weights in memory and restore them at the end.
        start_from_epoch: Epochs to wait for before any decision to stop.
        run_dir: Folder for the journal and the TensorBoard alerts; None writes nothing.
        probe: Settings of the train probe, which measures a fixed part of the training set as validation is, and of
            the per-example losses of validation, in at most 2 % of the training time by default. False leaves both
            out; None and True measure where the data of ``fit`` allow it, and say in ``diagnosis.not_judged`` where
            they do not.
        auto_apply: Largest values, by the name of the setting (``learning_rate``, ``weight_decay``, ``dropout``), that
            may be applied without asking: at an overfitting alarm the first recommendation whose settings are all
            named here is applied, none above its limit, and each at most once. None applies nothing.
        strict: Raise errors of the monitor itself instead of warning once and training on.
        core: A monitor of your own, used for every fit and left open at the end. It has its
            settings already; beside it only ``verbose``, ``restore_best_weights``, ``probe`` and ``strict``.
        **settings: Any other field of `overfit_monitor.MonitorConfig`: ``false_alarm_rate``,
            ``stopping_threshold``.

    Raises:
        UsageError: An argument is unknown or cannot be right.

    Example:
        >>> model.fit(x, y, validation_split=0.2, epochs=500, callbacks=[OverfitMonitor()])  # doctest: +SKIP
    """

    def __init__(  # noqa: PLR0917 - the order of EarlyStopping
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int | None = None,
        verbose: int = 0,
        mode: Literal["auto", "min", "max"] = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = True,
        start_from_epoch: int = 0,
        *,
        run_dir: str | PathLike[str] | None = None,
        probe: ProbeSettings | bool | None = None,
        auto_apply: Mapping[str, float] | None = None,
        strict: bool = False,
        core: Monitor | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        given = {
            "min_delta": min_delta,
            "patience": patience,
            "mode": mode,
            "baseline": baseline,
            "start_from_epoch": start_from_epoch,
        }
        _check_names(settings)
        if core is not None:
            _check_alone(given | settings | {"monitor": monitor, "run_dir": run_dir})
        metric = _metric(monitor) if core is None else core.config.metric
        asked = given | settings | {"strict": strict}
        check_limits(auto_apply, KNOWN)
        MonitorConfig.build({"metric": metric, **asked})
        self._run_dir = None if run_dir is None else Path(run_dir)
        self._plan = Plan(
            metric=metric,
            settings=asked,
            restore=bool(restore_best_weights),
            verbose=verbose,
            strict=strict,
            probe=_settings(probe),
            probe_asked=bool(probe),
            core=core,
            facts_given=core is not None and core.facts != Facts(),
            auto_apply=auto_apply,
        )
        self._session: FitSession | None = None
        self._fits = 0

    @property
    def core(self) -> Monitor | None:
        """The monitor of the present or latest fit, None before the end of its first epoch."""
        return self._session.core if self._session else self._plan.core

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is said about the present or latest fit, None before the end of its first epoch."""
        return self.core.diagnosis if self.core else None

    @property
    def best_step(self) -> int | None:
        """Epoch with the best validation value, None without one."""
        return self.core.best_step if self.core else None

    @property
    def restored_step(self) -> int | None:
        """Epoch whose weights the model has been given back; None: those it was left with."""
        return self._session.restored_step if self._session else None

    @property
    def stopped_epoch(self) -> int:
        """Epoch at which training was stopped, 0 if it was not, as in ``EarlyStopping``."""
        return self._session.stopped_epoch if self._session else 0

    def apply(self, recommendation: Recommendation) -> AppliedChange | None:
        """Apply a recommendation to the live model and optimizer; see `overfit_monitor.live.Changes.apply`.

        Raises:
            UsageError: No epoch of a fit has ended yet.
        """
        return self._changes.apply(recommendation)

    def undo(self, id: str) -> AppliedChange | None:
        """Put back what `apply` changed; see `overfit_monitor.live.Changes.undo`.

        Raises:
            UsageError: No epoch of a fit has ended yet.
        """
        return self._changes.undo(id)

    @property
    def _changes(self) -> Changes:
        if self._session is None or self._session.changes is None:
            raise UsageError("there is nothing to change before the first epoch of a fit has ended.")
        return self._session.changes

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Start afresh, and see to it that a failing fit is ended, too."""
        call = running_fit(self.model)
        self._fits += 1
        folder = self._run_dir
        if folder is not None and self._fits > 1:
            folder = folder / f"fit-{self._fits}"
        self._session = session = FitSession(self._plan, run_dir=folder, arguments=call.arguments if call else {})
        if call is not None:
            model = self.model
            call.on_failure.append(lambda: session.end(model, failed=True))

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Note where the fit begins, which ``BackupAndRestore`` decides."""
        if self._session is not None:
            self._session.begin(epoch)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Judge the epoch, and stop training where it is time."""
        if self._session is None:
            return
        steps = (self.params or {}).get("steps")
        if self._session.log(self.model, epoch, logs or {}, steps):
            self.model.stop_training = True

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:  # noqa: ARG002
        """Restore the best weights and close the journal."""
        if self._session is not None:
            self._session.end(self.model)

    def __enter__(self) -> Self:
        """For training loops that are not ``model.fit``: the end of the block is the end of training."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            self._session.end(self.model, failed=error is not None)


def _settings(probe: object) -> ProbeSettings | None:
    if isinstance(probe, ProbeSettings):
        return probe
    if probe is not None and not isinstance(probe, bool):
        raise UsageError(f"probe must be True, False or ProbeSettings(...) but got {probe!r}.")
    return None if probe is False else ProbeSettings()


def _check_names(settings: Mapping[str, Any]) -> None:
    own = set(inspect.signature(OverfitMonitor).parameters) - {"settings"}
    known = own | set(MonitorConfig.model_fields) - {"metric"}
    for name in settings:
        if name not in known:
            raise UsageError(unknown_name("parameter", name, known))


def _check_alone(given: Mapping[str, Any]) -> None:
    defaults = inspect.signature(OverfitMonitor).parameters
    beside = [name for name, value in given.items() if name not in defaults or value != defaults[name].default]
    if beside:
        raise UsageError(
            f"core has its settings already but got {', '.join(map(repr, sorted(beside)))} beside it: "
            f"give them to Monitor; only {', '.join(map(repr, sorted(_BESIDE_CORE)))} go with core."
        )


def _metric(monitor: object) -> str:
    if not isinstance(monitor, str) or not monitor.removeprefix(VAL):
        raise UsageError(f"monitor must be the name of a validation metric, such as 'val_loss', but got {monitor!r}.")
    if not monitor.startswith(VAL):
        raise UsageError(
            f"monitor must be a validation metric but got {monitor!r}: a train metric cannot show overfitting. "
            f"Give {VAL + monitor!r}."
        )
    return monitor.removeprefix(VAL)
