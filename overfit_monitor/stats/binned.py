"""A curve of any length in bounded memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from overfit_monitor.state import Stateful

MOST_BINS = 256


@dataclass(slots=True)
class _State:
    per_bin: int = 1
    values: list[float] = field(default_factory=list)
    last_steps: list[int] = field(default_factory=list)
    open_sum: float = 0.0
    open_count: int = 0


class BinnedCurve(Stateful):
    """The values seen so far, as means of equally many neighbours.

    Up to 256 values each is a bin of its own; then neighbours are merged two by two, so that a bin
    never holds more than a hundredth of the curve. What a bin holds depends on nothing after it.

    Example:
        >>> curve = BinnedCurve()
        >>> for step in range(512):
        ...     closed = curve.update(step, float(step))
        >>> curve.state.per_bin, len(curve.values), curve.step_of(0)
        (4, 128, 3)
    """

    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, step: int, value: float) -> bool:
        """Take in the next finite value and return whether it closed a bin."""
        state = self.state
        state.open_sum += value
        state.open_count += 1
        if state.open_count < state.per_bin:
            return False
        state.values.append(state.open_sum / state.per_bin)
        state.last_steps.append(step)
        state.open_sum, state.open_count = 0.0, 0
        if len(state.values) == MOST_BINS:
            pairs = zip(state.values[::2], state.values[1::2], strict=True)
            state.values = [0.5 * (first + second) for first, second in pairs]
            state.last_steps = state.last_steps[1::2]
            state.per_bin *= 2
        return True

    @property
    def room(self) -> int:
        """Number of values that can be taken in before the one that merges bins."""
        state = self.state
        return (MOST_BINS - len(state.values)) * state.per_bin - state.open_count - 1

    def extend(self, steps: Sequence[int], values: Sequence[float]) -> None:
        """Take in values one after another."""
        done = 0
        while done < len(values):
            end = done + self.room
            self._fill(steps[done:end], values[done:end])
            if end < len(values):
                self.update(steps[end], values[end])
            done = end + 1

    def closing(self, n: int) -> range:
        """Return which of the next values, not more than there is `room` for, close a bin, by their place."""
        return range(self.state.per_bin - self.state.open_count - 1, n, self.state.per_bin)

    def _fill(self, steps: Sequence[int], values: Sequence[float]) -> None:
        state = self.state
        state.last_steps += [steps[at] for at in self.closing(len(values))]
        if state.per_bin == 1:
            state.values += [0.0 + value for value in values]  # as sums are made: there is no negative zero
            return
        total, count = state.open_sum, state.open_count
        for value in values:
            total += value
            count += 1
            if count == state.per_bin:
                state.values.append(total / count)
                total, count = 0.0, 0
        state.open_sum, state.open_count = total, count

    @property
    def values(self) -> list[float]:
        """Means of the closed bins, oldest first; the list is appended to, and replaced when bins are merged."""
        return self.state.values

    def step_of(self, bin: int) -> int:
        """Return the last step of a closed bin."""
        return self.state.last_steps[bin]
