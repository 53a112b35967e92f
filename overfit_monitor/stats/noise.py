"""How much a curve moves from one evaluation to the next without going anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from operator import sub
from typing import TYPE_CHECKING, Any

from overfit_monitor.state import Stateful
from overfit_monitor.stats.order import Window

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

# For a Gaussian the median absolute step is 0.6745 * sqrt(2) standard deviations.
_MEDIAN_ABSOLUTE_STEP = 0.6744897501960817 * 2**0.5


@dataclass(slots=True)
class _State:
    last: float | None = None
    steps: list[float] = field(default_factory=list)


class StepNoise(Stateful):
    """Standard deviation of a curve around its trend, from its median absolute step.

    Robust to outliers (half of the steps may be wild) and, as long as the trend
    moves less per evaluation than the noise, to the trend. Autocorrelated noise
    makes it too small; the limits of the tests that use it are calibrated with
    autocorrelation in (``benchmarks/calibration.py``).

    Reference: Rousseeuw and Croux (1993), Alternatives to the Median Absolute
    Deviation, JASA 88, for the median as a scale; von Neumann (1941) for steps
    instead of deviations from a mean.

    Args:
        window: Number of latest steps the median is taken over.
        minimum: Number of steps below which the scale is unknown.

    Example:
        >>> noise = StepNoise()
        >>> for value in [1.0, 1.1, 1.0, 1.1, 1.0]:
        ...     noise.update(value)
        >>> round(noise.scale, 3)
        0.105
    """

    def __init__(self, *, window: int = 64, minimum: int = 4) -> None:
        self.window = window
        self.minimum = minimum
        self.state: _State = _State()
        self._steps = Window(self.state.steps, window)

    def update(self, value: float) -> None:
        """Take in the next finite value."""
        state = self.state
        if state.last is not None:
            self._steps.push(abs(value - state.last))
        state.last = value

    def extend(self, values: Sequence[float]) -> list[float | None]:
        """Take in finite values one after another, one at least, and return the scale after each."""
        state, few = self.state, len(self.state.steps)
        first = values[:1] if state.last is None else ()
        before = [*first, *values] if state.last is None else [state.last, *values]
        medians = self._steps.extend(list(map(abs, map(sub, values[len(first) :], before[len(first) :]))))
        state.last = values[-1]
        unknown = min(len(medians), max(0, self.minimum - 1 - few))
        scales: list[float | None] = [None] * (len(first) + unknown)
        scales += [median / _MEDIAN_ABSOLUTE_STEP for median in medians[unknown:]]
        return scales

    def skip(self, values: Array) -> None:
        """Take in many finite values at once, shape (n >= 1,); only the latest leave anything."""
        latest = values[-self.window - 1 :].tolist()
        if len(values) > len(latest):
            self.state.last = latest.pop(0)
        for value in latest:
            self.update(value)

    @property
    def scale(self) -> float | None:
        """Standard deviation in the units of the values, None while unknown."""
        if len(self.state.steps) < self.minimum:
            return None
        return self._steps.median / _MEDIAN_ABSOLUTE_STEP

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        super().load_state_dict(state)
        self._steps = Window(self.state.steps, self.window)
