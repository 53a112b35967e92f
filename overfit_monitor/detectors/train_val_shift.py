"""A gap from the first evaluation on that does not grow."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import Level, Levels
from overfit_monitor.stats.order import median

EVALUATIONS = 15
FIRST = 5
GAP = 0.2
NOISE_UNITS = 5.0
GROWTH = 0.3
LEARNED = 0.2


@dataclass(slots=True)
class _State:
    seen: int = 0
    first_train: list[float] = field(default_factory=list)
    first_val: list[float] = field(default_factory=list)
    first_step: int | None = None
    probed: bool = False
    noise: float | None = None
    alarm_step: int | None = None


@final
class TrainValShift(Detector):
    """Sees validation worse than train from the first evaluation on, by as much at the end as at the start.

    Over the first five evaluations validation is worse than train by at least 20 % of itself and five standard
    deviations of its noise; now (medians of five) the gap differs from that by at most 30 % of it, although train has
    come down by at least 20 % of its first level. A gap that grows as train improves is no shift. A warning where
    train is known to be measured as validation is, an info otherwise. Where the train probe was there at the first
    evaluation, it stands for train, and evaluations without it do not count. The limits are conventions; shares
    measured by ``benchmarks/findings.py`` are in ``docs/findings/train_val_shift.md``.
    """

    id: ClassVar[str] = "train_val_shift"
    state: _State

    def __init__(self, levels: Levels | None = None) -> None:
        levels = levels or Levels()
        self.state = _State()
        self._val: Level = levels.val_of_both
        self._train: Level = levels.train_of_both
        self._first: tuple[float, float] | None = None

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        state = self.state
        if state.seen == 0:
            self._begin(signal.probed)
        train = (signal.probe if signal.probed else None) if state.probed else signal.train
        if not signal.finite or train is None or not math.isfinite(train):
            return
        state.seen, state.noise = state.seen + 1, signal.noise
        self._val.update(signal.step, signal.val)
        self._train.update(signal.step, train)
        if len(state.first_val) < FIRST:
            state.first_val, state.first_train = [*state.first_val, signal.val], [*state.first_train, train]
            state.first_step = signal.step if state.first_step is None else state.first_step
        self._judge(signal.step, state.seen, state.noise, self._val.level, self._train.level)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: without a gap at first nothing can be found."""
        state = self.state
        if state.seen == 0:
            self._begin(False)
        if stretch.train is None or state.probed:
            return
        seen, room = state.seen, max(0, FIRST - len(state.first_val))
        val = self._val.extend(stretch.steps, stretch.val)
        train = self._train.extend(stretch.steps, stretch.train)
        state.first_val = [*state.first_val, *stretch.val[:room]]
        state.first_train = [*state.first_train, *stretch.train[:room]]
        state.first_step = stretch.steps[0] if state.first_step is None else state.first_step
        state.seen, state.noise = seen + len(stretch), stretch.noise[-1]
        if state.seen >= EVALUATIONS and self._apart():
            rows = enumerate(zip(stretch.steps, stretch.noise, val.levels, train.levels, strict=True), seen + 1)
            for count, (step, noise, val_level, train_level) in rows:
                self._judge(step, count, noise, val_level, train_level)

    def _begin(self, probed: bool) -> None:
        if probed != self.state.probed:
            self.state.probed = probed
            both = Levels()  # of evaluations with the probe
            self._val, self._train = both.val_of_both, both.train_of_both

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while the gap stays what it was."""
        state = self.state
        if state.seen < EVALUATIONS:
            reason = f"it needs {EVALUATIONS} evaluations with both splits and has {state.seen}"
            return NotJudged(id=self.id, reason=reason)
        if state.alarm_step is None:
            return None
        first, now = self._gaps()
        alike = state.probed or facts.like_for_like is True
        against = () if alike else ("train is not known to be measured as validation is",)
        return Finding(
            id=self.id,
            severity="warning" if alike else "info",
            message=f"validation has been worse than train by about {now:.4g} since the first evaluation (by "
            f"{first:.4g} then), and the gap has not grown while train improved: the two sets differ.",
            onset_step=state.first_step,
            alarm_step=state.alarm_step,
            evidence={"first_gap": first, "gap": now, "noise": state.noise},
            speaks_for=(
                f"the gap was {first:.4g} before anything could be memorized and is {now:.4g} now",
                f"train came down from {median(state.first_train):.4g} to {self._train.level:.4g} meanwhile",
            ),
            speaks_against=against,
            experiment="evaluate the first checkpoint on a part of the training set that you hold out, in eval mode: a "
            "gap to validation there is a difference of the data or of its preprocessing.",
        )

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._begin(state["probed"])
        super().load_state_dict(state)
        self._first = None

    def _start(self) -> tuple[float, float]:
        """Return the first level of validation and that of train, which stay what they are once they are known."""
        if self._first is None:
            self._first = median(self.state.first_val), median(self.state.first_train)
        return self._first

    def _gaps(self) -> tuple[float, float]:
        val, train = self._start()
        return val - train, self._val.level - self._train.level

    def _judge(self, step: int, seen: int, noise: float | None, val_level: float, train_level: float) -> None:
        if not self._shifted(seen, noise, val_level, train_level):
            self.state.alarm_step = None
        elif self.state.alarm_step is None:
            self.state.alarm_step = step

    def _apart(self) -> bool:
        """Return whether validation was worse than train at first by enough, the noise left aside."""
        val, train = self._start()
        return val - train > GAP * abs(val)

    def _shifted(self, seen: int, noise: float | None, val_level: float, train_level: float) -> bool:
        if seen < EVALUATIONS or noise is None or not self._apart():
            return False
        val, train = self._start()
        first = val - train
        if not first > NOISE_UNITS * noise:
            return False
        now = val_level - train_level
        return abs(now - first) <= GROWTH * first and train - train_level >= LEARNED * abs(train)
