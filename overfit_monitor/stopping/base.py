"""The contract of a stopping policy, on one screen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Self

from overfit_monitor.records import Mode, StopDecision
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.state import Stateful


class StoppingPolicy(Stateful, ABC):
    """Says at every evaluation whether training should stop there.

    A policy is final, keeps all that changes in ``self.state`` (constant size, plain values) and
    decides from what it has seen, never from what comes after. It is fed every evaluation up to its
    first decision and may be fed more. It must pass `overfit_monitor.testing.policy_checks`.

    Attributes:
        counts_evaluations: Whether the rule is a count, which begins at ``start_from_epoch`` and is fed every
            evaluation, however long the run.
        sees_all: Whether it must glance at every single evaluation, and not only at those that are no numbers.
    """

    counts_evaluations: bool = False
    sees_all: bool = False

    @abstractmethod
    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop.

        Args:
            signal: The evaluation, oriented so that lower is better.
            alarm: Whether the overfitting alarm stands at this evaluation.
        """

    def extend(self, stretch: Stretch, alarms: Sequence[bool]) -> StopDecision | None:
        """Take in many evaluations at once, up to the first decision, and return it; as one after another would.

        Args:
            stretch: The evaluations.
            alarms: Whether the overfitting alarm stands at each.
        """
        found = (self.update(signal, alarm=alarm) for signal, alarm in zip(stretch, alarms, strict=True))
        return next((decision for decision in found if decision is not None), None)

    def weigh(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in several evaluations as one, in a run that is too long to be judged one by one; as `update`."""
        return self.update(signal, alarm=alarm)

    def glance(self, signal: Signal) -> StopDecision | None:  # noqa: ARG002
        """Take in one of those evaluations and return a decision that does not wait for the others."""
        return None

    def go_on_from(self, earlier: Self) -> None:
        """Take over what an earlier policy of the same kind glanced at; nothing of what it weighed."""


def decision(rule: str, signal: Signal, *, value: float, limit: float, message: str) -> StopDecision:
    """Return the decision of a rule at this evaluation; which metric it was is known further up."""
    return StopDecision(rule=rule, step=signal.step, value=value, limit=limit, message=message)


def own_units(value: float, mode: Mode) -> float:
    """Return an oriented value as the metric itself has it."""
    return -value if mode == "max" else value
