"""Train measured in another way than validation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Self, final

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.records import Finding, NotJudged
from overfit_monitor.signals import Signal, Stretch
from overfit_monitor.stats.lead import Lead
from overfit_monitor.stats.level import Levels

IN_A_ROW = 5
NOISE_UNITS = 2.0
SHARE = 0.2
ERRORS = 3.0
PROBED_IN_A_ROW = 3


@dataclass(slots=True)
class _State:
    raw: float | None = None
    real: float | None = None
    error: float | None = None
    in_a_row: int = 0
    onset_step: int | None = None
    alarm_step: int | None = None


@final
class MeasurementArtefact(Detector):
    """Sees validation better than train where train is not measured as validation is, and names what is known to be on.

    For five evaluations in a row the level of validation (a median of five) is better than that of train by more
    than two standard deviations of its noise. Nothing is said where train is known to be measured as validation is. An
    info: the gap that is shown is too small, and overfitting shows later than it begins.

    Where the train probe measures train as validation is, the split itself is told instead, once at three of its
    measurements in a row the artefact, raw gap minus like-for-like gap, is at least a fifth of the larger of both and
    three standard errors of the probe. The limits are conventions; shares measured by ``benchmarks/findings.py`` are
    in ``docs/findings/measurement_artefact.md``.
    """

    id: ClassVar[str] = "measurement_artefact"
    state: _State

    def __init__(self, levels: Levels | None = None) -> None:
        self.state = _State()
        self._lead = Lead(share=0.0, noise_units=NOISE_UNITS, in_a_row=IN_A_ROW, levels=levels)

    @classmethod
    def build(cls, levels: Levels) -> Self:
        """Return one that looks at levels that others look at as well."""
        return cls(levels)

    def update(self, signal: Signal) -> None:
        """Take in the next evaluation."""
        self._lead.update(signal.step, val=signal.val, train=signal.train, noise=signal.noise)
        if signal.probed and signal.probe is not None and signal.train is not None and signal.finite:
            self._split(signal, signal.val - signal.train, signal.val - signal.probe)

    def extend(self, stretch: Stretch) -> None:
        """Take in many evaluations at once."""
        if stretch.train is not None:
            self._lead.extend(stretch.steps, val=stretch.val, train=stretch.train, noise=stretch.noise)

    def _split(self, signal: Signal, raw: float, real: float) -> None:
        state = self.state
        state.raw, state.real = raw, real
        state.error = None if signal.probe_sampling is None else signal.probe_sampling.standard_error
        if not abs(raw - real) >= max(SHARE * max(abs(raw), abs(real)), ERRORS * (state.error or 0.0), 1e-300):
            state.in_a_row, state.onset_step, state.alarm_step = 0, None, None
            return
        state.in_a_row += 1
        state.onset_step = signal.step if state.onset_step is None else state.onset_step
        if state.in_a_row == PROBED_IN_A_ROW:
            state.alarm_step = signal.step

    def result(self, facts: Facts) -> Finding | NotJudged | None:
        """Return the finding while validation stays better than train, or while the artefact is large."""
        if self.state.real is not None:
            return self._measured(facts)
        state = self._lead.state
        if self._lead.seen < IN_A_ROW:
            reason = f"it needs {IN_A_ROW} evaluations with both splits and has {self._lead.seen}"
            return NotJudged(id=self.id, reason=reason)
        if state.alarm_step is None or facts.like_for_like:
            return None
        lead, causes = self._lead.lead, _causes(facts)
        known = f" Known to be on: {', '.join(causes)}." if causes else ""
        return Finding(
            id=self.id,
            severity="info",
            message=f"validation is better than train by {lead:.4g}: train is measured while the model learns.{known} "
            "The true gap is larger than the one shown.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={"lead": lead, "noise": state.noise, "causes": ", ".join(causes) or None},
            speaks_for=tuple(f"{cause} makes train look worse than it is" for cause in causes)
            or ("a mean over an epoch has its early, worse batches in it",),
            speaks_against=() if causes else ("nothing of dropout, augmentation or penalty terms is known to be on",),
            experiment="evaluate a part of the training set in eval mode, with the validation loss, at the end of an "
            "epoch: what remains of the difference is real.",
        )

    def _measured(self, facts: Facts) -> Finding | None:
        state = self.state
        if state.alarm_step is None or state.raw is None or state.real is None:
            return None
        artefact, causes = state.raw - state.real, _causes(facts)
        effect = "hides a part of it" if artefact < 0.0 else "makes it look larger"
        return Finding(
            id=self.id,
            severity="info",
            message=f"the logged gap is {state.raw:.4g}, the real one {state.real:.4g}: measured as validation is, "
            f"train differs by {abs(artefact):.4g} from what is logged, which {effect}.",
            onset_step=state.onset_step,
            alarm_step=state.alarm_step,
            evidence={
                "raw_gap": state.raw,
                "like_for_like_gap": state.real,
                "artefact": artefact,
                "error": state.error,
            },
            speaks_for=tuple(f"{cause} is on in training only" for cause in causes)
            or ("a fixed part of the training set was measured as validation is",),
        )


def _causes(facts: Facts) -> list[str]:
    causes = []
    rate = max((layer.rate or 0.0 for layer in facts.of_kind("dropout")), default=0.0)
    if rate:
        causes.append(f"dropout of {rate:g}")
    if facts.data.augmented:
        causes.append("augmentation")
    if facts.loss is not None and facts.loss.label_smoothing:
        causes.append(f"label smoothing of {facts.loss.label_smoothing:g}")
    if facts.loss is not None and facts.loss.penalty:
        causes.append("a penalty term in the train loss")
    return causes
