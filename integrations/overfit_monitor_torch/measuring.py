"""Everything that the hooks and the probe measure from one evaluation to the next."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt
from torch import nn

from overfit_monitor import Monitor
from overfit_monitor.guard import Guard
from overfit_monitor_torch.losses import LOSS, PART, LossMeter, LossSummary, Split
from overfit_monitor_torch.per_example import PerExample
from overfit_monitor_torch.probe import BUDGET, SIZE, LossFunction, ProbeLosses, TrainProbe
from overfit_monitor_torch.rates import RateMeter

_PROBE: Final = "probe"
_EXAMPLES: Final = "val_losses"
_RATE: Final = "learning rate"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """How the train probe measures.

    Attributes:
        data: The training examples without augmentation, a map-style data set; None takes ``train_data``.
        loss_fn: Called with the model and a batch on its device; returns the loss of each example, shape (n,).
            None calls the model with the first element of a pair and the criterion with the second.
        size: Most examples, at least 2.
        seed: Seed of the draw.
        budget: Most time of the probe over the time of everything else; None sets no limit.
    """

    data: Any = None
    loss_fn: LossFunction | None = None
    size: int = SIZE
    seed: int = 0
    budget: float | None = BUDGET


class Measured(NamedTuple):
    """What was measured since the last evaluation.

    Attributes:
        summaries: Mean losses that the hook saw, by split.
        rate: Learning rate that was in force.
        rates: Lowest and highest learning rate.
        val_losses: Per-example validation losses.
        probe_losses: Per-example losses of the train probe.
    """

    summaries: Mapping[Split, LossSummary] = {}
    rate: float | None = None
    rates: tuple[float, float] | None = None
    val_losses: npt.NDArray[np.float32] | None = None
    probe_losses: npt.NDArray[np.float64] | None = None


@final
class Measuring:
    """Holds the hooks on loss and optimizer and the train probe, and reads them once per evaluation.

    Args:
        monitor: Told what cannot be measured.
        model: The model, without wrappers.
        guard: Takes what goes wrong.
        optimizer: The optimizer, None where unknown.
        criterion: The loss; a module, or several by name, is hooked.
        loss_weights: Weights of the sum of several losses.
        train_data: Training data, for the probe.
        val_data: Validation data, for the order of its examples.
        probe: Settings of the probe; None leaves it to what the data allow, False measures none.
    """

    def __init__(
        self,
        monitor: Monitor,
        model: nn.Module,
        guard: Guard,
        *,
        optimizer: Any,
        criterion: Callable[..., Any] | Mapping[str, nn.Module] | None,
        loss_weights: Mapping[str, float] | None,
        train_data: Any,
        val_data: Any,
        probe: ProbeSettings | bool | None,
    ) -> None:
        self._monitor = monitor
        self._guard = guard
        self._optimizer = optimizer
        self._rate: float | None = None
        hooked = isinstance(criterion, (nn.Module, Mapping))
        self._rates = RateMeter(optimizer, guard, polled=hooked) if optimizer is not None else None
        self._examples = PerExample(guard, val_data=val_data) if hooked else None
        self._meter = (
            LossMeter(model, criterion, guard, weights=loss_weights, per_example=self._examples, rates=self._rates)
            if isinstance(criterion, (nn.Module, Mapping))
            else None
        )
        self._probe = None if probe is False else _probe(model, criterion, train_data, probe)
        self._described: dict[str, int] = {}

    @property
    def hooked(self) -> bool:
        """Whether losses are read by a hook that still works."""
        return self._meter is not None and self._guard.on(PART)

    @property
    def probe(self) -> TrainProbe | None:
        """The train probe, None where it was not wanted."""
        return self._probe

    def begin(self, *, resumed: bool = False) -> None:
        """Drop what was seen before, and count the time of training from now on.

        Args:
            resumed: Whether this goes on in the middle of what a checkpoint holds; nothing is dropped then.
        """
        for part in (self._meter, self._rates):
            if part is not None and not resumed:
                part.forget()
        if self._probe is not None:
            self._probe.begin()
        if not resumed or self._rate is None:
            # Read here because most schedulers are stepped at the end of an epoch.
            self._rate = self._learning_rate()

    def end(self) -> None:
        """The loop is over: from now on the learning rate is read when it is asked for."""
        self._rate = None

    def take(self, *, validated: bool) -> Measured:
        """Return what was measured since the last call and start anew; waits for the device.

        Args:
            validated: Whether there is a validation value beside what the hook saw. Without any the probe waits.
        """
        summaries = self._meter.take() if self._meter is not None else {}
        rates = self._rates.take() if self._rates is not None else None
        val = summaries.get("val")
        losses = None
        if self._examples is not None:
            losses = self._examples.take(None if val is None else val.mean)
            self._monitor.cannot(_EXAMPLES, self._examples.reason)
            self._describe("val", self._examples.labels)
        probe = self._measure() if validated or val is not None else None
        probed = None if probe is None else probe.losses
        rate = self._learning_rate() if self._rate is None else self._rate
        return Measured(summaries, rate, rates, losses, probed)

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen since the last `take` and what decides about the probe; waits for the device."""
        return {
            "losses": None if self._meter is None else self._meter.state_dict(),
            "rates": None if self._rates is None else self._rates.state_dict(),
            "probe": None if self._probe is None else self._probe.state_dict(),
            "rate": self._rate,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        for name, part in (("losses", self._meter), ("rates", self._rates), ("probe", self._probe)):
            if part is not None and state.get(name) is not None:
                part.load_state_dict(state[name])
        self._rate = state.get("rate")

    def close(self) -> None:
        """Take all hooks off; closing twice is fine."""
        for part in (self._meter, self._rates):
            if part is not None:
                part.close()

    def _learning_rate(self) -> float | None:
        if self._optimizer is not None and self._guard.on(_RATE):
            with self._guard.protect(_RATE, still="everything is judged as before"):
                return float(self._optimizer.param_groups[0]["lr"])
        return None

    def _measure(self) -> ProbeLosses | None:
        probe, found = self._probe, None
        if probe is None or not self._guard.on(_PROBE):
            return None
        with self._guard.protect(_PROBE, still="everything is judged without it"):
            autocast = None if self._meter is None else self._meter.autocast
            found = probe.measure(autocast=autocast)
        self._monitor.cannot(_PROBE, probe.reason if self._guard.on(_PROBE) else "it failed")
        if found is not None:
            self._describe("probe", found.labels, found.names)
        return found

    def _describe(self, what: str, labels: Any, names: Any = None) -> None:
        known = len(names if labels is None else labels) if labels is not None or names is not None else 0
        if known > self._described.get(what, 0):  # the probe may grow
            self._described[what] = known
            self._monitor.describe_examples(**{f"{what}_labels": labels, f"{what}_names": names})


def _probe(
    model: nn.Module,
    criterion: Any,
    train_data: Any,
    probe: ProbeSettings | bool | None,
) -> TrainProbe:
    settings = probe if isinstance(probe, ProbeSettings) else ProbeSettings()
    if isinstance(criterion, Mapping):
        criterion = criterion.get(LOSS)
    return TrainProbe(
        model,
        criterion=criterion,
        train_data=train_data,
        probe_data=settings.data,
        loss_fn=settings.loss_fn,
        size=settings.size,
        seed=settings.seed,
        budget=settings.budget,
        asked=bool(probe),
    )
