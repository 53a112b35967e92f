"""How long validation has been better than train."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from overfit_monitor.state import Stateful
from overfit_monitor.stats.level import Levels


@dataclass(slots=True)
class _State:
    in_a_row: int = 0
    noise: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None


class Lead(Stateful):
    """Counts the evaluations in a row at which the level of validation is better than that of train.

    Args:
        share: Lead that counts, as a share of the level of train.
        noise_units: Lead that counts, in standard deviations of the noise of validation; both are asked for.
        in_a_row: Evaluations after which it is told.
        levels: Levels that others follow as well, None for its own.

    Example:
        >>> lead = Lead(share=0.0, noise_units=2.0, in_a_row=3)
        >>> for step in range(4):
        ...     lead.update(step, val=0.5, train=1.0, noise=0.1)
        >>> lead.lead, lead.state.onset_step, lead.state.alarm_step
        (0.5, 0, 2)
    """

    state: _State

    def __init__(self, *, share: float, noise_units: float, in_a_row: int, levels: Levels | None = None) -> None:
        self.share = share
        self.noise_units = noise_units
        self.in_a_row = in_a_row
        self.state = _State()
        levels = levels or Levels()
        self._val = levels.val_of_both
        self._train = levels.train_of_both

    @property
    def seen(self) -> int:
        """Number of evaluations with both splits."""
        return self._train.seen

    @property
    def lead(self) -> float:
        """Level of train minus that of validation."""
        return self._train.level - self._val.level

    @property
    def relative(self) -> float:
        """The lead as a share of the level of train, infinite at a level of zero."""
        return self.lead / abs(self._train.level) if self._train.level else math.inf

    def update(self, step: int, *, val: float, train: float | None, noise: float | None) -> None:
        """Take in the next evaluation; one without finite values of both splits does not count."""
        if train is None or not (math.isfinite(val) and math.isfinite(train)):
            return
        self._val.update(step, val)
        self._train.update(step, train)
        self._count([step], [self._val.level], [self._train.level], [noise])

    def extend(
        self, steps: Sequence[int], *, val: Sequence[float], train: Sequence[float], noise: Sequence[float | None]
    ) -> None:
        """Take in many evaluations at once, with finite values of both splits."""
        val_levels, train_levels = self._val.extend(steps, val).levels, self._train.extend(steps, train).levels
        self._count(steps, val_levels, train_levels, noise)

    def _count(
        self, steps: Sequence[int], val: Sequence[float], train: Sequence[float], noises: Sequence[float | None]
    ) -> None:
        state = self.state
        for step, level, trained, noise in zip(steps, val, train, noises, strict=True):
            lead = trained - level
            if lead <= 0.0 or noise is None or not lead > max(self.share * abs(trained), self.noise_units * noise):
                if state.in_a_row:
                    state.in_a_row, state.onset_step, state.alarm_step = 0, None, None
                continue
            state.in_a_row += 1
            state.onset_step = step if state.onset_step is None else state.onset_step
            if state.in_a_row == self.in_a_row:
                state.alarm_step = step
        state.noise = noises[-1]
