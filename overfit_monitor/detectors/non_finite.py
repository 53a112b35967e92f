"""NaN and infinity in the metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding
from overfit_monitor.signals import Signal, Stretch


@dataclass(slots=True)
class _State:
    first: int | None = None
    seen: int = 0
    in_a_row: int = 0


@final
class NonFinite(Detector):
    """Sees values that are not numbers: NaN or infinite, in train or validation.

    An error while they last, a warning once the curve has come back. Never wrong by chance.
    """

    id: ClassVar[str] = "non_finite"
    sees_all: ClassVar[bool] = True
    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if signal.finite and (signal.train is None or math.isfinite(signal.train)):
            self.state.in_a_row = 0
            return
        self.state.seen += 1
        self.state.in_a_row += 1
        if self.state.first is None:
            self.state.first = signal.step

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        self.state.in_a_row = 0

    def result(self, facts: Facts) -> Finding | None:
        """Return the finding as soon as one value was not finite."""
        state = self.state
        if state.first is None:
            return None
        last = "the latest is one of them" if state.in_a_row else "it has been finite again since"
        return Finding(
            id=self.id,
            severity="error" if state.in_a_row else "warning",
            message=f"{state.seen} evaluation(s) were NaN or infinite, the first at step {state.first}; {last}.",
            onset_step=state.first,
            alarm_step=state.first,
            evidence={"evaluations": state.seen, "in_a_row": state.in_a_row},
            speaks_for=(f"{state.seen} of the values logged were no numbers",),
            speaks_against=("a metric that is not defined, such as a mean over no examples, is NaN without any harm",),
            experiment="evaluate the last checkpoint whose value was finite, then run the next steps with "
            "`torch.autograd.set_detect_anomaly(True)` or `tf.debugging.enable_check_numerics()`: the first operation "
            "that gives no number is named.",
        )
