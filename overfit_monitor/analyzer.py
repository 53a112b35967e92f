"""The one analyzer: observations in, diagnosis out, the same code live and in replay."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from overfit_monitor import detectors
from overfit_monitor.config import MonitorConfig
from overfit_monitor.diagnosis import decide, worst_first
from overfit_monitor.facts import Facts
from overfit_monitor.history import Companion, Evaluation, History
from overfit_monitor.metrics import choose, direction
from overfit_monitor.records import (
    Diagnosis,
    Finding,
    Gap,
    MetricChoice,
    Mode,
    NotJudged,
    Observation,
    StopDecision,
    finite_or_none,
)
from overfit_monitor.signals import Signal, Signals
from overfit_monitor.stopping import build_policy

MOST_OTHERS = 16
MOST_NOTES = 10
_NO_VALIDATION = "no validation metric was logged"


class Analyzer:
    """Streams observations through signals, detectors and the stopping policy.

    Constant time and bounded memory per observation; what it says at a step
    depends on nothing after it. A step that goes back, or comes twice with a
    validation value, is taken as a restart: everything at or after that step is
    forgotten, as if it had not been.

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
        self._signal: Signal | None = None
        self._stop: StopDecision | None = None
        self._begin("min")

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
        return self._overfitting.alarm

    @property
    def stop(self) -> StopDecision | None:
        """The first decision to stop, None if there was none."""
        return self._stop

    def update(self, observation: Observation) -> None:
        """Take in the next observation.

        Raises:
            UsageError: The metric to compare is not among those logged, or its direction is unknown.
        """
        if self._metric is None and observation.val:
            self._metric = choose(observation.val, self.config.metric, self.config.mode)
            self._begin(self._metric[1])
        self._train |= observation.train
        if self._metric is None or self._metric[0] not in observation.val:
            return
        name = self._metric[0]
        self._meet(observation.val)
        if self.history.last_step is not None and observation.step <= self.history.last_step:
            self._restart(observation.step)
        evaluation = Evaluation(
            observation.step,
            observation.val[name],
            self._train.get(name),
            observation.learning_rate,
            observation.sampling,
            self._companions(observation.val),
            observation.probe,
            observation.learning_rates,
        )
        self.history.append(evaluation)
        self._advance(evaluation)

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
            notes=tuple(self.notes),
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
            "signals": self._signals.state_dict(),
            "companions": {name: stream.state_dict() for name, stream in self._companion_signals.items()},
            "detectors": {detector.id: detector.state_dict() for detector in self._detectors},
            "policy": self._policy.state_dict(),
            "stop": self._stop.model_dump() if self._stop else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, under the same settings."""
        metric = state["metric"]
        self._metric = (metric[0], metric[1]) if metric else None
        self._begin(self._metric[1] if self._metric else "min")
        self._train, self._others = dict(state["train"]), dict(state["others"])
        self._left_alone = list(state["left_alone"])
        self.notes = list(state["notes"])
        self.history.load_state_dict(state["history"])
        self._signals.load_state_dict(state["signals"])
        for name, stream in state["companions"].items():
            self._companion(name).load_state_dict(stream)
        if len(self.history):
            last = self.history[len(self.history) - 1]
            self._signal = self._signals.current(last)
        for detector in self._detectors:
            detector.load_state_dict(state["detectors"][detector.id])
        self._policy.load_state_dict(state["policy"])
        self._stop = StopDecision(**state["stop"]) if state["stop"] else None

    def _begin(self, mode: Mode) -> None:
        self._signals = Signals(mode=mode)
        self._companion_signals: dict[str, Signals] = {}
        self._signal = None
        self._overfitting = detectors.Overfitting(false_alarm_rate=self.config.false_alarm_rate)
        self._detectors = tuple(
            self._overfitting if kind is detectors.Overfitting else kind() for kind in detectors.CATALOGUE
        )
        self._policy = build_policy(self.config, mode)
        self._stop = None

    def _advance(self, evaluation: Evaluation) -> None:
        others = {
            name: self._companion(name).update(evaluation._replace(val=val, train=train, sampling=None, probe=None))
            for name, (val, train) in evaluation.others.items()
        }
        self._signal = signal = self._signals.update(evaluation, others)
        for detector in self._detectors:
            detector.update(signal)
        decision = self._policy.update(signal, alarm=self.alarm)
        if self._stop is None and decision is not None:
            self._stop = decision.model_copy(update={"metric": self.metrics.val})

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
        self._begin(self.metrics.mode)
        for evaluation in self.history:
            self._advance(evaluation)

    def _meet(self, val: Mapping[str, float]) -> None:
        """Decide about metrics that were not seen before: looked at beside, or left alone, with a note."""
        for name in val:
            if name in self._others or name in self._left_alone or name == self.metrics.val:
                continue
            mode = direction(name)
            if mode is not None and len(self._others) < MOST_OTHERS:
                self._others[name] = mode
            else:
                self._left_alone.append(name)
                why = "its name does not tell whether lower is better" if mode is None else f"{MOST_OTHERS} others are"
                self._note(f"metric {name!r} is not looked at: {why}.")

    def _note(self, note: str) -> None:
        self.notes = [*self.notes, note][-MOST_NOTES:]

    def _companions(self, val: Mapping[str, float]) -> Mapping[str, Companion]:
        if not self._others:
            return MappingProxyType({})
        return {
            name: Companion(val[name], self._train.get(name, math.nan))
            for name in self._others
            if not math.isnan(val.get(name, math.nan))
        }

    def _companion(self, name: str) -> Signals:
        return self._companion_signals.setdefault(name, Signals(mode=self._others[name]))

    def _results(self, facts: Facts) -> list[Finding | NotJudged | None]:
        if self._signal is None:
            return [NotJudged(id=detector.id, reason=_NO_VALIDATION) for detector in self._detectors]
        return [detector.result(facts) for detector in self._detectors]


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
