"""One fit, watched from its first epoch to its end, however it ends."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import keras

from overfit_monitor import Monitor, UsageError
from overfit_monitor.errors import unknown_name
from overfit_monitor.facts import Facts
from overfit_monitor.guard import Guard
from overfit_monitor.live import Changes
from overfit_monitor_keras.applying import settings_of
from overfit_monitor_keras.backup import Backup
from overfit_monitor_keras.facts import learning_rate, metric_direction, read_facts
from overfit_monitor_keras.probe import ExampleLosses, Measured, ProbeSettings
from overfit_monitor_keras.weights import BestWeights

logger = logging.getLogger("overfit_monitor_keras")

VAL = "val_"
_STILL = "nothing is judged from here on"
_PROBE = "probe"
_BACKUP = "backup"
_UNCHANGED = "the model keeps the weights it has"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the user asked for, the same for every fit.

    Attributes:
        metric: Validation metric without its prefix; None leaves the choice to ``core``.
        settings: Settings for the `Monitor` of each fit.
        restore: Whether the best weights come back at the end.
        verbose: 0 is silent, 1 says when it stops and what it restores.
        strict: Raise errors of the monitor itself.
        probe: How per-example losses are measured; None measures none.
        probe_asked: Whether the user asked for that.
        core: The user's own monitor, used for every fit; None makes a new one for each.
        facts_given: Whether ``core`` came with facts, which are left alone.
        auto_apply: Largest values that may be applied without asking, by setting.
    """

    metric: str | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    restore: bool = True
    verbose: int = 0
    strict: bool = False
    probe: ProbeSettings | None = None
    probe_asked: bool = False
    core: Monitor | None = None
    facts_given: bool = False
    auto_apply: Mapping[str, float] | None = None


