"""From evaluations to what detectors look at: oriented values, best so far, noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, final, overload

from overfit_monitor.deferred import Deferred
from overfit_monitor.history import Evaluation
from overfit_monitor.records import Membership, Mode, Sampling
from overfit_monitor.rows import Rows
from overfit_monitor.state import Stateful
from overfit_monitor.stats.noise import StepNoise

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
else:
    np = Deferred("numpy")

LARGEST = 1e150  # twice and squared, it is still a number
_NO_OTHERS: Mapping[str, Signal] = MappingProxyType({})


class Signal(NamedTuple):
    """One evaluation of one metric, oriented so that lower is better, with what is known of its curve so far.

    Attributes:
        step: Step of the evaluation.
        seen: Number of finite validation values so far, this one included.
        val: Validation value; may be NaN or infinite. Finite values beyond 1e150 are taken as 1e150.
        train: Latest train value; may be NaN or infinite; None without one.
        best: Lowest finite validation value so far, infinite before the first.
        best_step: Step of ``best``, None before the first.
        noise: Standard deviation of the validation curve around its trend, None while unknown.
        train_best: Lowest finite train value so far, infinite before the first.
        train_noise: As ``noise``, of the train curve.
        learning_rate: Learning rate in force, None where unknown.
        mode: Direction of the metric before it was oriented: ``max`` says that the values here are negated.
        sampling: What per-example validation losses tell, in the metric's own units; None where there were none.
        others: Signals of the other metrics with a validation value at this evaluation, by name.
        probe: Latest value of the train probe, oriented as ``train`` is; None before the first.
        probe_step: Step at which the probe was measured last, None before the first.
        learning_rates: Lowest and highest learning rate since the evaluation before, None where unknown.
        probe_sampling: What the probe's per-example losses tell at this evaluation, in the metric's own units.
        membership: Latest word on whether losses tell train from validation, None before the first.
        finite: Whether the validation value is a number to reckon with.
    """

    step: int
    seen: int
    val: float
    train: float | None
    best: float
    best_step: int | None
    noise: float | None
    train_best: float
    train_noise: float | None
    learning_rate: float | None
    mode: Mode = "min"
    sampling: Sampling | None = None
    others: Mapping[str, Signal] = MappingProxyType({})
    probe: float | None = None
    probe_step: int | None = None
    learning_rates: tuple[float, float] | None = None
    probe_sampling: Sampling | None = None
    membership: Membership | None = None
    finite: bool = True

    @property
    def like_for_like(self) -> float | None:
        """The train value to compare validation with: the probe's where there is one, the logged one otherwise."""
        return self.train if self.probe is None else self.probe

    @property
    def change_error(self) -> float | None:
        """Standard error of the paired change to the best evaluation, None without per-example losses."""
        return None if self.sampling is None else self.sampling.change_error

    @property
    def probed(self) -> bool:
        """Whether the probe was measured at this very evaluation."""
        return self.probe is not None and self.probe_step == self.step


@final
@dataclass(eq=False, slots=True)
class Stretch(Sequence[Signal]):
    """Consecutive signals as columns: each value a number, nothing told by examples, no probe so far.

    Attributes:
        steps: Steps of the evaluations.
        seen: Number of finite validation values before them.
        val: Validation values.
        train: Train values, None where there are none.
        best: Lowest validation value so far, after each.
        best_steps: Step of ``best``, after each.
        noise: Noise of the validation curve after each, None while unknown.
        train_best: Lowest train value so far, after each.
        train_noise: Noise of the train curve after each, None while unknown.
        rates: Learning rate in force at each, None where there is none at all.
        mode: Direction of the metric before it was oriented.
        others: The other metrics at the same evaluations, by name.
        missing: What a signal has for its train value where ``train`` is None.
    """

    steps: list[int]
    seen: int
    val: list[float]
    train: list[float] | None
    best: list[float]
    best_steps: list[int | None]
    noise: list[float | None]
    train_best: list[float]
    train_noise: list[float | None]
    rates: list[float | None] | None
    mode: Mode
    others: Mapping[str, Stretch]
    missing: float | None = None

    def __len__(self) -> int:
        return len(self.steps)

    @overload
    def __getitem__(self, index: int) -> Signal: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Signal]: ...
    def __getitem__(self, index: int | slice) -> Signal | Sequence[Signal]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(len(self)))]
        at = index if index >= 0 else index + len(self.steps)
        return Signal(
            self.steps[at],
            self.seen + at + 1,
            self.val[at],
            self.missing if self.train is None else self.train[at],
            self.best[at],
            self.best_steps[at],
            self.noise[at],
            self.train_best[at],
            self.train_noise[at],
            None if self.rates is None else self.rates[at],
            self.mode,
            None,
            {name: other[at] for name, other in self.others.items()} if self.others else _NO_OTHERS,
        )


@dataclass(slots=True)
class _State:
    count: int = 0
    best: float = math.inf
    best_step: int | None = None
    train_best: float = math.inf
    probe: float | None = None
    probe_step: int | None = None
    membership: dict[str, float] | None = None


