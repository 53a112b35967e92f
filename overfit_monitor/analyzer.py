"""The one analyzer: observations in, diagnosis out, the same code live and in replay."""

from __future__ import annotations

from typing import Any

from overfit_monitor import detectors
from overfit_monitor.config import MonitorConfig
from overfit_monitor.diagnosis import decide, worst_first
from overfit_monitor.history import Evaluation, History
from overfit_monitor.metrics import choose
from overfit_monitor.records import (
    Diagnosis,
    Finding,
    MetricChoice,
    Mode,
    NotJudged,
    Observation,
    StopDecision,
    finite_or_none,
)
from overfit_monitor.signals import Signal, Signals
from overfit_monitor.stopping import build_policy

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
        self._train: float | None = None
        self._train_seen = False
        self._signal: Signal | None = None
        self._stop: StopDecision | None = None
        self._begin("min")

    @property
    def metrics(self) -> MetricChoice:
        """What is compared with what."""
        if self._metric is None:
            return MetricChoice()
        name, mode = self._metric
        return MetricChoice(train=name if self._train_seen else None, val=name, mode=mode)

    @property
    def signal(self) -> Signal | None:
        """The latest evaluation as the detectors saw it, None before the first."""
        return self._signal

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
        name = self._metric[0] if self._metric else self.config.metric or "loss"
        if name in observation.train:
            self._train, self._train_seen = observation.train[name], True
        if name not in observation.val:
            return
        if self.history.last_step is not None and observation.step <= self.history.last_step:
            self._restart(observation.step)
        evaluation = Evaluation(observation.step, observation.val[name], self._train, observation.learning_rate)
        self.history.append(evaluation)
        self._advance(evaluation)

    def findings(self) -> tuple[Finding, ...]:
        """Return everything seen now, worst first."""
        return worst_first([result for result in self._results() if isinstance(result, Finding)])

    def diagnosis(self) -> Diagnosis:
        """Return what can be said now."""
        results = self._results()
        findings = worst_first([result for result in results if isinstance(result, Finding)])
        not_judged = tuple(result for result in results if isinstance(result, NotJudged)) + detectors.UNSEEN
        verdict, decisive = decide(findings, not_judged)
        return Diagnosis(
            verdict=verdict,
            step=self.history.last_step,
            best_step=self._signal.best_step if self._signal else None,
            onset_step=decisive.onset_step if decisive else None,
            alarm_step=decisive.alarm_step if decisive else None,
            stop_step=self._stop.step if self._stop else None,
            metrics=self.metrics,
            findings=findings,
            not_judged=not_judged,
            notes=tuple(self.notes),
        )

    def gap(self) -> float | None:
        """Return the generalization gap at the latest evaluation, larger is worse, None where unknown."""
        if self._signal is None or self._signal.train is None:
            return None
        return finite_or_none(self._signal.val - self._signal.train)

    def best(self) -> float | None:
        """Return the best validation value so far in the metric's own units, None without one."""
        if self._signal is None or self._signal.best_step is None:
            return None
        return -self._signal.best if self.metrics.mode == "max" else self._signal.best

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values."""
        return {
            "metric": self._metric,
            "train": self._train,
            "train_seen": self._train_seen,
            "notes": list(self.notes),
            "history": self.history.state_dict(),
            "signals": self._signals.state_dict(),
            "signal": tuple(self._signal) if self._signal else None,
            "detectors": {detector.id: detector.state_dict() for detector in self._detectors},
            "policy": self._policy.state_dict(),
            "stop": self._stop.model_dump() if self._stop else None,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned, under the same settings."""
        metric = state["metric"]
        self._metric = (metric[0], metric[1]) if metric else None
        self._begin(self._metric[1] if self._metric else "min")
        self._train, self._train_seen = state["train"], state["train_seen"]
        self.notes = list(state["notes"])
        self.history.load_state_dict(state["history"])
        self._signals.load_state_dict(state["signals"])
        self._signal = Signal(*state["signal"]) if state["signal"] else None
        for detector in self._detectors:
            detector.load_state_dict(state["detectors"][detector.id])
        self._policy.load_state_dict(state["policy"])
        self._stop = StopDecision(**state["stop"]) if state["stop"] else None

    def _begin(self, mode: Mode) -> None:
        self._signals = Signals(mode=mode)
        self._signal = None
        self._detectors = tuple(detector() for detector in detectors.CATALOGUE)
        self._overfitting = next(d for d in self._detectors if isinstance(d, detectors.Overfitting))
        self._policy = build_policy(self.config, mode)
        self._stop = None

    def _advance(self, evaluation: Evaluation) -> None:
        self._signal = signal = self._signals.update(evaluation)
        for detector in self._detectors:
            detector.update(signal)
        if evaluation.step < self.config.start_from_epoch:
            return
        decision = self._policy.update(signal, alarm=self._overfitting.alarm)
        self._stop = self._stop or decision

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
        self.notes = [*self.notes, note][-10:]
        self._begin(self.metrics.mode)
        for evaluation in self.history:
            self._advance(evaluation)

    def _results(self) -> list[Finding | NotJudged | None]:
        if self._signal is None:
            return [NotJudged(id=detector.id, reason=_NO_VALIDATION) for detector in self._detectors]
        return [detector.result() for detector in self._detectors]
