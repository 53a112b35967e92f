"""Training that jumps and comes back."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.state import Stateful
from overfit_monitor.stats.order import median

NOISE_UNITS = 10.0
HEIGHT = 0.5
BACK_WITHIN = 3
BACK = 0.2
REPEATED = 3
MINIMUM = 5


@dataclass(slots=True)
class _SpikesState:
    recent: list[float] = field(default_factory=list)
    before: float = 0.0
    peak: float | None = None
    peak_step: int | None = None
    waited: int = 0
    count: int = 0
    highest: float = 0.0
    first_step: int | None = None


class _Spikes(Stateful):
    """Counts how often one curve jumps up and comes back."""

    state: _SpikesState

    def __init__(self) -> None:
        self.state = _SpikesState()

    def update(self, step: int, value: float, noise: float | None) -> None:
        state = self.state
        if state.peak is not None:
            self._wait(value)
        recent = state.recent
        ready = state.peak is None and len(recent) == MINIMUM and noise is not None
        if ready and value - min(recent) > NOISE_UNITS * (noise or 0.0):  # else not so far above their median either
            level = median(recent)
            if value - level > max(NOISE_UNITS * (noise or 0.0), HEIGHT * abs(level)):
                state.before, state.peak, state.peak_step, state.waited = level, value, step, 0
                return
        recent.append(value)
        if len(recent) > MINIMUM:
            del recent[0]

    def skip(self, values: Sequence[float]) -> None:
        """Take in values of which none is a spike, while none is waited for."""
        self.state.recent = [*self.state.recent, *values[-MINIMUM:]][-MINIMUM:]

    def _wait(self, value: float) -> None:
        state = self.state
        assert state.peak is not None
        state.peak, state.waited = max(state.peak, value), state.waited + 1
        if value <= state.before + BACK * (state.peak - state.before):
            state.count += 1
            state.highest = max(state.highest, state.peak - state.before)
            state.first_step = state.peak_step if state.first_step is None else state.first_step
            state.peak = None
        elif state.waited >= BACK_WITHIN:
            state.peak = None


@dataclass(slots=True)
class _State:
    seen: int = 0
    alarm_step: int | None = None
    learning_rate: float | None = None


@final
class Instability(Detector):
    """Sees train or validation jump up and come back, again and again.

    A spike is a value more than ten standard deviations of the noise and half of the level (a median of five) above
    it that has come back by 80 % within three evaluations. Three of them in one curve are a warning. What does
    not come back is `divergence` or overfitting. The limits are conventions; shares measured by
    ``benchmarks/findings.py`` are in ``docs/findings/instability.md``.
    """

    id: ClassVar[str] = "instability"
    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self._val = _Spikes()
        self._train = _Spikes()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        state = self.state
        if signal.finite:
            state.seen += 1
            self._val.update(signal.step, signal.val, signal.noise)
        if signal.train is not None and math.isfinite(signal.train):
            self._train.update(signal.step, signal.train, signal.train_noise)
        state.learning_rate = signal.learning_rate
        if state.alarm_step is None and max(self._val.state.count, self._train.state.count) >= REPEATED:
            state.alarm_step = signal.step

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those far above the lowest are judged, and those after a spike."""
        far, leaping = _far(stretch.val, stretch.best, stretch.noise)
        if stretch.train is not None:
            both = _far(stretch.train, stretch.train_best, stretch.train_noise)
            far, leaping = far | both[0], leaping | both[1]
        done, waits = 0, self._waits
        if waits:
            leaping = far
        for at in range(len(stretch)) if waits or leaping else ():
            if waits or at in leaping:
                self._skip(stretch, done, at)
                self.update(stretch[at])
                done, waits = at + 1, self._waits
                leaping = far if waits else leaping
        self._skip(stretch, done, len(stretch))
        self.state.learning_rate = None if stretch.rates is None else stretch.rates[-1]

    @property
    def _waits(self) -> bool:
        return self._val.state.peak is not None or self._train.state.peak is not None

    def _skip(self, stretch: Stretch, start: int, end: int) -> None:
        self.state.seen += end - start
        self._val.skip(stretch.val[start:end])
        if stretch.train is not None:
            self._train.skip(stretch.train[start:end])

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding once it has happened three times."""
        state = self.state
        if state.seen <= MINIMUM:
            reason = f"it needs more than {MINIMUM} finite validation values and has {state.seen}"
            return NotJudged(id=self.id, reason=reason)
        if state.alarm_step is None:
            return None
        val, train = self._val.state, self._train.state
        name, most = ("train", train) if train.count >= val.count else ("validation", val)
        return Finding(
            id=self.id,
            severity="warning",
            message=f"{name} has jumped up and come back {most.count} times since step {most.first_step}, by up to "
            f"{most.highest:.4g}: training is unstable.",
            onset_step=most.first_step,
            alarm_step=state.alarm_step,
            evidence={
                "train_spikes": train.count,
                "validation_spikes": val.count,
                "highest": most.highest,
                "learning_rate": state.learning_rate,
            },
            speaks_for=(f"{train.count} spikes of train, {val.count} of validation, each back within 3 evaluations",),
            speaks_against=(
                ("only validation jumps: single examples or batch statistics may do that",) if not train.count else ()
            ),
            experiment="train ten epochs from a checkpoint before a spike with half the learning rate, or with the "
            "gradient norm clipped: an unstable step goes away, a bad batch of data does not.",
        )


def _far(values: Sequence[float], bests: Sequence[float], noises: Sequence[float | None]) -> tuple[set[int], set[int]]:
    """Return where a spike may be: far above the lowest so far, and, if none came before, above the latest values."""
    rows = enumerate(zip(values, bests, noises, strict=True))
    far = {at for at, (value, best, noise) in rows if noise is not None and value - best > NOISE_UNITS * noise}
    return far, {
        at
        for at in far
        if at < MINIMUM or values[at] - min(values[at - MINIMUM : at]) > NOISE_UNITS * (noises[at] or 0.0)
    }
