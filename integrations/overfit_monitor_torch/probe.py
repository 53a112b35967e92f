"""The train probe: a fixed part of the training set, measured as validation is."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from itertools import chain
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from overfit_monitor import UsageError
from overfit_monitor.budget import Budget, Measuring, Spending
from overfit_monitor_torch.models import unwrapped
from overfit_monitor_torch.part import FixedPart, moved
from overfit_monitor_torch.pointwise import Parts, Pointwise
from overfit_monitor_torch.undisturbed import RandomState, device_of, undisturbed

SIZE: Final = 1024
SMALLEST: Final = 128
BUDGET: Final = 0.02
_SHARDED: Final = {"FullyShardedDataParallel", "FSDPModule"}
_LABELS: Final = ("labels", "label")

LossFunction = Callable[[nn.Module, Any], Tensor]


class ProbeLosses(NamedTuple):
    """Losses of the train probe at one evaluation; fewer examples are always the first of more.

    Attributes:
        losses: Loss of each example, shape (n,); their mean is the loss of all of them.
        labels: Class number of each example, shape (n,); None where the targets are not class numbers.
        names: Index of each example in the data set it comes from.
    """

    losses: npt.NDArray[np.float64]
    labels: npt.NDArray[np.int64] | None
    names: tuple[str, ...]


@final
class TrainProbe:
    """Measures a fixed part of the training set in eval mode with the validation loss, and disturbs nothing.

    Training with it is bit for bit training without it: see `undisturbed`. No collective operation of
    ``torch.distributed`` is called, so that processes may measure at different times, or only some of them.

    Args:
        model: The model, without wrappers of `torch.compile` or data parallelism; a wrapper
            `DistributedDataParallel` or `DataParallel` is taken off.
        criterion: The validation loss, called with the model's output and the target. See `Pointwise`.
        train_data: The training `DataLoader`, or a map-style data set.
        probe_data: The same examples without augmentation, in place of ``train_data``.
        loss_fn: Called with the model and a batch on its device; returns the loss of each example, shape (n,).
            None calls the model with the first element of a pair and the criterion with the second.
        size: Most examples; at least 2.
        seed: Seed of the draw, of random augmentation and of models that draw in eval mode.
        budget: Time of the probe over the time of everything else, above 0 and at most 1; None measures all
            examples at every evaluation, whatever it takes.
        asked: Whether the user asked for the probe. If not, an error at the first measurement
            becomes the `reason`, since it was our guess that the model can be called like this.
        clock: Returns seconds.

    Attributes:
        reason: Why nothing can be measured, in one clause; None while it can.

    Raises:
        UsageError: An argument cannot be right.

    Example:
        >>> data = torch.utils.data.TensorDataset(torch.zeros(4, 3), torch.tensor([0, 1, 0, 1]))
        >>> probe = TrainProbe(nn.Linear(3, 2), criterion=nn.CrossEntropyLoss(), train_data=data, budget=None)
        >>> measured = probe.measure()
        >>> len(measured.losses), sorted(measured.names)
        (4, ['0', '1', '2', '3'])
    """

    def __init__(
        self,
        model: nn.Module,
        *,
        criterion: Callable[..., Any] | None = None,
        train_data: Any = None,
        probe_data: Any = None,
        loss_fn: LossFunction | None = None,
        size: int = SIZE,
        seed: int = 0,
        budget: float | None = BUDGET,
        asked: bool = False,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not isinstance(size, int) or size < 2:
            raise UsageError(f"size must be a whole number of examples, at least 2, but got {size!r}.")
        if loss_fn is not None and not callable(loss_fn):
            raise UsageError(f"loss_fn must be a function of model and batch but got {loss_fn!r}.")
        self._model = unwrapped(model)
        self._pointwise = Pointwise(criterion)
        self._modules = (self._model, *([criterion] if isinstance(criterion, nn.Module) else []))
        self._loss_fn = loss_fn
        self._part = FixedPart(train_data if probe_data is None else probe_data, size=size, seed=seed)
        self._budget = Budget(budget, size=max(1, len(self._part)), smallest=SMALLEST)
        self._seed = seed
        self._asked = asked or loss_fn is not None or probe_data is not None
        self._clock = clock
        self._since = clock()
        self._names: tuple[str, ...] = ()
        self._class_numbers: npt.NDArray[np.int64] | None = None
        self.reason = self._part.reason or (self._pointwise.reason if loss_fn is None else None) or _sharded(model)

    def begin(self) -> None:
        """Count the time of training from now on; without it, from the construction."""
        self._since = self._clock()

    def measure(self, *, autocast: torch.dtype | None = None, seconds: float | None = None) -> ProbeLosses | None:
        """Measure at an evaluation, or leave it out where the budget does not allow it.

        Args:
            autocast: Type of autocast that validation ran under, None without; see `autocast_type`.
            seconds: Time of training since the last call, that of the probe not in it; None takes all time
                since the last call ended.

        Returns:
            What was measured; None where nothing was, now or at all.

        Raises:
            Exception: What the model, the loss or the data set raised. Everything is as it was before.
        """
        if self.reason is not None:
            return None
        begin = self._clock()
        self._budget.trained(begin - self._since if seconds is None else seconds)
        if not self._budget.due:
            self._since = self._clock()
            self._budget.idle(self._since - begin)
            return None
        _wait(device_of(self._model))  # for what training has in the queue; that is not our time
        run = Measuring(self._budget, self._clock)
        try:
            return self._measure(run, autocast)
        finally:
            run.end()
            self._since = self._clock()

    def report(self) -> Spending:
        """Return what the probe took so far, its size and its interval."""
        return self._budget.spending()

    def state_dict(self) -> dict[str, Any]:
        """Return what decides about size and interval, as plain values; the examples follow from the seed."""
        return {"budget": self._budget.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._budget.load_state_dict(dict(state["budget"]))

    def _measure(self, run: Measuring, autocast: torch.dtype | None) -> ProbeLosses | None:
        try:
            if any(map(is_lazy, chain(self._model.parameters(), self._model.buffers()))):
                return None  # it would be initialized here instead of in training
            with undisturbed(*self._modules, autocast=autocast) as state:
                return self._losses(run, device_of(self._model), state)
        except _UnknownError as error:
            self.reason = str(error)
        except Exception as error:
            if self._asked or self._budget.state.measurements:
                raise
            self.reason = f"the first try ended in {type(error).__name__}: {error}"
        return None

    def _losses(self, run: Measuring, device: torch.device, state: RandomState) -> ProbeLosses | None:
        part, found = self._part, list[Parts]()
        state.seed(self._seed)
        while run.wanted:
            number = len(found)
            if number == len(part.batches):
                with run.once():
                    loaded = part.load(out_of_time=lambda: run.over)
                if part.full:
                    self._budget.at_most(len(part))
                if not loaded:
                    break
            if not self._budget.known and self._budget.share is not None:
                self._try(run, device)
                state.seed(self._seed)
            n = part.length(number)
            if not run.fits(n):
                break
            with run.evaluating(n):
                found.append(self._evaluate(part.batches[number], n, device))
        return self._told(found, run.examples) if found else None

    def _try(self, run: Measuring, device: torch.device) -> None:
        """Find out what an example takes from a few of them, so that a whole batch is no surprise."""
        begin = self._clock()
        with run.once():
            batch, n = self._part.trial()
            self._evaluate(moved(batch, torch.device("cpu")), n, device)
        self._budget.guess((self._clock() - begin) / n)

    def _evaluate(self, batch: Any, n: int, device: torch.device) -> Parts:
        batch = moved(batch, device, copy=True)  # a model may write into its input
        if self._loss_fn is not None:
            losses = self._loss_fn(self._model, batch)
            if not isinstance(losses, Tensor) or losses.shape != (n,):
                raise UsageError(
                    f"loss_fn must return a tensor of shape ({n},), one loss for each example of the batch."
                )
            return Parts(_plain(losses), None)
        if not (isinstance(batch, (tuple, list)) and len(batch) == 2 and isinstance(batch[1], Tensor)):
            raise _UnknownError("a batch is not a pair of input and target, and there is no function for its losses")
        output = self._model(batch[0])
        target = batch[1].to(output.device) if isinstance(output, Tensor) else batch[1]
        losses, weights = self._pointwise(output, target)
        if len(losses) != n:
            raise _UnknownError(f"the criterion gives {len(losses)} values for {n} examples")
        return Parts(_plain(losses), None if weights is None else _plain(weights))

    def _told(self, found: list[Parts], n: int) -> ProbeLosses:
        weights = [part.weights for part in found if part.weights is not None]
        losses = Pointwise.combine(torch.cat([part.losses for part in found]), torch.cat(weights) if weights else None)
        if len(self._names) != n:
            labels = [_labels(batch) for batch in self._part.batches[: len(found)]]
            known = [part.numpy().astype(np.int64) for part in labels if part is not None]
            self._class_numbers = np.concatenate(known) if len(known) == len(labels) else None
            self._names = tuple(map(str, self._part.indices[:n].tolist()))
        return ProbeLosses(losses=losses.numpy(), labels=self._class_numbers, names=self._names)


class _UnknownError(Exception):
    """The losses cannot be had, for a reason that is no fault."""


def _plain(values: Tensor) -> Tensor:
    # In single precision first, since not every device has doubles.
    return values.detach().float().cpu().double()


def _labels(batch: Any) -> Tensor | None:
    """Return the class numbers of a batch, None where it has none that are known to be some."""
    if isinstance(batch, Mapping):
        found = next((batch[name] for name in _LABELS if name in batch), None)
    else:
        found = batch[1] if isinstance(batch, (tuple, list)) and len(batch) == 2 else None
    whole = isinstance(found, Tensor) and found.dim() == 1 and not found.is_floating_point()
    return found if whole else None


def _sharded(model: nn.Module) -> str | None:
    """Return why a model whose weights lie on several processes is not measured, None for any other."""
    if any(base.__name__ in _SHARDED for module in model.modules() for base in type(module).__mro__):
        return "the model is sharded (FSDP): each forward pass is a collective operation of all processes"
    if any(type(parameter).__name__ == "DTensor" for parameter in model.parameters()):
        return "the model's weights are spread over processes: each forward pass is a collective operation"
    return None


def _wait(device: torch.device) -> None:
    if device.type in ("cuda", "xpu"):
        torch.get_device_module(device.type).synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
