"""The settings that wrap any rule: where it may begin, and what ends the run at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self, final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.state import NoState
from overfit_monitor.stopping.base import StoppingPolicy, decision, own_units


@final
class Conditions(StoppingPolicy):
    """Lets a rule decide from a step on, and stops at a threshold whatever the rule says.

    Args:
        policy: The rule.
        start_from_epoch: First step at which a decision may be taken. A rule that counts evaluations
            sees none before it, as in Keras; any other sees all and is not asked before it.
        stopping_threshold: Oriented value at which training stops as soon as the metric is as good, as in
            Lightning; None for none.
    """

    def __init__(
        self, policy: StoppingPolicy, *, start_from_epoch: int = 0, stopping_threshold: float | None = None
    ) -> None:
        self.policy = policy
        self.counts_evaluations = policy.counts_evaluations
        self.sees_all = policy.counts_evaluations or stopping_threshold is not None
        self.start_from_epoch = start_from_epoch
        self.stopping_threshold = stopping_threshold
        self.state = NoState()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop."""
        early = signal.step < self.start_from_epoch
        if early and self.policy.counts_evaluations:
            return None
        found = self.policy.update(signal, alarm=alarm)
        if early:
            return None
        return self._reached(signal) or found

    def extend(self, stretch: Stretch, alarms: Sequence[bool]) -> StopDecision | None:
        """Take in many evaluations at once, up to the first decision, and return it."""
        if self.stopping_threshold is None and stretch.steps[0] >= self.start_from_epoch:
            return self.policy.extend(stretch, alarms)
        return super().extend(stretch, alarms)

    def weigh(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in several evaluations as one."""
        found = self.policy.weigh(signal, alarm=alarm)
        return None if signal.step < self.start_from_epoch else found

    def glance(self, signal: Signal) -> StopDecision | None:
        """Take in one of those evaluations and return a decision that does not wait for the others."""
        found = self.policy.glance(signal)
        return None if signal.step < self.start_from_epoch else self._reached(signal) or found

    def go_on_from(self, earlier: Self) -> None:
        """Take over what an earlier policy glanced at."""
        self.policy.go_on_from(earlier.policy)

    def _reached(self, signal: Signal) -> StopDecision | None:
        threshold = self.stopping_threshold
        if threshold is None or not signal.finite or signal.val > threshold:
            return None
        value, limit = own_units(signal.val, signal.mode), own_units(threshold, signal.mode)
        return decision(
            "stopping_threshold",
            signal,
            value=value,
            limit=limit,
            message=f"validation reached {value:.4g}, and training was to stop at {limit:g}. "
            f"A value {'above' if signal.mode == 'min' else 'below'} that would have let it go on.",
        )
