"""The default: stop when what is still to gain is not worth what it costs."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import mul
from typing import Self, final

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stopping.base import StoppingPolicy, decision, own_units
from overfit_monitor.stopping.progress import FIGURES, Progress
from overfit_monitor.stopping.weights import BIAS, WEIGHTS

LIMIT = 0.0
RELIEF = 1.0
STANDSTILL, STANDSTILL_SHARE = 60, 2
NON_FINITE_IN_A_ROW = 3
_WEIGHTS = tuple(WEIGHTS[name] for name in FIGURES)


@dataclass(slots=True)
class _State:
    non_finite: int = 0
    rate: float | None = None


@final
class EvidenceStopping(StoppingPolicy):
    """Stops when the evidence against further training is beyond its limit.

    The evidence is a weighted sum of the figures of `Progress`: how long and how far validation has
    been above its best in units of its own noise, how much the best still gained over the latter part
    of the run, whether validation is coming back, what train still gains against the gap, how far the
    learning rate has fallen and whether it is still falling. The weights are those that make

        regret of the checkpoint kept + 0.08 x share of the planned epochs used

    smallest on small networks that ``benchmarks/fit_stopping.py`` trains, measured by their true test
    loss; ``docs/decisions/0005-stop-on-evidence.md`` has the figures on networks that it never saw.

    It never stops at a new best, nor where the learning rate has just risen (warm-up, a warm restart).
    While the overfitting alarm stands the limit is lower by 1. A standstill ends the run, too: no new best
    in more than 60 evaluations and twice those that led to the best. Three evaluations in a row that are
    NaN or infinite stop as well.

    Args:
        limit: Evidence beyond which it stops, in the units of the weights. At 0 the networks of the decision
            record lose no more than with a patience of 40; lower is sooner, higher is later.
    """

    state: _State

    def __init__(self, *, limit: float = LIMIT) -> None:
        self.limit = limit
        self.state = _State()
        self._progress = Progress()

    def update(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in the next evaluation and return the decision if it is to stop."""
        if not signal.finite:
            return self.glance(signal)
        self.state.non_finite = 0
        return self.weigh(signal, alarm=alarm)

    def glance(self, signal: Signal) -> StopDecision | None:
        """Take in one of several evaluations that are weighed as one; it may be one too many that is no number."""
        state = self.state
        state.non_finite = 0 if signal.finite else state.non_finite + 1
        return self._came_apart(signal) if state.non_finite >= NON_FINITE_IN_A_ROW else None

    def weigh(self, signal: Signal, *, alarm: bool = False) -> StopDecision | None:
        """Take in an evaluation, or several as one, and return the decision if it is to stop."""
        if not signal.finite:
            return None
        self._progress.follow(signal)
        rising = self._rises(signal.learning_rate)
        if rising or signal.best_step == signal.step or signal.noise is None:
            return None
        evidence = self._evidence(signal.best, signal.noise)
        return self._decide(signal, evidence, alarm=alarm) if self._beyond(evidence, alarm=alarm) else None

    def extend(self, stretch: Stretch, alarms: Sequence[bool]) -> StopDecision | None:
        """Take in many evaluations at once, up to the first decision, and return it."""
        self.state.non_finite = 0
        progress, sooner, rates = self._progress, self.limit - RELIEF, stretch.rates
        train: Sequence[float | None] = stretch.train or [None] * len(stretch)
        columns = zip(
            stretch.steps, stretch.val, stretch.best, stretch.best_steps, stretch.noise, train, alarms, strict=True
        )
        for at, (step, val, best, best_step, noise, trained, alarm) in enumerate(columns):
            progress.take(val, best, noise, newest=step == best_step)
            if trained is not None:
                progress.take_train(trained)
            if rates is not None:
                progress.take_rate(rates[at])
            rising = self._rises(None if rates is None else rates[at])
            if step == best_step or noise is None or rising:
                continue
            evidence = self._evidence(best, noise)
            # Asked in this order, as nearly always neither can be.
            if (evidence > sooner or progress.waited > STANDSTILL) and self._beyond(evidence, alarm=alarm):
                return self._decide(stretch[at], evidence, alarm=alarm)
        return None

    def go_on_from(self, earlier: Self) -> None:
        """Take over how many evaluations in a row were no numbers."""
        self.state.non_finite = earlier.state.non_finite

    def _rises(self, rate: float | None) -> bool:
        before, self.state.rate = self.state.rate, rate
        return before is not None and rate is not None and rate > before

    def _evidence(self, best: float, noise: float) -> float:
        weighed: Iterable[float] = map(mul, _WEIGHTS, self._progress.reckon(best, noise))
        return BIAS + sum(weighed)

    def _beyond(self, evidence: float, *, alarm: bool) -> bool:
        """Return whether it is to stop, for the evidence or for a standstill."""
        return self._limit(alarm) < evidence < math.inf or self._progress.waited > self._allowed

    def _decide(self, signal: Signal, evidence: float, *, alarm: bool) -> StopDecision:
        limit = self._limit(alarm)
        if not limit < evidence < math.inf:
            return self._standstill(signal)
        return decision("evidence", signal, value=evidence, limit=limit, message=self._message(signal, alarm))

    def _limit(self, alarm: bool) -> float:
        return self.limit - RELIEF if alarm else self.limit

    @property
    def _allowed(self) -> int:
        return STANDSTILL + STANDSTILL_SHARE * self._progress.state.at_best

    def _message(self, signal: Signal, alarm: bool) -> str:
        level, gain = self._progress.summary(signal)
        best = own_units(signal.best, signal.mode)
        standing = " and the overfitting alarm stands" if alarm else ""
        return (
            f"validation has not beaten its best ({best:.4g} at step {signal.best_step}) in {self._progress.waited} "
            f"evaluations and is {level:.2g} times its noise above it{standing}; over the latter part of the run the "
            f"best gained {gain:.2%}. A value better than {best:.4g} here would have let it go on."
        )

    def _standstill(self, signal: Signal) -> StopDecision:
        at_best, waited, allowed = self._progress.state.at_best, self._progress.waited, self._allowed
        best = own_units(signal.best, signal.mode)
        return decision(
            "standstill",
            signal,
            value=float(waited),
            limit=float(allowed),
            message=f"validation has not beaten its best ({best:.4g} at step {signal.best_step}) in {waited} "
            f"evaluations, more than {STANDSTILL} and twice the {at_best} that led to it. A value better "
            f"than {best:.4g} in any of them would have let it go on.",
        )

    def _came_apart(self, signal: Signal) -> StopDecision:
        count = self.state.non_finite
        return decision(
            "non_finite",
            signal,
            value=float(count),
            limit=float(NON_FINITE_IN_A_ROW),
            message=f"{count} evaluations in a row were NaN or infinite. "
            "One finite value would have started the count anew.",
        )
