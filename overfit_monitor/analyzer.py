"""The one analyzer: observations in, diagnosis out, the same code live and in replay."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from overfit_monitor.columns import Columns, at, columns_of
from overfit_monitor.config import MonitorConfig
from overfit_monitor.diagnosis import decide, gap_of, worst_first
from overfit_monitor.facts import Facts
from overfit_monitor.history import Companion, Evaluation, History
from overfit_monitor.judged_run import JudgedRun
from overfit_monitor.metrics import choose, direction
from overfit_monitor.pooling import MOST
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
from overfit_monitor.rows import MOST as TOGETHER
from overfit_monitor.rows import Known, rows_of_columns
from overfit_monitor.signals import Signal

MOST_OTHERS = 16
MOST_NOTES = 10
FEWEST = 8  # rows that are looked at together
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
        self._reach = TOGETHER
        self._begin("min")

    def _begin(self, mode: Mode) -> None:
        metric = self._metric[0] if self._metric else None
        self._run = JudgedRun(self.config, metric, mode, self._others, self.history)

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
        return self._run.signal

    @property
    def alarm(self) -> bool:
        """Whether the overfitting alarm stands at the latest evaluation."""
        return self._run.alarm

    @property
    def pool_size(self) -> int:
        """Number of evaluations that are judged as one, 1 up to a length of 4,096."""
        return self._run.pool_size or 1

    @property
    def stop(self) -> StopDecision | None:
        """The first decision to stop, None if there was none."""
        return self._run.stop

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
        row = 0
        while row < len(columns):
            row = self._together(columns, row)
            if row < len(columns):
                rate = None if columns.rate is None else columns.rate[row]
                self._take(columns.steps[row], at(columns.val, row), at(columns.train, row), rate)
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
            best_step=self.signal.best_step if self.signal else None,
            best_value=self.best(),
            last_value=self._last(),
            onset_step=decisive.onset_step if decisive else None,
            alarm_step=decisive.alarm_step if decisive else None,
            stop_step=self.stop.step if self.stop else None,
            metrics=self.metrics,
            gap=self.gap(),
            membership=self.signal.membership if self.signal else None,
            findings=findings,
            not_judged=not_judged,
            notes=(*self.notes, *self._about_pools()),
        )

    def gap(self) -> Gap:
        """Return the generalization gap at the latest evaluation, larger is worse, and what of it is real."""
        return Gap() if self.signal is None else gap_of(self.signal)

    def best(self) -> float | None:
        """Return the best validation value so far in the metric's own units, None without one."""
        if self.signal is None or self.signal.best_step is None:
            return None
        return -self.signal.best if self.metrics.mode == "max" else self.signal.best

    def _last(self) -> float | None:
        if self.signal is None:
            return None
        return finite_or_none(-self.signal.val if self.metrics.mode == "max" else self.signal.val)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values."""
        return {
            "metric": self._metric,
            "train": dict(self._train),
            "others": dict(self._others),
            "left_alone": list(self._left_alone),
            "notes": list(self.notes),
            "history": self.history.state_dict(),
            **self._run.state_dict(),
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
        self._run.load_state_dict(state)

    @property
    def _mode(self) -> Mode:
        return self._metric[1] if self._metric else "min"

    def _together(self, columns: Columns, row: int) -> int:
        """Take in what can be taken in together from a row on, and return the first row that cannot."""
        while self._metric is not None and row < len(columns):
            if self._run.leaps:
                return self._leap(columns, row)
            reach = min(self._reach, self._run.room)
            found = rows_of_columns(columns, row, self._known(), most=reach)
            self._train.update(found.train)
            if len(found.rows):
                self.history.extend_plain(found.rows)
                self._run.extend(found.rows)
            # Where few rows are plain, not many are looked at for each of them.
            self._reach = min(2 * max(FEWEST, found.end - row), TOGETHER)
            if found.end == row:
                break
            row = found.end
        return row

    def _leap(self, columns: Columns, row: int) -> int:
        from overfit_monitor.strides import stride  # few runs are that long

        found = stride(columns, row, self._known())
        if len(found.block):
            self._run.prepare()
            self.history.extend(found.block)
            self._run.leap(found.block)
        self._train.update(found.train)
        return found.end

    def _known(self) -> Known:
        assert self._metric is not None
        return Known(self._metric[0], self._others, self._left_alone, self._train, self.history.last_step)

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
            if self._mode == "min":
                self._run.metric = self._metric[0]  # nothing was judged yet, so it is as good as a new one
            else:
                self._begin(self._mode)
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
        self._run.advance(evaluation)

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
        self._run.go_through()

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
        size = self._run.pool_size
        return () if size is None else (_POOLED.format(most=MOST, size=size),)

    def _note(self, note: str) -> None:
        self.notes = [*self.notes, note][-MOST_NOTES:]

    def _companions(self, val: Mapping[str, float]) -> Mapping[str, Companion]:
        return {
            name: Companion(val[name], self._train.get(name, math.nan))
            for name in self._others
            if not math.isnan(val.get(name, math.nan))
        }

    def _results(self, facts: Facts) -> list[Finding | NotJudged | None]:
        if self.signal is None:
            return [NotJudged(id=detector.id, reason=_NO_VALIDATION) for detector in self._run.detectors]
        return [detector.result(facts) for detector in self._run.detectors]
