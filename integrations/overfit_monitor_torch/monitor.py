"""The monitor of a PyTorch loop: it judges, stops, and brings the best weights back."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, final

from torch import Tensor, nn

from overfit_monitor import Diagnosis, Facts, Monitor, UsageError
from overfit_monitor.guard import Guard
from overfit_monitor_torch.known import FactReader
from overfit_monitor_torch.losses import PART, LossMeter, LossSummary, Split
from overfit_monitor_torch.weights import BestWeights

_WEIGHTS = "best weights"
_RATE = "learning rate"
_SPLITS: tuple[Split, ...] = ("train", "val")


@final
class TorchMonitor:
    """What `watch` returns: a `overfit_monitor.Monitor` that knows a model, its loss and its best weights.

    Leaving it as a context manager restores the best weights and closes it, whatever happened inside.

    Attributes:
        monitor: The monitor that judges.
        restored_step: Step whose weights are in the model; None where they are those of the last step.
    """

    def __init__(
        self,
        monitor: Monitor,
        model: nn.Module,
        *,
        optimizer: Any,
        criterion: Callable[..., Any] | None,
        train_data: Any,
        val_data: Any,
        restore_best_weights: bool,
        strict: bool,
        owns_monitor: bool,
    ) -> None:
        self.monitor = monitor
        self.restored_step: int | None = None
        self._guard = Guard(strict=strict)
        self._model = model = _unwrapped(model)
        self._optimizer = optimizer
        self._best = BestWeights(model) if restore_best_weights else None
        self._meter = LossMeter(model, criterion, self._guard) if isinstance(criterion, nn.Module) else None
        self._facts = FactReader(
            monitor,
            model,
            self._guard,
            optimizer=optimizer,
            criterion=criterion,
            train_data=train_data,
            val_data=val_data,
        )
        self._in_epochs = False
        self._epoch_rate: float | None = None
        self._logged: set[Split] = set()
        self._counted: dict[Split, LossSummary] = {}
        self._said: set[str] = set()
        self._read_facts()
        closers = [part.close for part in (self._meter, self._facts, monitor if owns_monitor else None) if part]
        # Also runs when the program ends without close(): a sink may hold what it has not written yet.
        self._closer = weakref.finalize(self, _close, closers)

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis now, recommendations included."""
        return self.monitor.diagnosis

    @property
    def should_stop(self) -> bool:
        """Whether the stopping policy has decided to stop."""
        return self.monitor.should_stop

    @property
    def best_step(self) -> int | None:
        """Step of the best validation value, None without one."""
        return self.monitor.best_step

    @property
    def facts(self) -> Facts:
        """What advice knows of model, optimizer, loss and data."""
        return self.monitor.facts

    def epochs(self, n: int, *, start: int = 0) -> Iterator[int]:
        """Yield the numbers of the epochs, and close each one after its body has run.

        Closing logs the losses that the hook saw, with the epoch as step, and keeps a copy of the
        weights if they are the best so far. The loop ends early when `should_stop` says so. When it
        ends, in whatever way, the best weights are put back. An epoch that was left half-way is not logged.

        Args:
            n: Number of epochs in all, counted from 0; at least 0.
            start: First epoch of this loop, for a resumed training; 0 to ``n``.

        Returns:
            An iterator over ``start`` to ``n - 1``.

        Raises:
            UsageError: ``n`` or ``start`` cannot be right.
        """
        for name, value in (("n", n), ("start", start)):
            if not isinstance(value, int) or isinstance(value, bool) or value < 0:
                raise UsageError(f"{name} must be a whole number of epochs, at least 0, but got {value!r}.")
        if start > n:
            raise UsageError(f"start must be at most n ({n}), the number of epochs in all, but got {start}.")
        return self._epochs(range(start, n))

    def log(
        self,
        *,
        step: int,
        train: Mapping[str, Any] | None = None,
        val: Mapping[str, Any] | None = None,
        learning_rate: float | None = None,
    ) -> Diagnosis:
        """Log the metrics of one step; keep a copy of the weights if they are the best so far.

        Losses that the hook saw since the last call are added as ``loss`` where the caller passes none.

        Args:
            step: Index of the evaluation, usually the epoch.
            train: Train metrics by name: numbers or tensors with one element.
            val: Validation metrics by the same names.
            learning_rate: Learning rate in force; None reads it from the optimizer.

        Returns:
            The diagnosis after it.

        Raises:
            Exception: What went wrong in the monitor, with ``strict`` only.
        """
        summaries = self._meter.take() if self._meter is not None else {}
        return self._log(step, {"train": train, "val": val}, summaries, learning_rate)

    def restore_best_weights(self) -> int | None:
        """Put the weights of the best step back into the model.

        Returns:
            The step whose weights are in the model now; None where they are those of the last step,
            because none were kept or they could not be put back.
        """
        best, step = self._best, self.best_step
        if best is None or step is None or not self._guard.on(_WEIGHTS):
            return self.restored_step
        if best.step != step:
            self._say(f"the weights of the best step {step} were not kept here; those of the last step stay.")
            return self.restored_step
        with self._guard.protect(_WEIGHTS, still="the weights of the last step stay"):
            best.restore()
            self.restored_step = step
        return self.restored_step

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides and the best weights, to be saved in a checkpoint."""
        best = None if self._best is None else self._best.state_dict()
        return {"monitor": self.monitor.state_dict(), "best_weights": best}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned.

        Raises:
            UsageError: It is not such a state.
        """
        if missing := {"monitor", "best_weights"} - set(state):
            raise UsageError(f"state must come from TorchMonitor.state_dict() but has no {min(missing)!r}.")
        self.monitor.load_state_dict(state["monitor"])
        if self._best is not None and state["best_weights"] is not None:
            self._best.load_state_dict(state["best_weights"])

    def close(self) -> None:
        """Take the hooks off and close the monitor; closing twice is fine."""
        self._closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._finish()
        finally:
            self.close()

    def _epochs(self, numbers: range) -> Iterator[int]:
        self._in_epochs = True
        self._read_facts()
        try:
            for epoch in numbers:
                self._open_epoch()
                yield epoch
                self._close_epoch(epoch)
                if self.should_stop:
                    break
        finally:
            self._in_epochs = False
            if self._logged and self.best_step is None:
                self._say("no finite validation value was logged, so nothing was judged: call model.eval() first.")
            self._finish()

    def _open_epoch(self) -> None:
        self.restored_step = None
        self._logged, self._counted = set(), {}
        # Read here because most schedulers are stepped at the end of the body.
        self._epoch_rate = self._learning_rate()
        if self._meter is not None:
            self._meter.forget()

    def _close_epoch(self, epoch: int) -> None:
        summaries = self._meter.take() if self._meter is not None else {}
        # Once the body has logged a validation value, what was seen since then belongs to nothing.
        if summaries and "val" not in self._logged:
            self._log(epoch, {}, summaries, None)
        if not self._logged and self._guard.on(PART):
            self._say(
                "no loss was seen in this epoch: pass criterion=... as the nn.Module that the loop calls, "
                "outside of torch.compile, or call log(step=epoch, train=..., val=...) in the loop."
            )
        self._read_facts(last=True)

    def _log(
        self,
        step: int,
        metrics: Mapping[Split, Mapping[str, Any] | None],
        summaries: Mapping[Split, LossSummary],
        rate: float | None,
    ) -> Diagnosis:
        train, val = (_merged(metrics.get(split), summaries.get(split)) for split in _SPLITS)
        if rate is None:
            rate = self._epoch_rate if self._in_epochs else self._learning_rate()
        self.restored_step = None
        self._logged.update(split for split, values in zip(_SPLITS, (train, val), strict=True) if values)
        diagnosis = self.monitor.log(step=step, train=train, val=val, learning_rate=rate)
        best = self._best
        if best is not None and val and self.best_step == step and self._guard.on(_WEIGHTS):
            with self._guard.protect(_WEIGHTS, still="the weights of the last step stay"):
                best.keep(step)
        if self._in_epochs:
            self._counted.update(summaries)
        else:
            self._read_facts(last=True)
        return diagnosis

    def _finish(self) -> None:
        if self._best is not None and (self.restored_step is None or self.restored_step != self.best_step):
            self.restore_best_weights()

    def _learning_rate(self) -> float | None:
        if self._optimizer is not None and self._guard.on(_RATE):
            with self._guard.protect(_RATE, still="everything is judged as before"):
                return float(self._optimizer.param_groups[0]["lr"])
        return None

    def _read_facts(self, *, last: bool = False) -> None:
        stopping = True if self._in_epochs and self._best is not None else None
        self._facts.read(self._counted, early_stopping=stopping, last=last)

    def _say(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            self._guard.warn(message)


def _unwrapped(model: nn.Module) -> nn.Module:
    """Return the model inside torch.compile and the data-parallel wrappers: its mode and names are the real ones."""
    while True:
        wrapped = isinstance(model, (nn.DataParallel, nn.parallel.DistributedDataParallel))
        inner = getattr(model, "module" if wrapped else "_orig_mod", None)
        if not isinstance(inner, nn.Module):
            return model
        model = inner


def _merged(metrics: Mapping[str, Any] | None, summary: LossSummary | None) -> dict[str, Any]:
    # Turning a tensor that requires a gradient into a number makes PyTorch warn.
    values = {name: v.detach() if isinstance(v, Tensor) else v for name, v in (metrics or {}).items()}
    return values if summary is None else {"loss": summary.mean} | values


def _close(closers: list[Callable[[], None]]) -> None:
    for close in closers:
        close()