@final
class FitSession:
    """Everything that belongs to one fit and to no other.

    Args:
        plan: What the user asked for.
        run_dir: Folder of this fit, None to write nothing.
        arguments: Arguments of ``fit`` by name; empty where the call is not known.

    Attributes:
        core: The monitor; None until the end of the first epoch.
        changes: Applies recommendations; None until the end of the first epoch.
        restored_step: Step whose weights were put back, None while none were.
        stopped_epoch: Epoch at which training was stopped, 0 if it was not.
    """

    def __init__(self, plan: Plan, *, run_dir: Path | None, arguments: Mapping[str, Any]) -> None:
        self.plan = plan
        self.core = plan.core
        self.restored_step: int | None = None
        self.stopped_epoch = 0
        self._run_dir = run_dir
        self._arguments = arguments
        self._guard = Guard(strict=plan.strict)
        self._best = BestWeights()
        self._examples: ExampleLosses | None = None
        self.changes: Changes | None = None
        self._begin = time.perf_counter()
        self._backup = Backup.of(arguments.get("callbacks") or ())
        self._first: int | None = None
        self._opened = self._validated = self._warned = self._ended = False

    def begin(self, epoch: int) -> None:
        """Note the first epoch, which a backup may have moved."""
        if self._first is None:
            self._first = epoch

    def log(self, model: Any, epoch: int, logs: Mapping[str, Any], steps: int | None) -> bool:
        """Take in the logs of an epoch.

        Args:
            model: The model that is fitted.
            epoch: Index of the epoch.
            logs: Logs of the epoch as Keras hands them over.
            steps: Steps of an epoch where Keras tells.

        Returns:
            Whether training should stop.
        """
        if self._ended or not self._guard.on("monitor"):
            return False
        with self._guard.protect("monitor", still=_STILL):
            return self._log(model, epoch, logs, steps)
        return False

    def end(self, model: Any, *, failed: bool = False) -> None:
        """Restore the best weights and close what was opened; a second time does nothing.

        Args:
            model: The model that was fitted.
            failed: Whether an exception ended the fit; nothing is said about the data then.
        """
        if self._ended:
            return
        self._ended = True
        self._arguments, self._examples = {}, None
        if self.plan.restore and self._best.step is not None:
            with self._guard.protect("restore", still=_UNCHANGED):
                self._restore(model)
        if self.core is not None and self.plan.core is None:
            self.core.close()
        if not failed:
            self._say_what_is_missing()

    def _log(self, model: Any, epoch: int, logs: Mapping[str, Any], steps: int | None) -> bool:
        core = self._open(model, steps)
        self._go_on(core)
        train, val = self._split(logs)
        if self.plan.metric is not None and self.plan.metric not in val and not self._validated:
            self._unknown(val)
            val = {}
        rate = logs["learning_rate"] if "learning_rate" in logs else learning_rate(model)
        measured = self._measure(model, core, val)
        diagnosis = core.log(step=epoch, train=train, val=val, learning_rate=rate, **measured._asdict())
        name = core.config.metric or diagnosis.metrics.val
        if name in val:
            self._validated = True
            if self.plan.restore and core.best_step == epoch and self._guard.on("restore"):
                with self._guard.protect("restore", still=f"is judged as before; at the end {_UNCHANGED}"):
                    self._best.keep(model, epoch)
        self._save(core, epoch)
        if self.changes is not None:
            self.changes.automatic(diagnosis)
        if core.should_stop and not self.stopped_epoch:
            self.stopped_epoch = epoch
            self._say(f"epoch {epoch}: training is stopped.")
        return core.should_stop

    def _go_on(self, core: Monitor) -> None:
        first, self._first = self._first, None
        if self._backup is None or not first or not self._guard.on(_BACKUP):
            return
        with self._guard.protect(_BACKUP, still="what was judged before this fit is not known"):
            if self._backup.restore(core, self._best, first):
                self._validated = self._best.step is not None

    def _save(self, core: Monitor, epoch: int) -> None:
        if self._backup is not None and self._guard.on(_BACKUP):
            with self._guard.protect(_BACKUP, still="everything is judged; a fit that goes on from here starts anew"):
                self._backup.save(core, self._best, epoch)

    def _open(self, model: Any, steps: int | None) -> Monitor:
        # Not before the end of the first epoch: only then has Keras built everything that is read here.
        if self.core is not None and self._opened:
            return self.core
        facts = self._facts(model, steps)
        if self.core is None:
            settings = dict(self.plan.settings)
            if settings.get("mode", "auto") == "auto" and self.plan.metric is not None:
                settings["mode"] = metric_direction(model, self.plan.metric) or "auto"
            self.core = Monitor(self._run_dir, facts=facts, metric=self.plan.metric, **settings)
        elif not self.plan.facts_given:
            self.core.know(facts)
        self._opened = True
        self.changes = Changes(self.core, self._guard, lambda: settings_of(model), self.plan.auto_apply)
        return self.core

    def _measure(self, model: Any, core: Monitor, val: Mapping[str, Any]) -> Measured:
        settings = self.plan.probe
        if settings is None or not self._guard.on(_PROBE):
            return Measured()
        with self._guard.protect(_PROBE, still="everything is judged without it"):
            if (self.plan.metric or "loss") != "loss":
                core.cannot("probe", f"{self.plan.metric} is compared, and not the loss")
                return Measured()
            if self._examples is None:
                self._examples = ExampleLosses(
                    model, core, settings, self._arguments, begin=self._begin, asked=self.plan.probe_asked
                )
            return self._examples.measure(float(val["loss"]) if "loss" in val else None)
        core.cannot("probe", "it failed")
        return Measured()

    def _facts(self, model: Any, steps: int | None) -> Facts:
        with self._guard.protect("facts", still="everything is judged, advice knows less"):
            return read_facts(model, self._arguments, steps=steps, early_stopping=self.plan.restore)
        return Facts(framework="keras", early_stopping=self.plan.restore)

    def _split(self, logs: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        train: dict[str, Any] = {}
        val: dict[str, Any] = {}
        for name, value in logs.items():
            split, bare = (val, name.removeprefix(VAL)) if name.startswith(VAL) else (train, name)
            # A metric may be an array (F1Score for each class): only the one that is asked for must be a number.
            if name != "learning_rate" and (bare == self.plan.metric or _is_number(value)):
                split[bare] = value
        return train, val

    def _unknown(self, val: Mapping[str, Any]) -> None:
        if self._warned or not val:
            return  # an epoch without validation is normal (`validation_freq`)
        self._warned = True
        message = unknown_name("monitor", f"{VAL}{self.plan.metric}", [f"{VAL}{name}" for name in val])
        if self.plan.strict:
            raise UsageError(message)
        self._guard.warn(f"{message} Training goes on and is judged only once that metric is there.")

    def _restore(self, model: Any) -> None:
        self._best.restore(model)
        self.restored_step = self._best.step
        self._say(f"the weights of epoch {self.restored_step} are restored, its validation value was the best.")

    def _say_what_is_missing(self) -> None:
        best = self.core.best_step if self.core is not None else None
        if self._opened and not self._validated and not self._warned and self._guard.on("monitor"):
            message = "no validation metric was seen, so nothing was judged: give fit validation_data."
            if self.plan.strict:
                raise UsageError(message)
            self._guard.warn(message)
        elif self.plan.restore and self._guard.on("restore") and best is not None and self._best.step != best:
            self._guard.warn(
                f"the best step {best} was before this fit: its weights are not in memory and the model "
                "keeps those it has. Load the checkpoint of that step."
            )

    def _say(self, message: str) -> None:
        if self.plan.verbose <= 0:
            return
        if keras.config.is_interactive_logging_enabled():
            print(f"overfit-monitor: {message}")
        else:
            logger.info("overfit-monitor: %s", message)


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
