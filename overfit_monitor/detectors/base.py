"""The contract of a detector, on one screen."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Self

from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.state import Stateful
from overfit_monitor.stats.level import Levels


class Detector(Stateful, ABC):
    """Watches one phenomenon in a stream of signals.

    A detector is final, keeps all that changes in ``self.state`` (constant size),
    and decides from what it has seen, never from what comes after. It must pass
    `overfit_monitor.testing.detector_checks`, which run over the whole catalogue.
    """

    id: ClassVar[str]
    sees_all: ClassVar[bool] = False
    """Whether it is fed every evaluation also where several are judged as one, see `overfit_monitor.pooling`."""

    @classmethod
    def build(cls, levels: Levels) -> Self:  # noqa: ARG003
        """Return one for a run.

        Args:
            levels: Levels that detectors of the run look at together; one without an `extend` of its own gets its own.
        """
        return cls()

    @abstractmethod
    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once, to the very same state as one after another.

        Most evaluations change little, and to see that of many together costs a tenth. Whoever has such a short cut
        looks at the columns of the stretch, and judges the evaluations that matter by the code of `update`.
        """
        for signal in stretch:
            self.update(signal)

    @abstractmethod
    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return what is seen now, why nothing can be said yet, or None: looked, and not there.

        Args:
            facts: What is known beside the curves. They explain and qualify; they never change the state.
        """
