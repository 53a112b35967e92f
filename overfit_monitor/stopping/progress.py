"""What a run still gains: scale-free figures about a curve so far, from one evaluation to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

from overfit_monitor.signals import Signal
from overfit_monitor.state import Stateful

_RECENT, _EARLIER, _LATEST = 8.0, 3.0, 24.0
_TINY = 1e-12
_NO_RATE = 0.0, 0.0
FIGURES = ("above", "wait", "gain", "level", "turn", "fall", "train", "rate_to_fall", "rate_fallen")
SLACK = 1.0
LARGEST_STEP = 2.0


@dataclass(slots=True)
class _State:
    count: int = 0
    at_best: int = 0
    first: float = 0.0
    level: float = 0.0
    latest: float = 0.0
    best_before: float = 0.0
    above: float = 0.0
    train_count: int = 0
    train_level: float = 0.0
    train_before: float = 0.0
    rate: float | None = None
    peak: float = 0.0
    falling: float = 0.0


class Progress(Stateful):
    """Follows one run and says, in figures without units, what speaks for and against going on.

    Averages remember a share of the run instead of a number of evaluations: with ``memory`` m the
    weight of the evaluation at ``s`` of ``t`` is about ``(s / t) ** m`` (polynomial-decay averaging,
    Shamir and Zhang 2013, Stochastic Gradient Descent for Non-smooth Optimization). So a run of 30
    epochs and one of 3,000 are looked at alike.
    """

    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> dict[str, float] | None:
        """Take in the next evaluation and return the figures, None where there is no noise scale yet.

        Args:
            signal: The evaluation; a value that is not finite changes nothing.

        Returns:
            Finite figures by name:

            - ``above``: log of a one-sided cumulative sum of ``(val - best) / noise - 1``, each term at most 1,
              that starts anew at every new best (Page 1954, Biometrika 41);
            - ``wait``: log of the evaluations since the best;
            - ``gain``: log of what the best gained over the latter part of the run, relative to it;
            - ``level``: log of the recent level of validation above the best, in units of noise;
            - ``turn``: how far the latest values are above that level (below, if negative), in units of noise;
            - ``fall``: log of the whole fall of validation since the first value, in units of noise;
            - ``train``: log of what train still gains against the gap between validation and train;
            - ``rate_to_fall``: share of the peak learning rate that a smoothly falling schedule still has to go;
            - ``rate_fallen``: log of how far the learning rate has fallen from its peak, at most 5.
        """
        self.follow(signal)
        return self.figures(signal)

    def follow(self, signal: Signal) -> None:
        """Take in the next evaluation without asking for the figures; as `update`."""
        if signal.finite:
            self.take(signal.val, signal.best, signal.noise, newest=signal.best_step == signal.step)
            if signal.train is not None and math.isfinite(signal.train):
                self.take_train(signal.train)
            self.take_rate(signal.learning_rate)

    def figures(self, signal: Signal) -> dict[str, float] | None:
        """Return the figures of the evaluation that was taken in last; as `update`."""
        if signal.noise is None or not signal.finite:
            return None
        return dict(zip(FIGURES, self.reckon(signal.best, signal.noise), strict=True))

    def take(self, val: float, best: float, noise: float | None, *, newest: bool) -> None:
        """Take in the next validation value; `take_train` and `take_rate` come after it.

        Args:
            val: Validation value, a finite one.
            best: Lowest validation value so far.
            noise: Noise of the curve, None while unknown.
            newest: Whether the lowest is this one.
        """
        state = self.state
        count = state.count = state.count + 1
        if count == 1:
            state.first = state.level = state.latest = state.best_before = val
        state.level += (_RECENT + 1.0) / (count + _RECENT) * (val - state.level)
        state.latest += (_LATEST + 1.0) / (count + _LATEST) * (val - state.latest)
        state.best_before += 3.0 / (count + 2.0) * (best - state.best_before)
        if newest:
            state.at_best = count
        if val <= best or noise is None:
            state.above = 0.0
        else:
            step = (val - best) / _noise(noise, best)
            above = state.above + (step if step < LARGEST_STEP else LARGEST_STEP) - SLACK
            state.above = above if above > 0.0 else 0.0

    def take_train(self, train: float) -> None:
        """Take in the finite train value that came with a validation value."""
        state = self.state
        count = state.train_count = state.train_count + 1
        if count == 1:
            state.train_level = state.train_before = train
        state.train_level += (_RECENT + 1.0) / (count + _RECENT) * (train - state.train_level)
        state.train_before += (_EARLIER + 1.0) / (count + _EARLIER) * (train - state.train_before)

    def take_rate(self, rate: float | None) -> None:
        """Take in the learning rate that came with a validation value, None where unknown."""
        if rate is None or not math.isfinite(rate):
            return
        state = self.state
        fell = state.rate is not None and rate < state.rate
        state.falling += 3.0 / (state.count + 2.0) * (float(fell) - state.falling)
        state.rate, state.peak = rate, max(state.peak, rate)

    @property
    def waited(self) -> int:
        """Finite evaluations since the best."""
        return self.state.count - self.state.at_best

    def summary(self, signal: Signal) -> tuple[float, float]:
        """Return the recent level above the best in units of noise, and the best's late relative gain."""
        best = signal.best
        return self._level(best, _noise(signal.noise, best)), self._gain(best, self._scale(best))

    def reckon(self, best: float, noise: float) -> tuple[float, ...]:
        """Return the figures after the evaluation that was taken in last, in the order of `FIGURES`.

        Args:
            best: Lowest validation value so far.
            noise: Noise of the curve.
        """
        state, noise, scale = self.state, _noise(noise, best), self._scale(best)
        level, log, log1p = state.level, math.log, math.log1p  # this is called more often than anything else
        gain, learned, gap = state.best_before - best, state.train_before - state.train_level, level - state.train_level
        learned = learned if learned > 0.0 else 0.0
        return (
            log1p(state.above),
            log1p(state.count - state.at_best),
            log((gain if gain > 0.0 else 0.0) / scale + 1e-3),
            log1p(min((level - best) / noise, 1e9)) if level > best else 0.0,
            max(-5.0, min(5.0, (state.latest - level) / noise)),
            log(min((state.first - best) / noise, 1e9) + 0.1),
            log(learned / ((gap if gap > 0.0 else 0.0) + 0.05 * scale + learned) + 0.01) if state.train_count else 0.0,
            *(self._of_rate() if state.peak > 0.0 else _NO_RATE),
        )

    def _of_rate(self) -> tuple[float, float]:
        state = self.state
        if state.rate is None:
            return _NO_RATE
        share = min(1.0, max(state.rate / state.peak, math.exp(-5.0)))
        return state.falling * share, -math.log(share)

    def _gain(self, best: float, scale: float) -> float:
        return max(0.0, self.state.best_before - best) / scale

    def _level(self, best: float, noise: float) -> float:
        return min(max(0.0, self.state.level - best) / noise, 1e9)

    def _scale(self, best: float) -> float:
        return max(abs(best), 0.01 * (self.state.first - best), _TINY)


def _noise(noise: float | None, best: float) -> float:
    return max(noise or 0.0, 1e-9 * abs(best), _TINY)
