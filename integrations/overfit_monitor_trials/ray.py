"""Ray Tune: a stopper that is the monitor, and a callback that keeps the best value with its step."""

from __future__ import annotations

from typing import Any, final

from ray import tune

from overfit_monitor import Monitor, Observation
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Diagnosis, Mode


class _Watched:
    def __init__(self, val: str, train: str | None, mode: Mode, settings: dict[str, Any]) -> None:
        self._val, self._train = val, train
        self._settings = {"metric": "loss", "mode": mode, **settings}
        self.monitors: dict[str, Monitor] = {}
        Monitor(**self._settings)

    def take(self, trial_id: str, result: dict[str, Any]) -> Monitor:
        if self._val not in result:
            known = ", ".join(sorted(map(str, result)))
            raise UsageError(f"val must be a reported metric but {self._val!r} is not among: {known}.")
        monitor = self.monitors.setdefault(trial_id, Monitor(**self._settings))
        train = {} if self._train is None or self._train not in result else {"loss": float(result[self._train])}
        step = int(result.get("training_iteration", 0))
        monitor.replay([Observation(step=step, train=train, val={"loss": float(result[self._val])})])
        return monitor


@final
class OverfitStopper(tune.Stopper):
    """Stops a trial when the monitor's stopping policy says so; no trial stops another.

    Args:
        val: Name of the reported validation metric.
        train: Name of the reported train metric, None where there is none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        **settings: The other fields of `MonitorConfig`.
    """

    def __init__(self, val: str, *, train: str | None = None, mode: Mode = "min", **settings: Any) -> None:
        self._watched = _Watched(val, train, mode, settings)

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        """Take in a result and return whether the trial is to stop."""
        return self._watched.take(trial_id, result).should_stop

    def stop_all(self) -> bool:
        """Never stop the others."""
        return False


@final
class OverfitCallback(tune.Callback):
    """Keeps the diagnosis of every trial, whose best value has its step; Tune's own results are the last ones.

    Args:
        val: Name of the reported validation metric.
        train: Name of the reported train metric, None where there is none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        **settings: The other fields of `MonitorConfig`.
    """

    def __init__(self, val: str, *, train: str | None = None, mode: Mode = "min", **settings: Any) -> None:
        self._mode = mode
        self._watched = _Watched(val, train, mode, settings)

    def on_trial_result(self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **_: Any) -> None:  # noqa: ARG002 - Tune passes them by name
        """Take in a result."""
        self._watched.take(trial.trial_id, result)

    @property
    def diagnoses(self) -> dict[str, Diagnosis]:
        """The diagnosis of every trial, by its id."""
        return {id: monitor.diagnosis for id, monitor in self._watched.monitors.items()}

    @property
    def best(self) -> tuple[str, int, float] | None:
        """Trial, step and value of the best validation value of all; None without a finite one."""
        sign = 1.0 if self._mode == "min" else -1.0
        found = [
            (sign * d.best_value, id, d.best_step)
            for id, d in self.diagnoses.items()
            if d.best_value is not None and d.best_step is not None
        ]
        if not found:
            return None
        value, id, step = min(found)
        return id, step, sign * value
