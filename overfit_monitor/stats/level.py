"""Where a noisy curve stands, where it stood best, and how far it has risen since in units of its noise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

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

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> Track:
        """Take in finite values one after another, one at least, and return how it stood after each.

        Args:
            steps: Their steps.
            values: The values, as many.
        """
        state = self.state
        track = Track(self, values)
        level, best, points = state.level, state.best, track.points
        best_step, since, excess, onset = state.best_step, state.since, state.excess, state.onset_step
        for step, value, level in zip(steps, values, track.levels, strict=True):
            if level < best:
                best, best_step, since, excess, onset = level, step, 1, value - level, None
            else:
                since += 1
                excess += value - best
                if level <= best:
                    onset = None
                elif onset is None:
                    onset = step
            points.append((best, best_step, since, excess, onset))
        track.finish()
        last = track.at(len(values) - 1)
        self.state, self.best_before = last.state, last.best_before
        return track

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
class Track:
    """How a level stood after each of several values.

    Args:
        start: The level before them.
        values: The values.

    Attributes:
        levels: The level after each.
        bests: The lowest level so far after each.
        points: Lowest level, its step, values since it, their excess, and the onset after each.
        start: What the level was before.
    """

    __slots__ = ("_window", "bests", "levels", "points", "start", "values")

    def __init__(self, start: Level, values: Sequence[float]) -> None:
        self.start = start.state
        self.values = values
        recent = self.start.recent
        window = self._window = [*recent, *values]
        few = range(len(recent) + 1, min(WINDOW, len(window) + 1))
        levels = [_median(window[:end]) for end in few]
        # Five values are the common case, and this is called more often than anything else.
        first = max(0, len(recent) + 1 - WINDOW)
        fives = zip(*(window[first + at :] for at in range(WINDOW)), strict=False)
        levels += [sorted(five)[2] for five in fives]
        self.levels: list[float] = levels
        self.bests: list[float] = []
        self.points: list[tuple[float, int | None, int, float, int | None]] = []

    def finish(self) -> None:
        """Take in that the points are complete."""
        self.bests = [point[0] for point in self.points]

    def better(self) -> list[int]:
        """Return the places at which the level was a new best."""
        before = [self.start.best, *self.bests]
        return [at for at, (last, now) in enumerate(zip(before, self.bests, strict=False)) if now < last]

    def best_before(self, at: int) -> float:
        """Return the lowest level before the value at a place."""
        return self.bests[at - 1] if at else self.start.best

    def at(self, at: int) -> Level:
        """Return the level as it was after the value at a place."""
        best, best_step, since, excess, onset = self.points[at]
        end = len(self.start.recent) + at + 1
        recent = self._window[max(0, end - WINDOW) : end]
        found = Level()
        found.state = _State(self.start.seen + at + 1, recent, self.levels[at], best, best_step, since, excess, onset)
        found.best_before = self.best_before(at)
        return found


@final
class SharedLevel(Level):
    """A level that several follow, each of whom hands in every value: the first of them is enough.

    Args:
        twin: One that may have taken in the same values, so that what it made of them is taken over.
    """

    def __init__(self, twin: SharedLevel | None = None) -> None:
        super().__init__()
        self._step: int | None = None
        self._better = False
        self._twin = (twin,)  # not as an attribute of its own: it is no part of this one's state
        self._steps: Sequence[int] = ()
        self._track: Track | None = None

    def update(self, step: int, value: float) -> bool:
        """Take in the next finite value, once for all who follow it; steps must grow."""
        if step != self._step:
            self._step, self._better = step, super().update(step, value)
        return self._better

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> Track:
        """Take in finite values one after another, once for all who follow it and hand in the same steps."""
        if self._track is None or steps is not self._steps:
            twin = self._twin[0]
            track = None if twin is None or twin._steps is not steps else twin._track
            if track is not None and track.start == self.state and track.values is values:
                last = track.at(len(values) - 1)
                self.state, self.best_before = last.state, last.best_before
            else:
                track = super().extend(steps, values)
            self._steps, self._track = steps, track
            self._step, self._better = steps[-1], self.best < self.best_before
        return self._track

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        super().load_state_dict(state)
        self._step, self._steps, self._track = None, (), None


@final
class Levels:
    """The levels of a run that most detectors look at, so that each is reckoned once.

    Attributes:
        val: Of the finite validation values.
        val_of_both: Of those with a finite train value beside them.
        train_of_both: Of these train values.
    """

    def __init__(self) -> None:
        self.val, self.train_of_both = SharedLevel(), SharedLevel()
        self.val_of_both = SharedLevel(self.val)


def _median(values: list[float]) -> float:
    ordered = sorted(values)
    middle = len(ordered) // 2
    return ordered[middle] if len(ordered) % 2 else 0.5 * ordered[middle - 1] + 0.5 * ordered[middle]