class Signals(Stateful):
    """Turns the evaluations of one metric into signals, one at a time, in constant time and memory.

    Args:
        mode: ``max`` turns the values round, so that every detector sees "lower is better".
    """

    state: _State

    def __init__(self, *, mode: Mode = "min") -> None:
        self.mode = mode
        self._sign = -1.0 if mode == "max" else 1.0
        self.state = _State()
        self._val_noise = StepNoise()
        self._train_noise = StepNoise()

    def update(self, evaluation: Evaluation, others: Mapping[str, Signal] = MappingProxyType({})) -> Signal:
        """Take in the next evaluation. NaN and infinity never improve and never move the noise.

        Args:
            evaluation: Values in the metric's own units.
            others: Signals of the other metrics at the same evaluation, by name.
        """
        step, val, train, _, _, _, probe, _ = evaluation
        state = self.state
        val *= self._sign
        if not -LARGEST <= val <= LARGEST:
            val = _bounded(val)
        if math.isfinite(val):
            state.count += 1
            self._val_noise.update(val)
            if val < state.best:
                state.best, state.best_step = val, step
        if train is not None:
            train *= self._sign
            if not -LARGEST <= train <= LARGEST:
                train = _bounded(train)
            if math.isfinite(train):
                self._train_noise.update(train)
                state.train_best = min(state.train_best, train)
        if probe is not None:
            state.probe, state.probe_step = _bounded(self._sign * probe.value), step
            if probe.membership is not None:
                state.membership = probe.membership.model_dump()
        return self._signal(evaluation, val, train, others)

    @property
    def plain(self) -> bool:
        """Whether it can be extended: nothing was told by a probe so far, which later signals would hold as well."""
        return self.state.probe is None and self.state.membership is None

    def extend(self, rows: Rows, others: Mapping[str, Stretch] = MappingProxyType({})) -> Stretch:
        """Take in many evaluations at once, exactly as one after another would be; see `plain`.

        Args:
            rows: The evaluations, one at least, in the metric's own units and within `LARGEST`.
            others: The other metrics at the same evaluations, by name.
        """
        state, steps = self.state, rows.steps
        val = rows.val if self.mode == "min" else [self._sign * value for value in rows.val]
        seen, best_step = state.count, state.best_step
        best, bests = state.best, []
        best_steps: list[int | None] = []
        for step, value in zip(steps, val, strict=True):
            if value < best:
                best, best_step = value, step
            bests.append(best)
            best_steps.append(best_step)
        state.count, state.best, state.best_step = seen + len(val), best, best_step
        noise = self._val_noise.extend(val)
        if rows.train is None:
            train, train_best, train_noise = None, [state.train_best] * len(val), [self._train_noise.scale] * len(val)
        else:
            train = rows.train if self.mode == "min" else [self._sign * value for value in rows.train]
            train_best = list(accumulate(train, min, initial=state.train_best))[1:]
            train_noise = self._train_noise.extend(train)
            state.train_best = train_best[-1]
        return Stretch(
            steps,
            seen,
            val,
            train,
            bests,
            best_steps,
            noise,
            train_best,
            train_noise,
            rows.rates,
            self.mode,
            others,
            rows.missing,
        )

    def skip(self, steps: npt.NDArray[np.int64], val: Array, train: Array | None) -> None:
        """Take in many evaluations at once, exactly as one after another would be.

        Args:
            steps: Their steps.
            val: Values in the metric's own units, shape (n,).
            train: The same of train, NaN where there was none; None where there is none at all.
        """
        state = self.state
        oriented = _all_bounded(self._sign, val)
        finite = np.flatnonzero(np.isfinite(oriented))
        if len(finite):
            state.count += len(finite)
            values = oriented[finite]
            lowest = int(values.argmin())
            if values[lowest] < state.best:
                state.best, state.best_step = float(values[lowest]), int(steps[int(finite[lowest])])
            self._val_noise.skip(values)
        if train is not None:
            oriented = _all_bounded(self._sign, train)
            values = oriented[np.isfinite(oriented)]
            if len(values):
                state.train_best = min(state.train_best, float(values.min()))
                self._train_noise.skip(values)

    def current(self, evaluation: Evaluation, others: Mapping[str, Signal] = MappingProxyType({})) -> Signal:
        """Return the signal of the evaluation that was taken in last."""
        train = None if evaluation.train is None else _bounded(self._sign * evaluation.train)
        return self._signal(evaluation, _bounded(self._sign * evaluation.val), train, others)

    def _signal(self, evaluation: Evaluation, val: float, train: float | None, others: Mapping[str, Signal]) -> Signal:
        state = self.state
        return Signal(
            evaluation.step,
            state.count,
            val,
            train,
            state.best,
            state.best_step,
            self._val_noise.scale,
            state.train_best,
            self._train_noise.scale,
            evaluation.learning_rate,
            self.mode,
            evaluation.sampling,
            others,
            state.probe,
            state.probe_step,
            evaluation.learning_rates,
            None if evaluation.probe is None else evaluation.probe.sampling,
            None if state.membership is None else Membership(**state.membership),
            math.isfinite(val),
        )


def _bounded(value: float) -> float:
    if -LARGEST <= value <= LARGEST or not math.isfinite(value):
        return value
    return LARGEST if value > 0.0 else -LARGEST


def _all_bounded(sign: float, values: Array) -> Array:
    oriented = sign * values
    return np.where(np.isfinite(oriented), oriented.clip(-LARGEST, LARGEST), oriented)
