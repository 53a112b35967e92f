"""Where a noisy curve stands, where it stood best, and how far it has risen since in units of its noise."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import final

from overfit_monitor.state import Stateful

WINDOW = 5
MINIMUM = 8
SINCE_BEST = 4
# Standard deviation of the median of five Gaussian values, in units of theirs (exact value 0.5357).
MEDIAN_DEVIATION = 0.54
BOUNDARY = 4.0


@dataclass(slots=True)
class _State:
    seen: int = 0
    recent: list[float] = field(default_factory=list)
    level: float = math.inf
    best: float = math.inf
    best_step: int | None = None
    since: int = 0
    excess: float = 0.0
    onset_step: int | None = None


class Level(Stateful):
    """Follows the median of the last five values of a curve, and its lowest so far.

    Constant time and memory. Values must be finite and oriented so that lower is better.

    Attributes:
        level: Median of the last five values, infinite before the first.
        best: Lowest level so far.
        best_step: Step of the lowest level, None before the first.
        onset_step: Step since which the level has been above the best one, None while it is not.
        best_before: Lowest level before the latest value, infinite before the second.

    Example:
        >>> curve = Level()
        >>> for step, value in enumerate([3.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0]):
        ...     newest_is_best = curve.update(step, value)
        >>> curve.level, curve.best, curve.best_step, curve.rise
        (2.0, 1.0, 2, 1.0)
    """

    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self.best_before = math.inf

    @property
    def seen(self) -> int:
        """Number of values so far."""
        return self.state.seen

    @property
    def level(self) -> float:
        """Median of the last five values, infinite before the first."""
        return self.state.level

    @property
    def best(self) -> float:
        """Lowest level so far, infinite before the first value."""
        return self.state.best

    @property
    def best_step(self) -> int | None:
        """Step of the lowest level."""
        return self.state.best_step

    @property
    def onset_step(self) -> int | None:
        """Step since which the level has been above the best one, None while it is not."""
        return self.state.onset_step

    @property
    def rise(self) -> float:
        """How far the level is above the best one, 0 before the first value."""
        return self.state.level - self.state.best if self.state.seen else 0.0

    @property
    def relative(self) -> float:
        """The rise as a share of the best level's size; infinite above a best level of zero."""
        rise = self.rise
        if rise <= 0.0:
            return 0.0
        return rise / abs(self.state.best) if self.state.best else math.inf

    def update(self, step: int, value: float) -> bool:
        """Take in the next finite value and return whether its level is a new best."""
        state = self.state
        state.seen += 1
        recent = state.recent
        recent.append(value)
        if len(recent) > WINDOW:
            del recent[0]
        # Five values are the common case, and this is called more often than anything else.
        level = state.level = sorted(recent)[2] if len(recent) == WINDOW else _median(recent)
        best = self.best_before = state.best
        if level < best:
            state.best, state.best_step, state.since, state.excess = level, step, 1, value - level
            state.onset_step = None
            return True
        state.since += 1
        state.excess += value - best
        if level <= best:
            state.onset_step = None
        elif state.onset_step is None:
            state.onset_step = step
        return False

    def beyond(self, noise: float | None, *, margin: float = 2.0) -> bool:
        """Return whether the curve has on average been above its best level by more than its noise explains.

        With ``n`` values in all and ``k`` since the best level the limit is ``margin`` times
        ``0.54 sqrt(2 log n) + 4 / sqrt(k)`` standard deviations: what the lowest of ``n`` noisy levels
        lies too low by, and a boundary for a mean of ``k`` values that is looked at again and again
        (Robbins 1970, Annals of Mathematical Statistics 41). False below 8 values or 4 since the best.

        Args:
            noise: Standard deviation of the curve around its trend; None while unknown.
            margin: Factor for noise that is autocorrelated. With an AR(1) of 0.5 the median absolute step is
                1.4 times too small, and the mean of many values varies 1.7 times as much as of independent
                ones: 2.4 together, with 0.7 it is 4.3, with 0.9 it is 14. So 2 covers a correlation of 0.4, 3 one
                of 0.6; beyond that a detector rests on the size of the rise that it asks for.
        """
        state = self.state
        if noise is None or state.seen < MINIMUM or state.since < SINCE_BEST:
            return False
        floor = 1e-9 * max(abs(state.best), abs(state.level), 1e-300)
        limit = MEDIAN_DEVIATION * math.sqrt(2.0 * math.log(state.seen)) + BOUNDARY / math.sqrt(state.since)
        return state.excess / state.since > margin * limit * max(noise, floor)


@final
class SharedLevel(Level):
    """A level that several follow, each of whom hands in every value: the first of them is enough."""

    def __init__(self) -> None:
        super().__init__()
        self._step: int | None = None
        self._better = False

    def update(self, step: int, value: float) -> bool:
        """Take in the next finite value, once for all who follow it; steps must grow."""
        if step != self._step:
            self._step, self._better = step, super().update(step, value)
        return self._better


@final
class Levels:
    """The levels of a run that most detectors look at, so that each is reckoned once.

    Attributes:
        val: Of the finite validation values.
        val_of_both: Of those with a finite train value beside them.
        train_of_both: Of these train values.
    """

    def __init__(self) -> None:
        self.val, self.val_of_both, self.train_of_both = SharedLevel(), SharedLevel(), SharedLevel()


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * ordered[middle - 1] + 0.5 * ordered[middle]
