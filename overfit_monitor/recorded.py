"""What was said while a run was live, as its own records hold it; a replay gives the verdict and none of this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import final

from overfit_monitor.example_tables import ExampleTables
from overfit_monitor.records import AppliedChange, Finding, StopDecision


class Alert(Finding):
    """A finding, and the step of the observation that raised it."""

    step: int


@final
@dataclass(frozen=True, slots=True)
class Recorded:
    """What was said live.

    Attributes:
        alerts: What was raised, oldest first.
        stop: The stopping decision, None where there was none.
        applied: The changes that were applied to the training.
        examples: Examples and classes behind the validation value at the latest alert, stop or end.
        times: When each step was logged, in seconds since 1970; empty where nobody knows.
    """

    alerts: tuple[Alert, ...] = ()
    stop: StopDecision | None = None
    applied: tuple[AppliedChange, ...] = ()
    examples: ExampleTables | None = None
    times: Mapping[int, float] = field(default_factory=dict)

    def rewind(self, step: int) -> Recorded:
        """Return what was said before ``step``: the run was taken up again there."""
        return replace(
            self,
            alerts=tuple(alert for alert in self.alerts if alert.step < step),
            stop=self.stop if self.stop is not None and self.stop.step < step else None,
            applied=tuple(change for change in self.applied if change.step is None or change.step < step),
        )

    def change(self, *applied: AppliedChange) -> Recorded:
        """Return the same with changes that were applied, or undone."""
        again = {(change.id, change.step) for change in applied}
        before = tuple(change for change in self.applied if (change.id, change.step) not in again)
        return replace(self, applied=(*before, *applied))
