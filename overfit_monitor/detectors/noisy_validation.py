"""Validation too noisy, or too small, to judge by."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.autocorrelation import second_difference_scale
from overfit_monitor.stats.order import Window, median

EVALUATIONS = 10
LEVEL_WINDOW = 15
MATERIAL = 0.08
HIDES = 2.0
LITTLE = 0.999 * MATERIAL  # a noise below this share of the level is below `MATERIAL`, whatever the rounding
LARGEST = 1e6  # squared, it is still a number


@dataclass(slots=True)
class _State:
    seen: int = 0
    first: float | None = None
    recent: list[float] = field(default_factory=list)
    noise: float | None = None
    examples: int | None = None
    standard_error: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None
    lowest: float = math.inf


@final
class NoisyValidation(Detector):
    """Sees that a rise worth an alarm (8 %) would be hidden by the noise of validation.

    The noise is the smaller of the median absolute step and second difference, the latter of the last fifteen values.
    An info from a noise of 8 % of the level on (median of fifteen). A warning where the noise is 16 % or more and the
    level stands 8 % or more above its lowest, so that it cannot be told whether it has risen; with the
    warning and without an error the verdict is ``inconclusive``. How many examples would do for a noise of half the
    material change is ``n (s / (0.04 level))^2`` with ``s`` the standard error from per-example losses, or else
    the noise of the curve, on the assumption that it falls with the square root of the number of examples.
    Shares measured by ``benchmarks/findings.py`` are in ``docs/findings/noisy_validation.md``.
    """

    id: ClassVar[str] = "noisy_validation"
    state: _State

    def __init__(self) -> None:
        self.state = _State()

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite:
            return
        state = self.state
        state.first = signal.val if state.first is None else state.first
        state.recent.append(signal.val)
        if len(state.recent) > LEVEL_WINDOW:
            del state.recent[0]
        level = median(state.recent)
        scale = self._scale(level)
        state.seen, state.noise = signal.seen, self._noise(signal.noise, scale)
        if signal.sampling is not None:
            state.examples, state.standard_error = signal.sampling.n, signal.sampling.standard_error
        if state.seen >= EVALUATIONS:
            state.lowest = min(state.lowest, level)
        if state.seen < EVALUATIONS or self._share(scale) < MATERIAL:
            state.onset_step = state.alarm_step = None
        elif state.alarm_step is None:
            state.onset_step = state.alarm_step = signal.step

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those with little noise change no more than the lowest level."""
        state, first = self.state, self.state.first
        first = stretch.val[0] if first is None else first
        state.first = first
        together, offset = [*state.recent, *stretch.val], len(state.recent)
        levels = Window(state.recent, LEVEL_WINDOW).extend(stretch.val)
        early = EVALUATIONS - stretch.seen - 1
        for at, (noise, level) in enumerate(zip(stretch.noise, levels, strict=True)):
            if noise is not None and noise >= LITTLE * max(abs(level), 0.1 * abs(first - level)):
                end = offset + at
                state.recent = together[max(0, end - LEVEL_WINDOW) : end]
                self.update(stretch[at])
                continue
            state.onset_step = state.alarm_step = None
            if level < state.lowest and at >= early:
                state.lowest = level
            state.noise = noise
        state.seen, state.recent = stretch.seen + len(stretch), together[-LEVEL_WINDOW:]

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while the noise is that large."""
        state = self.state
        if state.seen < EVALUATIONS:
            reason = f"it needs {EVALUATIONS} finite validation values and has {state.seen}"
            return NotJudged(id=self.id, reason=reason)
        if state.alarm_step is None:
            return None
        level = median(state.recent)
        scale = self._scale(level)
        risen = level - state.lowest >= MATERIAL * scale
        share, (factor, needed, how) = self._share(scale), self._needed(facts, scale)
        return Finding(
            id=self.id,
            severity="warning" if share >= HIDES * MATERIAL and risen else "info",
            message=f"from one evaluation to the next validation varies by {share:.0%} of its level; a rise of "
            f"{MATERIAL:.0%} could not be seen in single evaluations. {needed}",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "noise": state.noise,
                "noise_relative": share,
                "standard_error": state.standard_error,
                "examples_factor": factor,
            },
            speaks_for=(f"the median step between evaluations is {share:.0%} of the level", how),
            speaks_against=("a high learning rate moves the weights, and so the metric, without any sampling error",),
            experiment="evaluate the same checkpoint on two halves of the validation set: if they differ as much as "
            "neighbouring epochs do, more examples help; if not, average the weights or lower the learning rate.",
        )

    def _share(self, scale: float) -> float:
        return min((self.state.noise or 0.0) / scale, LARGEST) if scale > 0.0 else 0.0

    def _scale(self, level: float) -> float:
        """Return the level, or a tenth of the fall where that is more: near zero a level says nothing."""
        return max(abs(level), 0.1 * abs((self.state.first or 0.0) - level))

    def _noise(self, steps: float | None, scale: float) -> float | None:
        few = len(self.state.recent) < EVALUATIONS
        if steps is None or few or steps < MATERIAL * scale:  # the smaller of two cannot be large then
            return steps
        return min(steps, second_difference_scale(self.state.recent, 1))

    def _needed(self, facts: Facts, scale: float) -> tuple[float, str, str]:
        state = self.state
        n = state.examples or facts.data.n_val
        if state.standard_error is not None and n:
            error = min(state.standard_error / scale, LARGEST) if scale > 0.0 else LARGEST
            factor, how = (error / (0.5 * MATERIAL)) ** 2, "from the per-example losses"
        else:
            factor, how = (self._share(scale) / (0.5 * MATERIAL)) ** 2, "if all of it is sampling error"
        if factor <= 1.0:
            return factor, "The validation set itself is large enough.", f"its sampling error is small, {how}"
        if n:
            return factor, f"About {math.ceil(n * factor)} examples would do, {how}.", f"validation has {n} examples"
        return (
            factor,
            f"It would take about {factor:.0f} times as many examples, {how}.",
            "the number of validation examples is not known",
        )
