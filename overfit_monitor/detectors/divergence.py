"""Training itself coming apart."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch

EVALUATIONS_IN_A_ROW = 3
NOISE_UNITS = 10.0


@dataclass(slots=True)
class _State:
    start: float | None = None
    in_a_row: int = 0
    onset_step: int | None = None
    alarm_step: int | None = None
    rise: float = 0.0
    judged: bool = False


@final
class Divergence(Detector):
    """Sees the train metric itself get worse and stay worse.

    Raised when the train metric has been, for three evaluations in a row, more
    than ten times its own noise above its best and has lost at least half of
    what it had gained since the start. Ends when train comes back below that.
    Wrong where the training data changes to something harder half-way.

    Both limits are conventions, not estimates: three evaluations keep single
    spikes out, half of the gain keeps learning-rate restarts out.
    """

    id: ClassVar[str] = "divergence"
    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        state = self.state
        if signal.train is None or not math.isfinite(signal.train):
            return
        if state.start is None:
            state.start = signal.train
        if signal.train_noise is None:
            return
        state.judged = True
        rise = signal.train - signal.train_best
        halfway = 0.5 * (state.start - signal.train_best)
        if rise > NOISE_UNITS * signal.train_noise and rise >= halfway and rise > 0.0:
            state.in_a_row += 1
            state.rise = rise
            if state.onset_step is None:
                state.onset_step = signal.step
            if state.in_a_row == EVALUATIONS_IN_A_ROW:
                state.alarm_step = signal.step
        else:
            state.in_a_row, state.onset_step, state.alarm_step, state.rise = 0, None, None, 0.0

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        state = self.state
        if stretch.train is None:
            return
        if state.start is None:
            state.start = stretch.train[0]
        columns = zip(stretch.train, stretch.train_best, stretch.train_noise, strict=True)
        for at, (train, best, noise) in enumerate(columns):
            if noise is not None and (state.in_a_row or train - best > NOISE_UNITS * noise):
                self.update(stretch[at])
        state.judged = state.judged or stretch.train_noise[-1] is not None

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while train stays up."""
        state = self.state
        if not state.judged:
            return NotJudged(id=self.id, reason="it needs at least 5 finite train values")
        if state.alarm_step is None:
            return None
        return Finding(
            id=self.id,
            severity="error",
            message=f"the train metric is {state.rise:.4g} worse than its best and has been since step "
            f"{state.onset_step}: training is coming apart, not overfitting.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={"train_rise": state.rise, "evaluations": state.in_a_row},
            speaks_for=(
                f"train has been worse than its best for {state.in_a_row} evaluations, by half of its gain or more",
            ),
            speaks_against=("harder training data from that step on would look the same",),
            experiment="go back to a checkpoint from before and train on with a third of the learning rate, or with "
            "the gradient norm clipped: a training that comes apart holds together then.",
        )
