"""The one analyzer: observations in, diagnosis out, the same code live and in replay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from overfit_monitor import rows
from overfit_monitor.columns import Columns, at, columns_of
from overfit_monitor.config import MonitorConfig
from overfit_monitor.diagnosis import decide, worst_first
from overfit_monitor.facts import Facts
from overfit_monitor.history import Companion, Evaluation, History
from overfit_monitor.judgement import Judgement
from overfit_monitor.metrics import choose, direction
from overfit_monitor.pooling import MOST, Block, Pool, Pools
from overfit_monitor.records import (
    Diagnosis,
    Finding,
    Gap,
    MetricChoice,
    Mode,
    NotJudged,
    Observation,
    Probe,
    Sampling,
    StopDecision,
    finite_or_none,
)
from overfit_monitor.rows import Rows
from overfit_monitor.signals import Signal, Signals
from overfit_monitor.strides import Known, stride

MOST_OTHERS = 16
MOST_NOTES = 10
_NO_VALIDATION = "no validation metric was logged"
_NO_OTHERS: Mapping[str, Companion] = MappingProxyType({})
_POOLED = (
    "the run has more than {most:,} evaluations: the means of {size} each are judged, and counts of evaluations in "
    "findings are of such means."
)


class Analyzer:
    """Streams observations through signals, detectors and the stopping policy.

    Constant time, on average, and bounded memory per observation; what it says at a step
    depends on nothing after it. From 4,096 evaluations on several are judged as one (`overfit_monitor.pooling`):
    the best step, NaN and infinity are still those of every single evaluation. A step that goes back, or comes
    twice with a validation value, is taken as a restart: everything at or after that step is forgotten, as if it
    had not been.

    Args:
        config: Validated settings.
    """

    def __init__(self, config: MonitorConfig) -> None:
        self.config = config
        self.history = History()
        self.notes: list[str] = []
        self._metric: tuple[str, Mode] | None = None
        self._train: dict[str, float] = {}
        self._others: dict[str, Mode] = {}
        self._left_alone: list[str] = []
        self._begin("min")

    def _begin(self, mode: Mode) -> None:
        self._judgement = Judgement(self.config, mode, self._others)
        self._singles = self._judgement.signals
        self._pools: Pools | None = None
        self._count = 0  # of the evaluations that were judged one by one
        self._signal: Signal | None = None
        self._stop: StopDecision | None = None

    @property
    def metrics(self) -> MetricChoice:
        """What is compared with what."""
        if self._metric is None:
            return MetricChoice()
        name, mode = self._metric
        return MetricChoice(train=name if name in self._train else None, val=name, mode=mode, also=dict(self._others))

    @property
    def signal(self) -> Signal | None:
        """The latest evaluation as the detectors saw it, None before the first."""
        return self._signal

    @property
    def alarm(self) -> bool:
        """Whether the overfitting alarm stands at the latest evaluation."""
        return self._judgement.alarm

    @property
    def pool_size(self) -> int:
        """Number of evaluations that are judged as one, 1 up to a length of 4,096."""
        return 1 if self._pools is None else self._pools.size

    @property
    def stop(self) -> StopDecision | None:
        """The first decision to stop, None if there was none."""
        return self._stop

    def update(self, observation: Observation) -> None:
        """Take in the next observation.

        Raises:
            UsageError: The metric to compare is not among those logged, or its direction is unknown.
        """
        self._take(
            observation.step,
            observation.val,
            observation.train,
            observation.learning_rate,
            (observation.sampling, observation.probe, observation.learning_rates),
        )

    def replay(self, observations: Iterable[Observation]) -> None:
        """Take in many observations: exactly what `update` makes of them one after another, in less time.

        Args:
            observations: The observations; `overfit_monitor.columns.Columns`, or what has such as its ``columns``, are
                read column by column.

        Raises:
            UsageError: As `update`.
        """
        columns = columns_of(observations)
        if columns is None:
            for observation in observations:
                self.update(observation)
            return
        steps, rate = columns.steps, columns.rate
        row = 0
        while row < len(steps):
            if self._leaps:
                row = self._leap(columns, row)
                if row == len(steps):
                    return
            if self._extends:
                row = self._extend(columns, row)
                if row == len(steps):
                    return
            val, train = at(columns.val, row), at(columns.train, row)
            self._take(steps[row], val, train, None if rate is None else rate[row])
            row += 1

    def findings(self, facts: Facts) -> tuple[Finding, ...]:
        """Return everything seen now, worst first."""
        return worst_first([result for result in self._results(facts) if isinstance(result, Finding)])

    def diagnosis(self, facts: Facts) -> Diagnosis:
        """Return what can be said now, given what is known beside the curves."""
        results = self._results(facts)
        findings = worst_first([result for result in results if isinstance(result, Finding)])
        not_judged = tuple(result for result in results if isinstance(result, NotJudged)) + facts.unmeasured
        verdict, decisive = decide(findings, not_judged)
        return Diagnosis(
            verdict=verdict,
            step=self.history.last_step,
            best_step=self._signal.best_step if self._signal else None,
            best_value=self.best(),
            last_value=self._last(),
            onset_step=decisive.onset_step if decisive else None,
            alarm_step=decisive.alarm_step if decisive else None,
            stop_step=self._stop.step if self._stop else None,
            metrics=self.metrics,
            gap=self.gap(),
            membership=self._signal.membership if self._signal else None,
            findings=findings,
            not_judged=not_judged,
            notes=(*self.notes, *self._about_pools()),
        )

    def gap(self) -> Gap:
        """Return the generalization gap at the latest evaluation, larger is worse, and what of it is real."""
        signal = self._signal
        if signal is None:
            return Gap()
        raw = None if signal.train is None else finite_or_none(signal.val - signal.train)
        probed = signal.probe is not None and signal.probe_step == signal.step
        real = finite_or_none(signal.val - signal.probe) if probed and signal.probe is not None else None
        errors = [s.standard_error for s in (signal.sampling, signal.probe_sampling) if s is not None]
        return Gap(
            raw=raw,
            like_for_like=real,
            standard_error=math.hypot(*errors) if real is not None and len(errors) == 2 else None,
            artefact=None if raw is None or real is None else raw - real,
        )

    def best(self) -> float | None:
        """Return the best validation value so far in the metric's own units, None without one."""
        if self._signal is None or self._signal.best_step is None:
            return None
        return -self._signal.best if self.metrics.mode == "max" else self._signal.best

    def _last(self) -> float | None:
        if self._signal is None:
            return None
        return finite_or_none(-self._signal.val if self.metrics.mode == "max" else self._signal.val)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values."""
        return {
            "metric": self._metric,
            "train": dict(self._train),
            "others": dict(self._others),
            "left_alone": list(self._left_alone),
            "notes": list(self.notes),
            "history": self.history.state_dict(),
            **self._judgement.state_dict(),
            "stop": self._stop.model_dump() if self._stop else None,
            "pools": None if self._pools is None else self._pools.state_dict(),
            "single": None if self._pools is None else self._singles.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, under the same settings."""
        metric = state["metric"]
        self._metric = (metric[0], metric[1]) if metric else None
        self._train, self._others = dict(state["train"]), dict(state["others"])
        self._left_alone = list(state["left_alone"])
        self.notes = list(state["notes"])
        self.history.load_state_dict(state["history"])
        self._begin(self._metric[1] if self._metric else "min")
        self._judgement.load_state_dict(state)
        self._count = len(self.history)
        if state.get("pools"):
            pools = Pools()
            pools.load_state_dict(state["pools"])
            self._pools, self._singles = pools, Signals(mode=self._mode)
            self._singles.load_state_dict(state["single"])
        if len(self.history):
            self._signal = self._singles.current(self.history[len(self.history) - 1])
        self._stop = StopDecision(**state["stop"]) if state["stop"] else None

    @property
    def _mode(self) -> Mode:
        return self._metric[1] if self._metric else "min"

    @property
    def _leaps(self) -> bool:
        """Whether evaluations can be taken in by the block: where several are judged as one, and no rule sees each."""
        if self._count < MOST:
            return False
        return self._stop is not None or not self._judgement.policy.sees_all

    @property
    def _extends(self) -> bool:
        """Whether plain evaluations can be taken in together that are judged one by one."""
        return self._metric is not None and self._count < MOST and self._judgement.plain

    def _extend(self, columns: Columns, row: int) -> int:
        """Take in the plain evaluations from a row on, and return the first row that is not."""
        assert self._metric is not None
        reach = rows.MOST
        while row < len(columns) and self._extends:
            known = rows.Known(self._metric[0], self._others, self._left_alone, self._train, self.history.last_step)
            found = rows.rows_of_columns(columns, row, known, most=min(reach, MOST - self._count))
            if found.end == row:
                break
            self._train.update(found.train)
            if len(found.rows):
                self.history.extend_plain(found.rows)
                self._advance_together(found.rows)
            row = found.end
        return row

    def _advance_together(self, plain: Rows) -> None:
        stretch, decision = self._judgement.extend(plain, stopped=self._stop is not None)
        self._count += len(plain)
        self._signal = stretch[-1]
        self._decide(decision)

    def _take(
        self,
        step: int,
        val: Mapping[str, float],
        train: Mapping[str, float],
        learning_rate: float | None,
        more: tuple[Sampling | None, Probe | None, tuple[float, float] | None] = (None, None, None),
    ) -> None:
        if self._metric is None and val:
            self._metric = choose(val, self.config.metric, self.config.mode)
            self._begin(self._metric[1])
        self._train.update(train)
        if self._metric is None or self._metric[0] not in val:
            return
        name = self._metric[0]
        if len(val) > 1:
            self._meet(val)
        last = self.history.last_step
        if last is not None and step <= last:
            self._restart(step)
        others = self._companions(val) if self._others else _NO_OTHERS
        sampling, probe, rates = more
        evaluation = Evaluation(step, val[name], self._train.get(name), learning_rate, sampling, others, probe, rates)
        self.history.append(evaluation)
        self._advance(evaluation)

    def _advance(self, evaluation: Evaluation) -> None:
        if self._count < MOST:
            self._count += 1
            self._signal, decision = self._judgement.advance(evaluation, stopped=self._stop is not None)
            self._decide(decision)
            return
        pools = self._pooled()
        if pools.full:
            pools.double()
            self._judge_anew()
        self._signal = self._singles.update(evaluation)
        self._decide(self._judgement.glance(self._signal, stopped=self._stop is not None))
        pool = pools.add(evaluation)
        if pool is not None:
            self._decide(self._judgement.weigh(pool.evaluation, stopped=self._stop is not None))

    def _leap(self, columns: Columns, row: int) -> int:
        """Take in what can be taken in at once from a row on, and return the row that cannot."""
        assert self._metric is not None
        metrics = Known(self._metric[0], self._others, self._left_alone)
        found = stride(columns, row, metrics=metrics, train=self._train, last_step=self.history.last_step)
        if len(found.block):
            self._pooled()  # of the history as it was before
            self.history.extend(found.block)
            self._advance_by(found.block)
        self._train.update(found.train)
        return found.end

    def _advance_by(self, block: Block) -> None:
        pools, done, n = self._pooled(), 0, len(block)
        stale = False  # whether detectors were left out, because what they say would not outlive the next doubling
        while done < n:
            if pools.full:
                pools.double()
                stale = pools.room < n - done
                self._judge_anew(only_stop=stale)
            if len(pools) % pools.size or n - done < pools.size:
                self._advance(block.evaluation(done))
                done += 1
                continue
            part = block.part(done, done + min(pools.room, (n - done) // pools.size * pools.size))
            self._weigh(part, pools.extend(part), only_stop=stale)
            done += len(part)
        self._signal = self._singles.current(block.evaluation(n - 1))

    def _weigh(self, part: Block, closed: Sequence[Pool], *, only_stop: bool) -> None:
        self._singles.skip(part.steps, part.val, part.train)
        odd = part.odd()
        size, seen = len(part) // len(closed), 0
        for number, pool in enumerate(closed, start=1):
            while seen < len(odd) and odd[seen] < number * size:
                signal = self._singles.current(part.evaluation(odd[seen]))
                self._decide(self._judgement.glance(signal, stopped=self._stop is not None))
                seen += 1
            stopped = self._stop is not None
            if not (only_stop and stopped):
                self._decide(self._judgement.weigh(pool.evaluation, stopped=stopped, only_stop=only_stop))

    def _pooled(self) -> Pools:
        if self._pools is None:
            self._pools = Pools()
            for place in range(min(MOST, len(self.history))):
                self._pools.add(self.history[place])
        return self._pools

    def _judge_anew(self, *, only_stop: bool = False) -> None:
        """Judge the run as the shorter series that it has become.

        Args:
            only_stop: Look only at what the decision to stop depends on.
        """
        self._judgement = Judgement.following(self._judgement, self.config, self._mode, self._others)
        stopped = self._stop is not None
        if only_stop and stopped:
            return
        for pool in self._pooled().closed:
            self._judgement.weigh(pool.evaluation, stopped=stopped, only_stop=only_stop)

    def _decide(self, decision: StopDecision | None) -> None:
        if self._stop is None and decision is not None:
            self._stop = decision.model_copy(update={"metric": self._metric[0] if self._metric else None})

    def _restart(self, step: int) -> None:
        last = self.history.last_step
        dropped = self.history.rewind(step)
        note = (
            f"step {step} came twice; the later value counts."
            if step == last
            else f"the step went back from {last} to {step}: taken as a restart, {dropped} evaluation(s) dropped."
        )
        if self.history.thinned:
            note += " The history had been thinned, so what was before is judged from fewer evaluations."
        self._note(note)
        self._begin(self._mode)
        for evaluation in self.history:
            self._advance(evaluation)

    def _meet(self, val: Mapping[str, float]) -> None:
        """Decide about metrics that were not seen before: looked at beside, or left alone, with a note."""
        compared = self._metric[0] if self._metric else None
        for name in val:
            if name in self._others or name == compared or name in self._left_alone:
                continue
            mode = direction(name)
            if mode is not None and len(self._others) < MOST_OTHERS:
                self._others[name] = mode
            else:
                self._left_alone.append(name)
                why = "its name does not tell whether lower is better" if mode is None else f"{MOST_OTHERS} others are"
                self._note(f"metric {name!r} is not looked at: {why}.")

    def _about_pools(self) -> tuple[str, ...]:
        return () if self._pools is None else (_POOLED.format(most=MOST, size=self._pools.size),)

    def _note(self, note: str) -> None:
        self.notes = [*self.notes, note][-MOST_NOTES:]

    def _companions(self, val: Mapping[str, float]) -> Mapping[str, Companion]:
        return {
            name: Companion(val[name], self._train.get(name, math.nan))
            for name in self._others
            if not math.isnan(val.get(name, math.nan))
        }

    def _results(self, facts: Facts) -> list[Finding | NotJudged | None]:
        if self._signal is None:
            return [NotJudged(id=detector.id, reason=_NO_VALIDATION) for detector in self._judgement.detectors]
        return [detector.result(facts) for detector in self._judgement.detectors]


def as_observation(name: str, evaluation: Evaluation) -> Observation:
    """Return the observation that an evaluation of the metric of this name came from."""
    train = {} if evaluation.train is None else {name: evaluation.train}
    train |= {other: value for other, (_, value) in evaluation.others.items() if not math.isnan(value)}
    return Observation(
        step=evaluation.step,
        train=train,
        val={name: evaluation.val} | {other: val for other, (val, _) in evaluation.others.items()},
        learning_rate=evaluation.learning_rate,
        learning_rates=evaluation.learning_rates,
        sampling=evaluation.sampling,
        probe=evaluation.probe,
    )
