"""Per-example validation losses: what they tell about how sure a validation value is."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, final

import numpy as np
import numpy.typing as npt

from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UsageError
from overfit_monitor.guard import Guard
from overfit_monitor.metrics import choose, direction
from overfit_monitor.records import MetricChoice, Mode, Observation, Sampling
from overfit_monitor.stats.paired import paired_change, standard_error

Array = npt.NDArray[np.float64]

FEWEST = 2
_STILL = "everything is judged without per-example losses"


@final
class Examples:
    """Keeps the per-example losses of the best evaluation so far and compares the later ones with them.

    One array of 8 bytes an example is kept, and one comparison takes time in proportion to their number.

    Args:
        mode: ``min`` keeps the losses of the lowest mean; ``max``, for per-example values of a metric
            that grows, those of the highest.

    Example:
        >>> examples = Examples()
        >>> examples.update(0, np.array([1.0, 2.0, 3.0])).compared_to
        >>> later = examples.update(1, np.array([1.5, 2.5, 3.5]))
        >>> later.compared_to, later.change, later.change_error
        (0, 0.5, 0.0)
    """

    def __init__(self, *, mode: Mode = "min") -> None:
        self.mode = mode
        self.step: int | None = None
        self._mean = math.nan
        self._losses: Array | None = None

    @property
    def n(self) -> int | None:
        """Number of examples in the losses that are kept, None while there are none."""
        return None if self._losses is None else len(self._losses)

    def update(self, step: int, losses: Array) -> Sampling | None:
        """Take in the losses of an evaluation and return what they tell.

        Args:
            step: Step of the evaluation.
            losses: One value for each example, the same examples in the same order each time, shape (n,).
                As many as are kept: others are told by themselves and compared with nothing.

        Returns:
            None where a value is not finite, where there are fewer than two, or where they are too large.
        """
        if len(losses) < FEWEST or not np.isfinite(losses).all():
            return None
        mean, error = mean_of(losses), standard_error(losses)
        if not math.isfinite(mean) or not math.isfinite(error):
            return None
        found = Sampling(n=len(losses), standard_error=error)
        kept = self._losses
        if kept is not None and len(kept) == len(losses):
            change, change_error = paired_change(losses, kept)
            if math.isfinite(change) and math.isfinite(change_error):
                told = {"compared_to": self.step, "change": change, "change_error": change_error}
                found = found.model_copy(update=told)
        if kept is None or (len(kept) == len(losses) and self._better(mean)):
            self.step, self._mean, self._losses = step, mean, losses.copy()
        return found

    def rewind(self, step: int) -> None:
        """Forget what is kept if it comes from this step or a later one."""
        if self.step is not None and self.step >= step:
            self.step, self._mean, self._losses = None, math.nan, None

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept as plain values."""
        losses = None if self._losses is None else self._losses.tolist()
        return {"mode": self.mode, "step": self.step, "mean": self._mean if losses else None, "losses": losses}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.mode, self.step = state["mode"], state["step"]
        self._mean = math.nan if state["mean"] is None else float(state["mean"])
        self._losses = None if state["losses"] is None else np.array(state["losses"], dtype=np.float64)

    def _better(self, mean: float) -> bool:
        return mean > self._mean if self.mode == "max" else mean < self._mean


@final
class Sampler:
    """Adds to observations what per-example losses tell, so that whoever reads them later needs no losses.

    Args:
        config: Settings, for the metric and its direction.
        guard: Where trouble with the losses is told.
    """

    def __init__(self, config: MonitorConfig, guard: Guard) -> None:
        self._config = config
        self._guard = guard
        self._examples: Examples | None = None
        self._told: set[str] = set()

    def observe(self, observation: Observation, given: Any, metrics: MetricChoice) -> Observation:
        """Return the observation with its sampling, and with the mean where the compared metric had no value.

        Args:
            observation: What was logged.
            given: The per-example losses that came with it, None where there were none.
            metrics: What is compared so far.
        """
        losses = self._read(given)
        if losses is None:
            self._rewind(observation, metrics.val)
            return observation
        name = metrics.val or self._name(observation.val)
        val = observation.val if name in observation.val else observation.val | {name: mean_of(losses)}
        observation = observation.model_copy(update={"val": val})
        self._rewind(observation, name)
        compared, mode = (name, metrics.mode) if metrics.val else choose(val, self._config.metric, self._config.mode)
        if compared != name:
            self._complain("metric", f"val_losses are left alone: they are of {name!r}, and {compared!r} is compared.")
            return observation
        return observation.model_copy(update={"sampling": self._sampling(observation.step, losses, mode)})

    def state_dict(self) -> dict[str, Any] | None:
        """Return what is kept as plain values, None where there is nothing."""
        return None if self._examples is None else self._examples.state_dict()

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        """Continue from a state that `state_dict` returned."""
        self._examples = None if state is None else Examples()
        if self._examples is not None and state is not None:
            self._examples.load_state_dict(state)

    def _read(self, given: Any) -> Array | None:
        if given is None or not self._guard.on("val_losses"):
            return None
        losses = None
        with self._guard.protect("val_losses", still=_STILL):
            losses = as_losses(given)
        if losses is not None and not len(losses):
            self._complain("empty", "val_losses has no values.")
            return None
        return losses

    def _name(self, val: Mapping[str, float]) -> str:
        if self._config.metric is not None:
            return self._config.metric
        return "loss" if "loss" in val else next((name for name in val if direction(name) == "min"), "loss")

    def _rewind(self, observation: Observation, name: str | None) -> None:
        if self._examples is not None and name in observation.val:  # only such a one can be a restart
            self._examples.rewind(observation.step)

    def _sampling(self, step: int, losses: Array, mode: Mode) -> Sampling | None:
        if self._examples is None:
            self._examples = Examples(mode=mode)
        n = self._examples.n
        if n is not None and n != len(losses):
            self._complain(
                "length",
                f"val_losses has {len(losses)} values at step {step} and had {n} before: they must be of the same "
                "examples in the same order each time. Those of another number are compared with nothing.",
            )
        return self._examples.update(step, losses)

    def _complain(self, kind: str, message: str) -> None:
        if self._guard.strict:
            raise UsageError(message)
        if kind not in self._told:
            self._told.add(kind)
            self._guard.warn(message)


def as_losses(given: Any) -> Array:
    """Return per-example losses as one flat array, also those of a tensor on another device.

    Raises:
        UsageError: They are not numbers.
    """
    try:
        plain = given.detach().cpu().double() if hasattr(given, "detach") else given
        return np.asarray(plain, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise UsageError(f"val_losses must be numbers, one for each example, but: {error}") from None


def mean_of(losses: Array) -> float:
    """Return the mean, NaN where there is no loss, without a warning where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(losses)) if len(losses) else math.nan
