"""A count of evaluations without improvement."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy, decision


@dataclass(slots=True)
class _State:
    best: float = math.inf
    wait: int = 0


@final
class PatienceStopping(StoppingPolicy):
    """Stops after ``patience`` evaluations without improvement, as ``keras.callbacks.EarlyStopping``.

    Args:
        patience: Evaluations without improvement to allow, at least 0.
        min_delta: An improvement counts only if larger than this, in the metric's units, at least 0.
        baseline: Oriented value to beat before an improvement starts the count anew, None for none.
    """

    counts_evaluations = True
    state: _State

    def __init__(self, *, patience: int, min_delta: float = 0.0, baseline: float | None = None) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.baseline = baseline
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:  # noqa: ARG002
        """Take in the next evaluation and return the decision if it is to stop."""
        state = self.state
        state.wait += 1
        if signal.finite and signal.val < state.best - self.min_delta:
            state.best = signal.val
            if self.baseline is None or signal.val < self.baseline - self.min_delta:
                state.wait = 0
            return None
        first = state.wait == 1 and math.isinf(state.best)
        if first or state.wait < self.patience:
            return None
        return decision(
            "patience",
            signal,
            value=float(state.wait),
            limit=float(self.patience),
            message=f"no improvement by more than {self.min_delta:g} in {state.wait} evaluations (patience "
            f"{self.patience}). An improvement in any of them would have started the count anew.",
        )
