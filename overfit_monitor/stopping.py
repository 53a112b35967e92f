"""When to stop, and which step to keep.

The step to keep is that of the lowest finite validation value. When to stop is
a policy of its own; both see nothing but signals.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

from overfit_monitor.config import MonitorConfig
from overfit_monitor.records import Mode, StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.state import Stateful

NON_FINITE_IN_A_ROW = 3
SLACK = 0.5
LIMIT = 20.0
LIMIT_WITHOUT_ALARM = 120.0
LARGEST_STEP = 20.0


class StoppingPolicy(Stateful, ABC):
    """Says at every evaluation whether training should stop there."""

    @abstractmethod
    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop.

        Args:
            signal: The evaluation.
            alarm: Whether the overfitting alarm stands at this evaluation.
        """


@dataclass(slots=True)
class _EvidenceState:
    statistic: float = 0.0
    non_finite: int = 0


@final
class EvidenceStopping(StoppingPolicy):
    """Stops when what has passed without a new best is more than noise would explain.

    A one-sided cumulative sum of ``(val - best) / noise - 0.5`` (Page 1954, Biometrika 41),
    each term at most 20, that starts anew at every new best. It stops beyond 20 while the
    overfitting alarm stands and beyond 120 without it (``docs/decisions/0005-stop-on-evidence.md``
    has the figures beside patience). Three evaluations in a row that are NaN or infinite
    stop as well.
    """

    state: _EvidenceState

    def __init__(self) -> None:
        self.state = _EvidenceState()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop."""
        state = self.state
        if not signal.finite:
            state.non_finite += 1
            return self._came_apart(signal) if state.non_finite >= NON_FINITE_IN_A_ROW else None
        state.non_finite = 0
        if signal.val <= signal.best or signal.noise is None:
            state.statistic = 0.0
            return None
        above = (signal.val - signal.best) / max(signal.noise, 1e-9 * abs(signal.best), 1e-12)
        state.statistic = max(0.0, state.statistic + min(above, LARGEST_STEP) - SLACK)
        limit = LIMIT if alarm else LIMIT_WITHOUT_ALARM
        if state.statistic <= limit:
            return None
        return StopDecision(
            rule="evidence",
            step=signal.step,
            value=state.statistic,
            message=f"validation has not come back to its best at step {signal.best_step}: the evidence against "
            f"further training is {state.statistic:.3g}, above the limit {limit:.3g}. A new best would have "
            "started the count anew.",
        )

    def _came_apart(self, signal: Signal) -> StopDecision:
        return StopDecision(
            rule="non_finite",
            step=signal.step,
            value=float(self.state.non_finite),
            message=f"{self.state.non_finite} evaluations in a row were NaN or infinite. "
            "One finite value would have started the count anew.",
        )


@dataclass(slots=True)
class _PatienceState:
    best: float = math.inf
    wait: int = 0


@final
class PatienceStopping(StoppingPolicy):
    """Stops after ``patience`` evaluations without improvement, as ``keras.callbacks.EarlyStopping``.

    Args:
        patience: Evaluations without improvement to allow, at least 0.
        min_delta: An improvement counts only if larger than this, at least 0.
        baseline: Oriented value to beat before an improvement resets the count, None for none.
    """

    state: _PatienceState

    def __init__(self, *, patience: int, min_delta: float = 0.0, baseline: float | None = None) -> None:
        self.patience = patience
        self.min_delta = min_delta
        self.baseline = baseline
        self.state = _PatienceState()

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
        return StopDecision(
            rule="patience",
            step=signal.step,
            value=float(state.wait),
            message=f"no improvement by more than {self.min_delta:g} in {state.wait} evaluations (patience "
            f"{self.patience}). An improvement in any of them would have started the count anew.",
        )


def build_policy(config: MonitorConfig, mode: Mode) -> StoppingPolicy:
    """Return the policy that the settings ask for."""
    if config.patience is None:
        return EvidenceStopping()
    baseline = config.baseline if config.baseline is None or mode == "min" else -config.baseline
    return PatienceStopping(patience=config.patience, min_delta=config.min_delta, baseline=baseline)
