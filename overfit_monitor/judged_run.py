"""One run under judgement: its evaluations one by one, in stretches, or, beyond 4,096, several as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, final

from overfit_monitor.config import MonitorConfig
from overfit_monitor.detectors import Detector
from overfit_monitor.history import Evaluation, History
from overfit_monitor.judgement import Judgement
from overfit_monitor.pooling import MOST, Pool, Pools
from overfit_monitor.records import Mode, StopDecision
from overfit_monitor.rows import MOST as TOGETHER
from overfit_monitor.rows import Rows, rows_of_evaluations
from overfit_monitor.signals import Signal, Signals

if TYPE_CHECKING:
    from overfit_monitor.block import Block


@final
class JudgedRun:
    """Hands the evaluations of a run to its judgement, and keeps what was decided.

    However they come, one by one, as plain rows or by the block, the state after them is the same.

    Args:
        config: Validated settings.
        metric: The compared metric, None before one is known.
        mode: Its direction.
        others: Direction of the other metrics by name; it may grow.
        history: The evaluations so far; whoever hands in more has added them there before.

    Attributes:
        metric: The compared metric, None before one is known.
        signal: The latest evaluation as the detectors saw it, None before the first.
        stop: The first decision to stop, None if there was none.
    """

    def __init__(
        self, config: MonitorConfig, metric: str | None, mode: Mode, others: Mapping[str, Mode], history: History
    ) -> None:
        self.signal: Signal | None = None
        self.stop: StopDecision | None = None
        self.metric = metric
        self._config, self._mode, self._others = config, mode, others
        self._history = history
        self._judgement = Judgement(config, mode, others)
        self._singles = self._judgement.signals
        self._pools: Pools | None = None
        self._count = 0  # of the evaluations that were judged one by one

    @property
    def detectors(self) -> tuple[Detector, ...]:
        """The catalogue, in its order."""
        return self._judgement.detectors

    @property
    def alarm(self) -> bool:
        """Whether the overfitting alarm stands at the latest evaluation."""
        return self._judgement.alarm

    @property
    def pool_size(self) -> int | None:
        """Number of evaluations that are judged as one, None where each is judged by itself."""
        return None if self._pools is None else self._pools.size

    @property
    def room(self) -> int:
        """How many plain evaluations can be taken in together now."""
        return max(0, MOST - self._count) if self._judgement.plain else 0

    @property
    def leaps(self) -> bool:
        """Whether evaluations can be taken in by the block: where several are judged as one, and no rule sees each."""
        if self._count < MOST:
            return False
        return self.stop is not None or not self._judgement.policy.sees_all

    def advance(self, evaluation: Evaluation) -> None:
        """Take in the next evaluation."""
        if self._count < MOST:
            self._count += 1
            self.signal, decision = self._judgement.advance(evaluation, stopped=self.stop is not None)
            self._decide(decision)
            return
        pools = self._pooled()
        if pools.full:
            pools.double()
            self._judge_anew()
        self.signal = self._singles.update(evaluation)
        self._decide(self._judgement.glance(self.signal, stopped=self.stop is not None))
        pool = pools.add(evaluation)
        if pool is not None:
            self._decide(self._judgement.weigh(pool.evaluation, stopped=self.stop is not None))

    def extend(self, rows: Rows) -> None:
        """Take in plain evaluations at once, one at least and no more than there is `room` for."""
        stretch, decision = self._judgement.extend(rows, stopped=self.stop is not None)
        self._count += len(rows)
        self.signal = stretch[-1]
        self._decide(decision)

    def go_through(self) -> None:
        """Take in all that the history holds."""
        at, n = 0, len(self._history)
        while at < n:
            reach = min(n - at, TOGETHER, self.room)
            part = [self._history[place] for place in range(at, at + max(1, reach))]
            rows = rows_of_evaluations(part) if reach else Rows()
            if len(rows):
                self.extend(rows)
            else:
                self.advance(part[0])
            at += max(1, len(rows))

    def prepare(self) -> None:
        """Make ready for blocks, from the history as it is before the first of them."""
        self._pooled()

    def leap(self, block: Block) -> None:
        """Take in a block of evaluations, where that is possible (`leaps`)."""
        pools, done, n = self._pooled(), 0, len(block)
        stale = False  # whether detectors were left out, because what they say would not outlive the next doubling
        while done < n:
            if pools.full:
                pools.double()
                stale = pools.room < n - done
                self._judge_anew(only_stop=stale)
            if len(pools) % pools.size or n - done < pools.size:
                self.advance(block.evaluation(done))
                done += 1
                continue
            part = block.part(done, done + min(pools.room, (n - done) // pools.size * pools.size))
            closed = part.pools(pools.size)
            pools.extend(closed)
            self._weigh(part, closed, only_stop=stale)
            done += len(part)
        self.signal = self._singles.current(block.evaluation(n - 1))

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values."""
        return {
            **self._judgement.state_dict(),
            "stop": self.stop.model_dump() if self.stop else None,
            "pools": None if self._pools is None else self._pools.state_dict(),
            "single": None if self._pools is None else self._singles.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, with the history as it was."""
        self._judgement.load_state_dict(state)
        self._count = len(self._history)
        if state.get("pools"):
            pools = Pools()
            pools.load_state_dict(state["pools"])
            self._pools, self._singles = pools, Signals(mode=self._mode)
            self._singles.load_state_dict(state["single"])
        if len(self._history):
            self.signal = self._singles.current(self._history[len(self._history) - 1])
        self.stop = StopDecision(**state["stop"]) if state["stop"] else None

    def _weigh(self, part: Block, closed: Sequence[Pool], *, only_stop: bool) -> None:
        self._singles.skip(part.steps, part.val, part.train)
        odd = part.odd()
        size, seen = len(part) // len(closed), 0
        for number, pool in enumerate(closed, start=1):
            while seen < len(odd) and odd[seen] < number * size:
                signal = self._singles.current(part.evaluation(odd[seen]))
                self._decide(self._judgement.glance(signal, stopped=self.stop is not None))
                seen += 1
            stopped = self.stop is not None
            if not (only_stop and stopped):
                self._decide(self._judgement.weigh(pool.evaluation, stopped=stopped, only_stop=only_stop))

    def _pooled(self) -> Pools:
        if self._pools is None:
            self._pools = Pools()
            for place in range(min(MOST, len(self._history))):
                self._pools.add(self._history[place])
        return self._pools

    def _judge_anew(self, *, only_stop: bool = False) -> None:
        """Judge the run as the shorter series that it has become.

        Args:
            only_stop: Look only at what the decision to stop depends on.
        """
        self._judgement = Judgement.following(self._judgement, self._config, self._mode, self._others)
        stopped = self.stop is not None
        if only_stop and stopped:
            return
        evaluations, at = [pool.evaluation for pool in self._pooled().closed], 0
        while at < len(evaluations):
            rows = rows_of_evaluations(evaluations[at : at + TOGETHER]) if self._judgement.plain else Rows()
            if len(rows):
                self._judgement.reweigh(rows, stopped=stopped, only_stop=only_stop)
            else:
                self._judgement.weigh(evaluations[at], stopped=stopped, only_stop=only_stop)
            at += max(1, len(rows))

    def _decide(self, decision: StopDecision | None) -> None:
        if self.stop is None and decision is not None:
            self.stop = decision.model_copy(update={"metric": self.metric})
