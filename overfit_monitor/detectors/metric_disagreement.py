"""One validation metric gets worse while the compared one does not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, Mode, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.level import MINIMUM, Level, Track

MATERIAL = 0.15
NEARLY = 0.999 * MATERIAL  # what is below is below `MATERIAL`, whatever the rounding
OVER = 0.075
SAME = 0.03
SAME_NOISE = 3.0
MOST = 16
PAIRED = 0.5


@dataclass(slots=True)
class _Companion:
    mode: Mode
    noise: float | None = None
    train_at_best: float | None = None
    train_change: float | None = None
    last: float | None = None
    quantum: float | None = None
    alarm_step: int | None = None


@dataclass(slots=True)
class _State:
    companions: dict[str, _Companion] = field(default_factory=dict)


@final
class MetricDisagreement(Detector):
    """Sees another validation metric, such as the loss of one head, get worse while the compared one holds.

    Levels are medians of five. A metric disagrees when it has lost 15 % of its best level and twice what
    its noise explains (`Level.beyond`), its own train value has not got worse by half as much (a trade-off
    between terms, as of a KL term, is no overfitting), and the compared metric is within 3 % of its best
    level, or within three standard deviations of its noise. It stops when it is back within 7.5 %, or
    when the compared metric has got 15 % worse itself, and by twice what its noise explains: then that
    one tells.
    The noise of a share (an accuracy) is at least half of its binomial error, where its smallest step tells
    what one example weighs: on a few dozen examples an accuracy stands still and then jumps. Half, because
    the same examples are compared. All limits are conventions. At most 16 metrics are followed.

    Measured by ``benchmarks/findings.py``, 100 runs a row: a warning in 0 to 2 % of the healthy runs of 30 to
    300 points (2 % at an autocorrelation of 0.9), in 2 of 439 nets that do not overfit; in 99 % of runs of
    100 points, all of 300 and 29 % of 30 where the loss of one head rises by half and its noise is 3 %.
    """

    id: ClassVar[str] = "metric_disagreement"
    state: _State

    def __init__(self) -> None:
        self.state = _State()
        self._compared = Level()
        self._levels: dict[str, Level] = {}

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        if not signal.finite or not signal.others:
            return
        self._compared.update(signal.step, signal.val)
        for name, other in signal.others.items():
            if other.finite and (name in self._levels or len(self._levels) < MOST):
                self._follow(name, other, signal.noise or 0.0)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once: those at which another metric has risen by what matters are judged."""
        if not stretch.others:
            return
        compared = self._compared.extend(stretch.steps, stretch.val)
        for name, other in stretch.others.items():
            if name in self._levels or len(self._levels) < MOST:
                self._follow_all(name, other, compared, stretch.noise)

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while at least one metric disagrees."""
        longest = max((level.seen for level in self._levels.values()), default=0)
        if longest < MINIMUM:
            return NotJudged(id=self.id, reason=f"it needs {MINIMUM} evaluations of two metrics and has {longest}")
        told = {name: seen for name, seen in self.state.companions.items() if seen.alarm_step is not None}
        return self._finding(told) if told else None

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that changes."""
        return {
            "companions": {name: asdict(companion) for name, companion in self.state.companions.items()},
            "compared": self._compared.state_dict(),
            "levels": {name: level.state_dict() for name, level in self._levels.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.state = _State({name: _Companion(**saved) for name, saved in state["companions"].items()})
        self._compared.load_state_dict(state["compared"])
        self._levels = {name: Level() for name in state["levels"]}
        for name, level in self._levels.items():
            level.load_state_dict(state["levels"][name])

    def _follow(self, name: str, other: Signal, noise: float) -> None:
        level = self._levels.setdefault(name, Level())
        seen = self.state.companions.setdefault(name, _Companion(other.mode))
        better = level.update(other.step, other.val)
        _see_quantum(seen, other.val)
        seen.noise = other.noise
        _see_train(seen, other.train if other.train is not None and math.isfinite(other.train) else None, better)
        if better:
            seen.alarm_step = None
        else:
            self._judge(seen, other, level, (self._compared, noise))

    def _follow_all(self, name: str, other: Stretch, compared: Track, noises: Sequence[float | None]) -> None:
        level = self._levels.setdefault(name, Level()).extend(other.steps, other.val)
        seen = self.state.companions.setdefault(name, _Companion(other.mode))
        train: Sequence[float | None] = other.train or [None] * len(other)
        better = set(level.better())
        for at, (value, now, best) in enumerate(zip(other.val, level.levels, level.bests, strict=True)):
            _see_quantum(seen, value)
            if at in better:
                seen.train_at_best, seen.alarm_step = train[at], None
            elif seen.alarm_step is not None or now - best >= NEARLY * abs(best):
                seen.noise = other.noise[at]
                _see_train(seen, train[at], False)
                self._judge(seen, other[at], level.at(at), (compared.at(at), noises[at] or 0.0))
        seen.noise = other.noise[-1]
        _see_train(seen, train[-1], False)

    def _judge(self, seen: _Companion, other: Signal, level: Level, against: tuple[Level, float]) -> None:
        """Judge a metric that has no new best, against the level and the noise of the compared one."""
        compared, noise = against
        traded = seen.train_change is not None and seen.train_change > max(0.5 * level.rise, other.train_noise or 0.0)
        compared_worse = compared.relative >= MATERIAL and compared.beyond(noise)
        compared_holds = compared.rise <= max(SAME * abs(compared.best), SAME_NOISE * noise)
        if traded or level.relative <= OVER or compared_worse:
            seen.alarm_step = None
        elif seen.alarm_step is None and compared_holds and self._worse(level, seen):
            seen.alarm_step = other.step

    def _worse(self, level: Level, seen: _Companion) -> bool:
        if level.relative < MATERIAL or seen.noise is None:
            return False
        return level.beyond(max(seen.noise, PAIRED * _sampling_error(seen, level.best)))

    def _finding(self, told: dict[str, _Companion]) -> Finding:
        worst = max(told, key=lambda name: self._levels[name].relative)
        first = min(told, key=lambda name: told[name].alarm_step or 0)
        names = ", ".join(sorted(told))
        level, seen = self._levels[worst], told[worst]
        share = f"{level.relative:.0%}" if math.isfinite(level.relative) else f"{level.rise:.3g}"
        return Finding(
            id=self.id,
            severity="warning",
            message=f"{names} got worse on validation while the compared metric did not: {worst} is {share} worse than "
            f"around step {level.best_step}. The one number that is compared hides it.",
            onset_step=self._levels[first].onset_step,
            alarm_step=told[first].alarm_step,
            evidence={
                "metrics": names,
                "worst": worst,
                "rise": level.rise,
                "rise_relative": level.relative if math.isfinite(level.relative) else None,
                "noise": seen.noise,
                "compared_relative": self._compared.relative,
                "train_change": seen.train_change,
            },
            speaks_for=tuple(self._for(name, told[name]) for name in sorted(told)),
            speaks_against=_against(told),
            experiment=f"Evaluate the checkpoint of step {level.best_step} beside the last one on the task behind "
            f"{worst}: if it is better there, weight {worst} more, or keep a checkpoint for it.",
        )

    def _for(self, name: str, seen: _Companion) -> str:
        level, sign = self._levels[name], -1.0 if seen.mode == "max" else 1.0
        return (
            f"{name} went from {sign * level.best:.4g} at step {level.best_step} to {sign * level.level:.4g}, "
            f"with a noise of {seen.noise or 0.0:.2g}"
        )


def _see_train(seen: _Companion, train: float | None, better: bool) -> None:
    if better:
        seen.train_at_best = train
    seen.train_change = None if train is None or seen.train_at_best is None else train - seen.train_at_best


def _see_quantum(seen: _Companion, value: float) -> None:
    step = 0.0 if seen.last is None else abs(value - seen.last)
    if step > 1e-9 and (seen.quantum is None or step < seen.quantum):
        seen.quantum = step
    seen.last = value


def _sampling_error(seen: _Companion, value: float) -> float:
    """Return the binomial standard error of a share, whose smallest step is one example; 0 for anything else."""
    share = -value
    if seen.mode != "max" or seen.quantum is None or not 0.0 <= share <= 1.0:
        return 0.0
    return math.sqrt(share * (1.0 - share) * seen.quantum)


def _against(told: dict[str, _Companion]) -> tuple[str, ...]:
    unknown = sorted(name for name, seen in told.items() if seen.train_change is None)
    if not unknown:
        return ()
    return (f"the train value of {', '.join(unknown)} is not known, so it may be a trade-off and not overfitting",)
