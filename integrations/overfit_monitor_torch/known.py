"""Keeps the monitor's facts up to date: read once at the start, and a last time after the first epoch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from torch import nn

from overfit_monitor import Facts, Monitor
from overfit_monitor.advice.dropout import dropout_places
from overfit_monitor.guard import Guard
from overfit_monitor_torch.applying import Live
from overfit_monitor_torch.facts import read_facts
from overfit_monitor_torch.hooks import InputLook
from overfit_monitor_torch.losses import LossSummary, Split

PART = "facts"


@final
class FactReader:
    """Reads the facts of a training for a monitor that was given none.

    Args:
        monitor: Takes the facts; facts that it was given are left alone.
        model: The model that is trained.
        guard: Takes what goes wrong.
        optimizer: Its optimizer, None where unknown.
        criterion: The loss, None where unknown.
        train_data: Training data, None where unknown.
        val_data: Validation data, None where unknown.
    """

    def __init__(
        self,
        monitor: Monitor,
        model: nn.Module,
        guard: Guard,
        *,
        optimizer: Any,
        criterion: Callable[..., Any] | None,
        train_data: Any,
        val_data: Any,
    ) -> None:
        self._monitor = monitor
        self._model = model
        self._guard = guard
        self._known = {
            "optimizer": optimizer,
            "criterion": criterion,
            "train_data": train_data,
            "val_data": val_data,
        }
        self._wanted = monitor.facts == Facts()
        self._look = InputLook(model, guard) if self._wanted else None

    def read(self, counted: Mapping[Split, LossSummary], *, early_stopping: bool | None, last: bool = False) -> None:
        """Read the facts.

        Args:
            counted: What the hook saw of an epoch, for sizes that no data set tells.
            early_stopping: Whether this run is stopped and restored; None where unknown.
            last: Whether the model has run and an epoch was counted, so that nothing more can become known.
        """
        if not self._wanted or not self._guard.on(PART):
            return
        self._wanted = not last
        with self._guard.protect(PART, still="everything is judged as before"):
            seen = None if self._look is None else self._look.seen
            facts = read_facts(self._model, **self._known, early_stopping=early_stopping, counted=counted, seen=seen)
            self._monitor.know(facts)

    @property
    def live(self) -> Live:
        """What of the training can be changed."""
        facts = self._monitor.facts
        places = dropout_places(facts) if facts.layers else ()
        return Live(self._model, self._known["optimizer"], self._known["criterion"], places)

    def close(self) -> None:
        """Take the look at the input off; closing twice is fine."""
        if self._look is not None:
            self._look.close()
