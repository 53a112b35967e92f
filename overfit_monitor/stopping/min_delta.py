"""Improvements too small to count, for any rule that goes by the best value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self, final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy


@dataclass(slots=True)
class _State:
    best: float = math.inf
    best_step: int | None = None


@final
class MinDelta(StoppingPolicy):
    """Shows a rule a new best only where it is better than the last one by more than ``min_delta``.

    A value between the two is shown as the old best, so that a crawl looks like a standstill.

    Args:
        policy: The rule.
        min_delta: Smallest change that counts, in the metric's units, at least 0.
    """

    state: _State

    def __init__(self, policy: StoppingPolicy, *, min_delta: float) -> None:
        self.policy = policy
        self.min_delta = min_delta
        self.state = _State()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop."""
        return self.policy.update(self._shown(signal), alarm=alarm)

    def weigh(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in several evaluations as one."""
        return self.policy.weigh(self._shown(signal), alarm=alarm)

    def glance(self, signal: Signal) -> StopDecision | None:
        """Take in one of those evaluations and return a decision that does not wait for the others."""
        return self.policy.glance(signal)

    def go_on_from(self, earlier: Self) -> None:
        """Take over what an earlier policy glanced at."""
        self.policy.go_on_from(earlier.policy)

    def _shown(self, signal: Signal) -> Signal:
        state = self.state
        if signal.finite and signal.val < state.best - self.min_delta:
            state.best, state.best_step = signal.val, signal.step
        shown = max(signal.val, state.best) if signal.finite else signal.val
        return signal._replace(val=shown, best=state.best, best_step=state.best_step)
