"""One series under judgement: its signals, its detectors, its stopping policy."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

from overfit_monitor import detectors
from overfit_monitor.config import MonitorConfig
from overfit_monitor.detectors.base import Detector
from overfit_monitor.history import Evaluation
from overfit_monitor.records import Mode, StopDecision
from overfit_monitor.rows import Rows
from overfit_monitor.signals import Signal, Signals, Stretch
from overfit_monitor.stats.level import Levels
from overfit_monitor.stopping import StoppingPolicy, build_policy

_NONE: Mapping[str, Signal] = MappingProxyType({})


@final
class Judgement:
    """Feeds one series of evaluations to the detectors and to the stopping policy.

    Args:
        config: Validated settings.
        mode: Direction of the compared metric.
        others: Direction of the other metrics by name; it may grow.

    Attributes:
        detectors: The catalogue, in its order.
        policy: The stopping policy.
        signals: What the evaluations are turned into.
    """

    def __init__(self, config: MonitorConfig, mode: Mode, others: Mapping[str, Mode]) -> None:
        self.signals = Signals(mode=mode)
        self.overfitting = detectors.Overfitting(false_alarm_rate=config.false_alarm_rate)
        levels = Levels()
        self.detectors: tuple[Detector, ...] = tuple(
            self.overfitting
            if kind is detectors.Overfitting
            else kind.build(Levels() if kind.extend is Detector.extend else levels)
            for kind in detectors.CATALOGUE
        )
        self.policy: StoppingPolicy = build_policy(config, mode)
        self._others = others
        self._companions: dict[str, Signals] = {}

    @classmethod
    def following(cls, earlier: Judgement, config: MonitorConfig, mode: Mode, others: Mapping[str, Mode]) -> Judgement:
        """Return one for the same run as a shorter series, which takes over what has seen every evaluation."""
        found = cls(config, mode, others)
        found.detectors = tuple(
            before if before.sees_all else new for before, new in zip(earlier.detectors, found.detectors, strict=True)
        )
        if earlier.policy.counts_evaluations:
            found.policy = earlier.policy
        else:
            found.policy.go_on_from(earlier.policy)
        return found

    @property
    def alarm(self) -> bool:
        """Whether the overfitting alarm stands."""
        return self.overfitting.alarm

    def advance(self, evaluation: Evaluation, *, stopped: bool) -> tuple[Signal, StopDecision | None]:
        """Take in the next evaluation of a run that is judged one by one.

        Args:
            evaluation: The evaluation.
            stopped: Whether the decision to stop was taken before, so that it need not be asked for.

        Returns:
            The evaluation as the detectors saw it, and the decision to stop if it was taken now.
        """
        signal = self.signals.update(evaluation, self._beside(evaluation) if evaluation.others else _NONE)
        for detector in self.detectors:
            detector.update(signal)
        return signal, None if stopped else self.policy.update(signal, alarm=self.overfitting.alarm)

    @property
    def plain(self) -> bool:
        """Whether plain evaluations can be taken in together."""
        return self.signals.plain

    def extend(self, rows: Rows, *, stopped: bool) -> tuple[Stretch, StopDecision | None]:
        """Take in many plain evaluations at once: what `advance` would make of one after another, in less time.

        Args:
            rows: The evaluations, one at least.
            stopped: Whether the decision to stop was taken before.

        Returns:
            The evaluations as the detectors saw them, and the first decision to stop if one was taken.
        """
        stretch = self._stretch(rows)
        for detector in self.detectors:
            detector.extend(stretch)
        return stretch, None if stopped else self.policy.extend(stretch, self.overfitting.stood)

    def reweigh(self, rows: Rows, *, stopped: bool, only_stop: bool) -> None:
        """Take in many that are plain, each several as one, as `weigh` would; what it would decide was not asked for.

        Args:
            rows: The evaluations, one at least.
            stopped: As for `weigh`.
            only_stop: As for `weigh`.
        """
        stretch = self._stretch(rows)
        for detector in (self.overfitting,) if only_stop else self.detectors:
            if not detector.sees_all:
                detector.extend(stretch)
        if not (stopped or self.policy.counts_evaluations):
            for signal, alarm in zip(stretch, self.overfitting.stood, strict=True):
                self.policy.weigh(signal, alarm=alarm)

    def weigh(self, evaluation: Evaluation, *, stopped: bool, only_stop: bool = False) -> StopDecision | None:
        """Take in the next evaluation of a run that is judged several as one.

        Args:
            evaluation: Those several as one.
            stopped: Whether the decision to stop was taken before.
            only_stop: Leave out every detector that the decision to stop does not depend on.

        Returns:
            The decision to stop if it was taken now.
        """
        signal = self.signals.update(evaluation, self._beside(evaluation) if evaluation.others else _NONE)
        for detector in (self.overfitting,) if only_stop else self.detectors:
            if not detector.sees_all:
                detector.update(signal)
        if stopped or self.policy.counts_evaluations:
            return None
        return self.policy.weigh(signal, alarm=self.overfitting.alarm)

    def glance(self, signal: Signal, *, stopped: bool) -> StopDecision | None:
        """Take in one of several evaluations that are weighed as one; return the decision to stop if it was taken."""
        for detector in self.detectors:
            if detector.sees_all:
                detector.update(signal)
        if stopped:
            return None
        if self.policy.counts_evaluations:
            return self.policy.update(signal, alarm=self.overfitting.alarm)
        return self.policy.glance(signal)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that changes, as plain values."""
        return {
            "signals": self.signals.state_dict(),
            "companions": {name: stream.state_dict() for name, stream in self._companions.items()},
            "detectors": {detector.id: detector.state_dict() for detector in self.detectors},
            "policy": self.policy.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.signals.load_state_dict(state["signals"])
        for name, stream in state["companions"].items():
            self._companion(name).load_state_dict(stream)
        for detector in self.detectors:
            detector.load_state_dict(state["detectors"][detector.id])
        self.policy.load_state_dict(state["policy"])

    def _stretch(self, rows: Rows) -> Stretch:
        others = {name: self._companion(name).extend(beside) for name, beside in rows.others.items()}
        return self.signals.extend(rows, others)

    def _beside(self, evaluation: Evaluation) -> dict[str, Signal]:
        return {
            name: self._companion(name).update(evaluation._replace(val=val, train=train, sampling=None, probe=None))
            for name, (val, train) in evaluation.others.items()
        }

    def _companion(self, name: str) -> Signals:
        found = self._companions.get(name)
        if found is None:
            found = self._companions[name] = Signals(mode=self._others[name])
        return found
