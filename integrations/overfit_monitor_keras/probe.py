"""The train probe and the per-example validation losses, measured between two epochs of ``fit``."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt

from overfit_monitor import Monitor, UsageError
from overfit_monitor.budget import Budget, Measuring, Spending
from overfit_monitor_keras.arrays import Arrays, Indices, training_arrays, validation_arrays
from overfit_monitor_keras.pointwise import LossFunction, PointwiseLoss, UnknownLossError, undisturbed

SIZE: Final = 1024
SMALLEST: Final = 128
BUDGET: Final = 0.02
# Class weights, masks and the like make val_loss another mean than that of the examples; rounding stays far below.
MEAN_TOLERANCE: Final = 1e-3

Losses = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeSettings:
    """How the train probe and the per-example validation losses are measured.

    Attributes:
        data: Inputs and targets of the training examples without augmentation, ``(x, y)``; None takes those of
            ``fit`` where they are arrays.
        loss_fn: Called with model, inputs and targets; returns the loss of each example, shape (n,). None takes the
            compiled loss.
        size: Most training examples, at least 2.
        seed: Seed of the draw.
        budget: Most time of both measurements over the time of everything else; None sets no limit.

    Raises:
        UsageError: A value cannot be right.
    """

    data: tuple[Any, Any] | None = None
    loss_fn: LossFunction | None = None
    size: int = SIZE
    seed: int = 0
    budget: float | None = BUDGET

    def __post_init__(self) -> None:
        if self.data is not None and not (isinstance(self.data, (tuple, list)) and len(self.data) == 2):
            raise UsageError(f"data must be a pair of inputs and targets but got {type(self.data).__name__}.")
        if self.loss_fn is not None and not callable(self.loss_fn):
            raise UsageError(f"loss_fn must be a function of model, inputs and targets but got {self.loss_fn!r}.")
        if not isinstance(self.size, int) or self.size < 2:
            raise UsageError(f"size must be a whole number of examples, at least 2, but got {self.size!r}.")
        Budget(self.budget, size=self.size, smallest=1)


class Measured(NamedTuple):
    """What was measured at the end of an epoch; None where nothing was."""

    val_losses: Losses | None = None
    probe_losses: Losses | None = None


@final
class _Part:
    """Fixed examples that are measured in their order, within a budget of their own."""

    def __init__(self, arrays: Arrays, order: Indices, *, share: float | None, smallest: int, batch: int) -> None:
        self.arrays = arrays
        self.order = order
        self.budget = Budget(share, size=max(1, len(order)), smallest=max(1, min(smallest, len(order))))
        self._batch = batch
        self._loaded: list[tuple[Any, Any]] = []

    def measure(self, losses: PointwiseLoss, clock: Callable[[], float]) -> Losses | None:
        """Return the losses of as many examples as there is time for, always the first ones."""
        run, found = Measuring(self.budget, clock), list[Losses]()
        try:
            while run.wanted and run.examples < len(self.order):
                here = self.order[run.examples : run.examples + self._batch]
                number = len(found)
                if number == len(self._loaded):
                    with run.once():
                        self._loaded.append(self.arrays.take(here))
                if not self.budget.known and self.budget.share is not None:
                    self._try(losses, run, number, clock)
                if not run.fits(len(here)):
                    break
                with run.evaluating(len(here)):
                    found.append(losses(*self._loaded[number]))
        finally:
            run.end()
        return np.concatenate(found) if found else None

    def _try(self, losses: PointwiseLoss, run: Measuring, number: int, clock: Callable[[], float]) -> None:
        """Find out what an example takes from one batch, so that all of them are no surprise."""
        with run.once():
            losses(*self._loaded[number])  # the first call builds what later ones use
            begin = clock()
            losses(*self._loaded[number])
            self.budget.guess((clock() - begin) / len(self.order[: self._batch]))


@final
class ExampleLosses:
    """Measures both parts for one fit.

    Args:
        model: The compiled model.
        core: Told what cannot be measured, and which examples they are.
        settings: What was asked for.
        arguments: Arguments of ``fit`` by name.
        begin: When the fit began, by the clock.
        asked: Whether the user asked for it. If not, an error at the first measurement becomes the reason, since it
            was our guess that the model can be called like this.
        clock: Returns seconds.
    """

    def __init__(
        self,
        model: Any,
        core: Monitor,
        settings: ProbeSettings,
        arguments: Mapping[str, Any],
        *,
        begin: float,
        asked: bool = True,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._model = model
        self._core = core
        self._clock = clock
        self._since = begin
        self._losses: PointwiseLoss | None = None
        self._probe = self._val = None
        self._asked = asked
        try:
            self._losses = PointwiseLoss(model, settings.loss_fn)
        except UnknownLossError as error:
            self._cannot(str(error), str(error))
            return
        batch = int(arguments.get("validation_batch_size") or arguments.get("batch_size") or 32)
        train = training_arrays(arguments) if settings.data is None else training_arrays(_named(settings.data))
        val = validation_arrays(arguments)
        share = None if settings.budget is None else settings.budget / 2.0
        if isinstance(train, Arrays):
            order = np.random.default_rng(settings.seed).permutation(train.n)[: settings.size]
            self._probe = _Part(train, order, share=share, smallest=SMALLEST, batch=batch)
            labels = train.labels
            core.describe_examples(probe_labels=None if labels is None else labels[order], probe_names=order.tolist())
        if isinstance(val, Arrays):
            # Half of them would be compared with nothing: all are measured, seldom if they take long.
            self._val = _Part(val, np.arange(val.n), share=share, smallest=val.n, batch=batch)
            core.describe_examples(val_labels=val.labels)
        self._cannot(None if isinstance(train, Arrays) else train, None if isinstance(val, Arrays) else val)

    def measure(self, val_loss: float | None) -> Measured:
        """Measure what is due at the end of an epoch.

        Args:
            val_loss: The validation loss that Keras reported; None measures nothing.

        Raises:
            Exception: What the model or the loss raised. Everything is as it was before.
        """
        seconds = self._clock() - self._since
        parts = [part for part in (self._val, self._probe) if part is not None]
        for part in parts:
            part.budget.trained(seconds)
        due = [part for part in parts if part.budget.due] if val_loss is not None else []
        found = dict[int, Losses | None]()
        if due and self._losses is not None:
            try:
                with undisturbed(self._model):
                    for part in due:
                        found[id(part)] = part.measure(self._losses, self._clock)
            except UnknownLossError as error:
                found = self._give_up(str(error))
            except Exception as error:
                if self._asked or any(part.budget.state.measurements for part in parts):
                    raise
                found = self._give_up(f"the first try ended in {type(error).__name__}: {str(error).strip()[:200]}")
        val, probe = found.get(id(self._val)), found.get(id(self._probe))
        if val is not None and val_loss is not None and self._val is not None:
            val = self._checked(val, val_loss)
        self._since = self._clock()
        return Measured(val, probe if self._probe is not None else None)

    def report(self) -> list[Spending]:
        """Return what was spent on the validation examples and on the probe, as far as they are measured."""
        return [part.budget.spending() for part in (self._val, self._probe) if part is not None]

    def _checked(self, val: Losses, val_loss: float) -> Losses | None:
        if self._val is None or len(val) < len(self._val.order):
            return None
        mean = float(val.mean())
        if np.isfinite(val_loss) and abs(mean - val_loss) > MEAN_TOLERANCE * max(abs(mean), abs(val_loss)):
            self._give_up(f"the mean over the examples is {mean:.6g} but val_loss is {val_loss:.6g}")
            return None
        return val

    def _give_up(self, reason: str) -> dict[int, Losses | None]:
        self._cannot(reason, reason)
        self._probe = self._val = None
        return {}

    def _cannot(self, probe: str | None, val: str | None) -> None:
        self._core.cannot("probe", probe)
        self._core.cannot("val_losses", val)


def _named(data: tuple[Any, Any]) -> dict[str, Any]:
    return {"x": data[0], "y": data[1]}
