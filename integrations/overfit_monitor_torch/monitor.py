"""The monitor of a PyTorch loop: it judges, stops, and brings the best weights back."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, Self, final

from overfit_monitor import Diagnosis, Facts, Monitor, UsageError
from overfit_monitor.example_tables import ExampleTables
from overfit_monitor.guard import Guard
from overfit_monitor.live import Changes
from overfit_monitor.records import AppliedChange, Recommendation
from overfit_monitor_torch.applying import settings_of
from overfit_monitor_torch.distributed import Ranks
from overfit_monitor_torch.evaluation import SPLITS, evaluated, together
from overfit_monitor_torch.known import FactReader
from overfit_monitor_torch.losses import PART, LossSummary, Split
from overfit_monitor_torch.measuring import Measured, Measuring
from overfit_monitor_torch.weights import BestWeights

_WEIGHTS = "best weights"
_NOTHING_JUDGED = "no finite validation value was logged, so nothing was judged: call model.eval() first."
_APART = (
    "the ranks are apart, and the weights of this model (FullyShardedDataParallel) can be read and restored only by "
    "all of them at once: those of the last step stay."
)
_NO_LOSS = (
    "no loss was seen in this epoch: pass criterion=... as the nn.Module that the loop calls, outside of "
    "torch.compile, wrap a loss function in metered(...), or call log(step=epoch, train=..., val=...) in the loop."
)


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
        *,
        guard: Guard,
        measuring: Measuring,
        facts: FactReader,
        best: BestWeights | None,
        ranks: Ranks | None,
        owns_monitor: bool,
        auto_apply: Mapping[str, float] | None = None,
    ) -> None:
        self.monitor = monitor
        self.restored_step: int | None = None
        self._guard = guard
        self._measuring = measuring
        self._facts = facts
        self._best = best
        self._ranks = ranks
        self._in_epochs = False
        self._epoch: int | None = None
        self._resumed = False
        self._logged: set[Split] = set()
        self._counted: dict[Split, LossSummary] = {}
        self._changes = Changes(monitor, guard, lambda: settings_of(facts.live), auto_apply)
        self._read_facts()
        closers = [part.close for part in (ranks, measuring, facts, monitor if owns_monitor else None) if part]
        # Also runs when the program ends without close(): a sink may hold what it has not written yet.
        self._closer = weakref.finalize(self, _close, closers)

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis now, recommendations included."""
        return self.monitor.diagnosis

    @property
    def should_stop(self) -> bool:
        """Whether the stopping policy has decided to stop; of several processes no one stops alone."""
        return self.monitor.should_stop and not (self._ranks is not None and self._ranks.apart)

    @property
    def best_step(self) -> int | None:
        """Step of the best validation value, None without one."""
        return self.monitor.best_step

    @property
    def examples(self) -> ExampleTables:
        """The examples and classes behind the validation value."""
        return self.monitor.examples

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
        val_losses: Any = None,
        probe_losses: Any = None,
    ) -> Diagnosis:
        """Log the metrics of one step; keep a copy of the weights if they are the best so far.

        What the hooks and the probe measured since the last call is added where the caller passes nothing.

        Args:
            step: Index of the evaluation, usually the epoch.
            train: Train metrics by name: numbers or tensors with one element.
            val: Validation metrics by the same names.
            learning_rate: Learning rate in force; None reads it from the optimizer.
            val_losses: Per-example validation losses, the same examples in the same order each time, shape (n,).
            probe_losses: Per-example losses of a fixed part of the training set measured as validation is, shape (m,).

        Returns:
            The diagnosis after it.

        Raises:
            Exception: What went wrong in the monitor, with ``strict`` only.
        """
        given = {"learning_rate": learning_rate, "val_losses": val_losses, "probe_losses": probe_losses}
        measured = self._measuring.take(validated=bool(val) or val_losses is not None)
        return self._log(step, {"train": train, "val": val}, measured, given)

    def apply(self, recommendation: Recommendation) -> AppliedChange | None:
        """Apply a recommendation to the live model, optimizer and loss; see `overfit_monitor.live.Changes.apply`."""
        return self._changes.apply(recommendation)

    def undo(self, id: str) -> AppliedChange | None:
        """Put back what `apply` changed; see `overfit_monitor.live.Changes.undo`."""
        return self._changes.undo(id)

    def restore_best_weights(self) -> int | None:
        """Put the weights of the best step back into the model.

        Returns:
            The step whose weights are in the model now; None where they are those of the last step,
            because none were kept or they could not be put back.
        """
        best, step = self._best, self.best_step
        if best is None or step is None or not self._kept_together or not self._guard.on(_WEIGHTS):
            return self.restored_step
        if best.step != step:
            missing = f"the weights of the best step {step} were not kept here; those of the last step stay."
            self._guard.say(missing, missing)
            return self.restored_step
        with self._guard.protect(_WEIGHTS, still="the weights of the last step stay"):
            best.restore()
            self.restored_step = step
        return self.restored_step

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides and the best weights, to be saved in a checkpoint."""
        best = None if self._best is None else self._best.state_dict()
        return {
            "monitor": self.monitor.state_dict(),
            "best_weights": best,
            "measuring": self._measuring.state_dict(),
            "epoch": self._epoch,
            "logged": sorted(self._logged),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, with the model as it was then.

        An epoch that was open when the state was saved goes on where `epochs` starts with its number, with what was
        seen of it so far; where it starts with a later one, that epoch is closed first. With several processes
        every rank saves and loads its own state.

        Raises:
            UsageError: It is not such a state.
        """
        if missing := {"monitor", "best_weights"} - set(state):
            raise UsageError(f"state must come from TorchMonitor.state_dict() but has no {min(missing)!r}.")
        self.monitor.load_state_dict(state["monitor"])
        if self._best is not None and state["best_weights"] is not None:
            self._best.load_state_dict(state["best_weights"])
        self._measuring.load_state_dict(state.get("measuring") or {})
        self._epoch, self._resumed = state.get("epoch"), True
        self._logged = set(state.get("logged", ()))

    def close(self) -> None:
        """Take the hooks off and close the monitor; closing twice is fine."""
        self._closer()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._ranks is not None:
            self._ranks.leave("" if error is None else f"{type(error).__name__}: {error}")
        try:
            self._finish()
        finally:
            self.close()

    def _epochs(self, numbers: range) -> Iterator[int]:
        self._in_epochs = True
        self._read_facts()
        try:
            if self._resumed and self._epoch is not None and self._epoch < numbers.start:
                self._close_epoch(self._epoch)
                if self.should_stop:
                    return
            for epoch in numbers:
                self._open_epoch(epoch)
                yield epoch
                self._close_epoch(epoch)
                if self.should_stop:
                    break
        finally:
            self._in_epochs = False
            self._epoch = None
            self._measuring.end()
            if self._ranks is not None and isinstance(sys.exception(), GeneratorExit):
                self._ranks.leave("its loop was left half-way")
            if self._logged and self.best_step is None:
                self._guard.say("best step", _NOTHING_JUDGED)
            self._finish()

    def _open_epoch(self, epoch: int) -> None:
        resumed = self._resumed and epoch == self._epoch
        self._resumed, self._epoch = False, epoch
        self.restored_step = None
        self._counted = {}
        if not resumed:
            self._logged = set()
        self._measuring.begin(resumed=resumed)

    def _close_epoch(self, epoch: int) -> None:
        measured = self._measuring.take(validated=False)
        expected = self._ranks is not None and not self._ranks.apart
        # Once the body has logged a validation value, what was seen since then belongs to nothing.
        if (measured.summaries or expected) and "val" not in self._logged:
            self._log(epoch, {}, measured, {})
        self._epoch = None
        if not self._logged and self._guard.on(PART):
            self._guard.say("no loss", _NO_LOSS)
        self._read_facts(last=True)

    def _log(
        self,
        step: int,
        metrics: Mapping[Split, Mapping[str, Any] | None],
        measured: Measured,
        given: Mapping[str, Any],
    ) -> Diagnosis:
        evaluation = evaluated(step, metrics, measured, given)
        if self._ranks is not None and not self._ranks.apart:
            evaluation = together(evaluation, measured, self._ranks, self.monitor)
        self.restored_step = None
        self._logged.update(split for split in SPLITS if getattr(evaluation, split))
        diagnosis = self.monitor.log(**evaluation._asdict())
        if evaluation.validated:
            self._keep(evaluation.step)
        self._changes.automatic(diagnosis)
        if self._in_epochs:
            self._counted.update(measured.summaries)
        else:
            self._read_facts(last=True)
        return diagnosis

    def _keep(self, step: int) -> None:
        if self._kept_together and self._best is not None and self.best_step == step and self._guard.on(_WEIGHTS):
            with self._guard.protect(_WEIGHTS, still="the weights of the last step stay"):
                self._best.keep(step)

    @property
    def _kept_together(self) -> bool:
        """Whether the copy can be made: of some models only by all ranks at once, which they may no longer do."""
        apart = self._ranks is not None and self._ranks.apart
        if apart and self._best is not None and self._best.collective:
            self._guard.say(_WEIGHTS, _APART)
            return False
        return True

    def _finish(self) -> None:
        if self._best is not None and (self.restored_step is None or self.restored_step != self.best_step):
            self.restore_best_weights()

    def _read_facts(self, *, last: bool = False) -> None:
        stopping = True if self._best is not None else None  # it is put back at the end of either kind of loop
        self._facts.read(self._counted, early_stopping=stopping, last=last)


def _close(closers: list[Callable[[], None]]) -> None:
    for close in closers:
        close()
