"""Adds to observations what per-example losses tell, so that whoever reads them later needs no losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from overfit_monitor.config import MonitorConfig
from overfit_monitor.examples import Examples, as_losses, mean_of
from overfit_monitor.guard import Guard
from overfit_monitor.metrics import choose, direction
from overfit_monitor.records import MetricChoice, Mode, Observation

if TYPE_CHECKING:
    from overfit_monitor.examples import Array

_STILL = "everything is judged without per-example losses"
_EMPTY = "{name} has no values."
_OTHER_METRIC = "per-example losses are left alone: they are of {name!r}, and {compared!r} is compared."
_LENGTH = (
    "val_losses has {now} values at step {step} and had {before} before: they must be of the same examples in the "
    "same order each time. Those of another number are compared with nothing."
)


@final
class Sampler:
    """Turns per-example losses into the sampling and the probe of an observation.

    Args:
        config: Settings, for the metric and its direction.
        guard: Where trouble with the losses is told.

    Attributes:
        examples: The losses that are kept, None before the first.
    """

    def __init__(self, config: MonitorConfig, guard: Guard) -> None:
        self.examples: Examples | None = None
        self._config = config
        self._guard = guard

    def observe(
        self, observation: Observation, val_losses: Any, probe_losses: Any, metrics: MetricChoice
    ) -> Observation:
        """Return the observation with its sampling and probe, and the mean where the compared metric had no value.

        Args:
            observation: What was logged.
            val_losses: Per-example validation losses that came with it, None where there were none.
            probe_losses: The same of the train probe.
            metrics: What is compared so far.
        """
        val, probe = self._read("val_losses", val_losses), self._read("probe_losses", probe_losses)
        if val is None and probe is None:
            self._rewind(observation, metrics.val)
            return observation
        name = metrics.val or self._name(observation.val)
        if val is not None and name not in observation.val:
            observation = observation.model_copy(update={"val": observation.val | {name: mean_of(val)}})
        self._rewind(observation, name)
        compared, mode = self._compared(observation, metrics)
        if compared != name:
            self._guard.complain("metric", _OTHER_METRIC.format(name=name, compared=compared))
            return observation
        return observation.model_copy(update=self._told_by(observation.step, val, probe, mode))

    def state_dict(self) -> dict[str, Any] | None:
        """Return what is kept as plain values, None where there is nothing."""
        return None if self.examples is None else self.examples.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Continue from a state that `state_dict` returned."""
        self.examples = None if state is None else Examples()
        if self.examples is not None and state is not None:
            self.examples.load_state_dict(state)

    def _read(self, name: str, given: Any) -> Array | None:
        if given is None or not self._guard.on(name):
            return None
        losses = None
        with self._guard.protect(name, still=_STILL):
            losses = as_losses(given, name)
        if losses is not None and not len(losses):
            self._guard.complain(f"empty {name}", _EMPTY.format(name=name))
            return None
        return losses

    def _name(self, val: Mapping[str, float]) -> str:
        if self._config.metric is not None:
            return self._config.metric
        return "loss" if "loss" in val else next((name for name in val if direction(name) == "min"), "loss")

    def _compared(self, observation: Observation, metrics: MetricChoice) -> tuple[str | None, Mode]:
        if metrics.val is not None or not observation.val:
            return metrics.val or self._name({}), metrics.mode
        return choose(observation.val, self._config.metric, self._config.mode)

    def _rewind(self, observation: Observation, name: str | None) -> None:
        if self.examples is not None and name in observation.val:  # only such a one can be a restart
            self.examples.rewind(observation.step)

    def _told_by(self, step: int, val: Array | None, probe: Array | None, mode: Mode) -> dict[str, Any]:
        if self.examples is None:
            self.examples = Examples(mode=mode)
        n = self.examples.n
        if val is not None and n is not None and n != len(val):
            self._guard.complain("length", _LENGTH.format(now=len(val), step=step, before=n))
        sampling, found = self.examples.update(step, val, probe)
        return {"sampling": sampling, "probe": found}
