"""Reads the loss off the loss module as it is called, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Literal, final

import torch
from torch import Tensor, nn

from overfit_monitor.errors import UsageError
from overfit_monitor.guard import Guard
from overfit_monitor_torch.hooks import first_tensor
from overfit_monitor_torch.per_example import PerExample
from overfit_monitor_torch.rates import RateMeter
from overfit_monitor_torch.taps import Tap
from overfit_monitor_torch.totals import LOSS, LossSummary, Total
from overfit_monitor_torch.undisturbed import autocast_type

Split = Literal["train", "val"]

PART: Final = "loss hook"
_STILL = "what is passed to log() is judged"

__all__ = ["LOSS", "PART", "LossMeter", "LossSummary", "Split", "named_losses"]


@final
class LossMeter:
    """Watches the loss modules and keeps the mean loss per example, train and validation apart.

    ``model.training`` at the time of the call tells the two apart. A call weighs as many
    examples as the first dimension of its first tensor argument has; a loss with
    ``reduction="sum"`` is divided by that number, one with ``reduction="none"`` is averaged.
    A loss module called inside a function given to ``torch.compile`` is not seen.

    Several losses, in a mapping of modules or in the mapping that one module returns, are each kept under
    their name. The one called ``loss`` is the loss; without it the loss is their sum, weighted by
    ``weights`` (the convention of Keras' ``loss_weights``), over those that validation computes as well.

    What a training step costs is measured by benchmarks/overhead.py; nothing in it waits for the device.
    Memory does not grow with the number of steps.

    Args:
        model: The model whose mode tells train from validation.
        criterion: The loss module, or several by name. A module may return a tensor, a tuple that begins with
            one, or a mapping: of that, tensors without dimensions are taken, or all of ``loss``.
        guard: Takes what goes wrong; the loss modules never raise for it unless it is strict.
        weights: Weights of the sum by name; a loss that is not named is not in it. None weighs every loss by 1.
        per_example: Takes in the calls in eval mode as well; None keeps no per-example losses.
        rates: Reads the learning rate with each loss of a training step; None reads none.

    Raises:
        UsageError: Something in the mapping is no module, or there twice.

    Attributes:
        off: Whether an error has switched it off.
        paused: Whether calls are left out for now, since they belong to a measurement of ours.
        autocast: Type that autocast cast to in the latest call in eval mode, None where it was off.
    """

    def __init__(
        self,
        model: nn.Module,
        criterion: nn.Module | Mapping[str, nn.Module],
        guard: Guard,
        *,
        weights: Mapping[str, float] | None = None,
        per_example: PerExample | None = None,
        rates: RateMeter | None = None,
    ) -> None:
        modules = named_losses(criterion)
        self.off = self.paused = False
        self.autocast: torch.dtype | None = None
        self._model = model
        self._guard = guard
        self._weights = dict(weights) if weights is not None else None
        self._per_example = per_example
        self._rates = rates
        # No call through this object: it is made at every step.
        self.stepped: Callable[[], None] = _nothing if rates is None else rates.poll
        self._train: dict[str, Total] = {}
        self._val: dict[str, Total] = {}
        self._validated: set[str] = set()
        if per_example is not None and LOSS not in modules:
            per_example.stop("the loss is the sum of several losses")
        self._taps = [Tap(self, name, module, model) for name, module in modules.items()]

    def take(self) -> dict[Split, LossSummary]:
        """Return what was seen since the last call and start anew; waits for the device.

        A split of which nothing was seen is not in it; nothing is after the hook failed.
        """
        summaries: dict[Split, LossSummary] = {}
        if not self.off:
            try:
                for tap in self._taps:
                    tap.fold()
                val, train = _taken(self._val), _taken(self._train)
                self._validated.update(val)
                if train:
                    summaries["train"] = self._summary(train)
                if val:
                    summaries["val"] = self._summary(val)
            except Exception:  # noqa: BLE001 - handled by the guard
                summaries = {}
                self.failed()
        return summaries

    def forget(self) -> None:
        """Drop what was seen since the last `take`."""
        for tap in self._taps:
            tap.forget()
        for total in (*self._train.values(), *self._val.values()):
            total.clear()
        if self._per_example is not None:
            self._per_example.forget()

    def state_dict(self) -> dict[str, Any]:
        """Return what was seen since the last `take`, for a training that goes on elsewhere; waits for the device."""
        for tap in self._taps:
            tap.fold()
        splits = {"train": self._train, "val": self._val}
        totals = {s: {name: t.state_dict() for name, t in split.items() if t.calls} for s, split in splits.items()}
        examples = None if self._per_example is None else self._per_example.state_dict()
        return totals | {"validated": sorted(self._validated), "examples": examples}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.forget()
        for split in ("train", "val"):
            for name, total in state[split].items():
                self.total(name, training=split == "train").load_state_dict(total)
        self._validated = set(state["validated"])
        if self._per_example is not None and state["examples"] is not None:
            self._per_example.load_state_dict(state["examples"])

    def close(self) -> None:
        """Leave the loss modules alone; closing twice is fine."""
        for tap in self._taps:
            tap.close()

    def seen(self, name: str, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Any) -> None:
        """Take in one call of a loss module, with what it was called with and what it returned."""
        if self.paused:
            return
        batch = args[0] if args and isinstance(args[0], Tensor) else first_tensor((args, kwargs))
        examples = batch.shape[0] if batch is not None and batch.dim() else 1
        if examples == 0:
            return  # the mean of nothing is NaN and would spoil the epoch
        training = self._model.training
        summed = (kwargs.get("reduction") or getattr(module, "reduction", None)) == "sum"
        for key, loss in ((name, output),) if isinstance(output, Tensor) else _losses_of(name, output):
            if loss.is_cuda and torch.cuda.is_current_stream_capturing():
                return  # the copy would become part of the graph, and replay it into memory that is long freed
            total = self.total(key, training=training)
            if loss.dim():
                total.add(loss.detach().mean(), examples, examples)
            else:
                total.add(loss, examples, 1 if summed else examples)
        if training:
            self.stepped()
        else:
            self.autocast = autocast_type(torch.device("cpu") if batch is None else batch.device)
            if name == LOSS and self._per_example is not None:
                self._per_example.add(module, args, kwargs, output, examples)

    def total(self, name: str, *, training: bool) -> Total:
        """Return the running mean of the loss of this name on one split."""
        totals = self._train if training else self._val
        if name not in totals:
            totals[name] = Total()
        return totals[name]

    def failed(self) -> None:
        """Hand the exception that is being handled to the guard, and leave the loss modules alone from here on."""
        if not self._guard.strict:
            self.off = True
            self.close()
            if self._rates is not None:
                self._rates.attach()
        with self._guard.protect(PART, still=_STILL):
            raise  # noqa: PLE0704 - called while an exception is handled

    def _summary(self, taken: Mapping[str, LossSummary]) -> LossSummary:
        parts = {name: summary.mean for name, summary in taken.items() if name != LOSS}
        if LOSS in taken:
            return taken[LOSS]._replace(parts=parts)
        weights = dict.fromkeys(taken, 1.0) if self._weights is None else self._weights
        summed = [name for name in taken if name in weights]
        if not summed:
            raise UsageError(f"loss_weights has {sorted(weights)} but the losses are {sorted(taken)}")
        summed = [name for name in summed if name in self._validated] or summed
        mean = sum(weights[name] * taken[name].mean for name in summed)
        return taken[summed[0]]._replace(mean=mean, parts=parts)


def named_losses(criterion: nn.Module | Mapping[str, nn.Module]) -> dict[str, nn.Module]:
    """Return the loss modules by name; a single one is called ``loss``.

    Raises:
        UsageError: One of several is no module, or is there twice.
    """
    if not isinstance(criterion, (Mapping, nn.ModuleDict)):
        return {LOSS: criterion}
    modules = dict(criterion.items())
    for name, module in modules.items():
        if not isinstance(module, nn.Module):
            raise UsageError(f"criterion[{name!r}] must be an nn.Module but got {type(module).__name__}.")
        if twin := next((other for other, seen in modules.items() if seen is module and other != name), None):
            raise UsageError(
                f"criterion[{name!r}] and criterion[{twin!r}] are one module: make two, to tell them apart."
            )
    return modules


def _nothing() -> None:
    """Do nothing."""


def _taken(totals: Mapping[str, Total]) -> dict[str, LossSummary]:
    return {name: total.take() for name, total in totals.items() if total.calls}


def _losses_of(name: str, output: Any) -> Iterable[tuple[str, Tensor]]:
    """Return the losses in what a loss module returned, by the names they are kept under."""
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], Tensor):
        return ((name, output[0]),)
    losses = []
    if isinstance(output, Mapping):
        for key, value in output.items():
            if isinstance(value, Tensor) and (key == LOSS or not value.dim()):
                losses.append((name if key == LOSS else str(key) if name == LOSS else f"{name}_{key}", value))
    if not losses:
        raise TypeError(f"the criterion must return a tensor but returned {type(output).__name__}")
    return losses
