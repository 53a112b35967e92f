"""What a run still gains: scale-free figures about a curve so far, from one evaluation to the next."""

from __future__ import annotations

import math
from dataclasses import dataclass

from overfit_monitor.signals import Signal
from overfit_monitor.state import Stateful

_RECENT, _EARLIER, _LATEST = 8.0, 3.0, 24.0
_TINY = 1e-12
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
            self._follow_val(signal)
            self._follow_train(signal.train)
            self._follow_rate(signal.learning_rate)

    def figures(self, signal: Signal) -> dict[str, float] | None:
        """Return the figures of the evaluation that was taken in last; as `update`."""
        if signal.noise is None or not signal.finite:
            return None
        noise, scale = _noise(signal), self._scale(signal)
        figures = self._of_val(signal, noise, scale)
        figures["train"] = self._of_train(scale)
        figures["rate_to_fall"], figures["rate_fallen"] = self._of_rate()
        return figures

    @property
    def waited(self) -> int:
        """Finite evaluations since the best."""
        return self.state.count - self.state.at_best

    def summary(self, signal: Signal) -> tuple[float, float]:
        """Return the recent level above the best in units of noise, and the best's late relative gain."""
        return self._level(signal, _noise(signal)), self._gain(signal, self._scale(signal))

    def _follow_val(self, signal: Signal) -> None:
        state = self.state
        state.count += 1
        if state.count == 1:
            state.first = state.level = state.latest = state.best_before = signal.val
        state.level = _average(state.level, signal.val, state.count, _RECENT)
        state.latest = _average(state.latest, signal.val, state.count, _LATEST)
        state.best_before = _average(state.best_before, signal.best, state.count, 2.0)
        if signal.best_step == signal.step:
            state.at_best = state.count
        if signal.val <= signal.best or signal.noise is None:
            state.above = 0.0
            return
        above = (signal.val - signal.best) / _noise(signal)
        state.above = max(0.0, state.above + min(above, LARGEST_STEP) - SLACK)

    def _follow_train(self, train: float | None) -> None:
        if train is None or not math.isfinite(train):
            return
        state = self.state
        state.train_count += 1
        if state.train_count == 1:
            state.train_level = state.train_before = train
        state.train_level = _average(state.train_level, train, state.train_count, _RECENT)
        state.train_before = _average(state.train_before, train, state.train_count, _EARLIER)

    def _follow_rate(self, rate: float | None) -> None:
        if rate is None or not math.isfinite(rate):
            return
        state = self.state
        fell = state.rate is not None and rate < state.rate
        state.falling = _average(state.falling, float(fell), state.count, 2.0)
        state.rate, state.peak = rate, max(state.peak, rate)

    def _of_val(self, signal: Signal, noise: float, scale: float) -> dict[str, float]:
        state = self.state
        return {
            "above": math.log1p(state.above),
            "wait": math.log1p(self.waited),
            "gain": math.log(self._gain(signal, scale) + 1e-3),
            "level": math.log1p(self._level(signal, noise)),
            "turn": max(-5.0, min(5.0, (state.latest - state.level) / noise)),
            "fall": math.log(min((state.first - signal.best) / noise, 1e9) + 0.1),
        }

    def _of_train(self, scale: float) -> float:
        state = self.state
        if not state.train_count:
            return 0.0
        gain = max(0.0, state.train_before - state.train_level)
        gap = max(0.0, state.level - state.train_level)
        return math.log(gain / (gap + 0.05 * scale + gain) + 0.01)

    def _of_rate(self) -> tuple[float, float]:
        state = self.state
        if state.rate is None or state.peak <= 0.0:
            return 0.0, 0.0
        share = min(1.0, max(state.rate / state.peak, math.exp(-5.0)))
        return state.falling * share, -math.log(share)

    def _gain(self, signal: Signal, scale: float) -> float:
        return max(0.0, self.state.best_before - signal.best) / scale

    def _level(self, signal: Signal, noise: float) -> float:
        return min(max(0.0, self.state.level - signal.best) / noise, 1e9)

    def _scale(self, signal: Signal) -> float:
        return max(abs(signal.best), 0.01 * (self.state.first - signal.best), _TINY)


def _average(before: float, value: float, count: int, memory: float) -> float:
    return before + (memory + 1.0) / (count + memory) * (value - before)


def _noise(signal: Signal) -> float:
    return max(signal.noise or 0.0, 1e-9 * abs(signal.best), _TINY)
