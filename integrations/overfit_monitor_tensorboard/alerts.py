"""The state of a run's alerts, as every alert record carries it.

TensorBoard keeps a sample of the records of a tag, as few as ten, and always the
newest. So each record holds everything there was to say so far, bounded, and its
own step in the log is a sequence number; the step of the run is in the payload.
"""

from __future__ import annotations

from typing import Final, Literal

from pydantic import ValidationError

from overfit_monitor.records import SEVERITIES, Finding, MetricChoice, Recommendation, Record, StopDecision, Verdict

VERSION: Final[Literal[1]] = 1
MOST_ALERTS: Final = 64


class Alert(Finding):
    """A finding, and the step of the observation that raised it."""

    step: int


class AlertState(Record):
    """Everything said about a run so far.

    Attributes:
        version: Version of this record; readers leave alone what is newer than they are.
        step: Step of the observation after which this was written.
        metrics: What was compared with what.
        verdict: The verdict at that step.
        alerts: The latest alerts, oldest first, at most ``MOST_ALERTS``.
        dropped: Number of older alerts that had to go.
        stop: The stopping decision, None if there is none.
        recommendations: What was advised at that step, with what was known of the model.
    """

    version: Literal[1] = VERSION
    step: int | None = None
    metrics: MetricChoice = MetricChoice()
    verdict: Verdict = "inconclusive"
    alerts: tuple[Alert, ...] = ()
    dropped: int = 0
    stop: StopDecision | None = None
    recommendations: tuple[Recommendation, ...] = ()

    def add(self, step: int, findings: tuple[Finding, ...]) -> AlertState:
        """Return the state with what was raised at a step."""
        alerts = self.alerts + tuple(Alert(step=step, **finding.model_dump()) for finding in findings)
        over = max(0, len(alerts) - MOST_ALERTS)
        return self.model_copy(update={"alerts": alerts[over:], "dropped": self.dropped + over})

    def rewind(self, step: int) -> AlertState:
        """Return the state without anything at or after ``step``: the run was taken up again there."""
        stop = self.stop if self.stop is not None and self.stop.step < step else None
        return self.model_copy(update={"alerts": tuple(a for a in self.alerts if a.step < step), "stop": stop})


def encode(state: AlertState) -> bytes:
    """Return the state as UTF-8 JSON."""
    return state.model_dump_json().encode()


def decode(content: bytes) -> AlertState | None:
    """Return the state in a record, None where it is none of ours or of a newer version."""
    try:
        state = AlertState.model_validate_json(content)
    except ValidationError:
        return None
    return state if "version" in state.model_fields_set else None


def level(findings: tuple[Finding, ...]) -> int:
    """Return 0 for no finding, else 1 for info, 2 for warning, 3 for error as the worst one."""
    return max((SEVERITIES.index(finding.severity) + 1 for finding in findings), default=0)


def markdown(state: AlertState) -> str:
    """Return the state for the Text tab, where our own tab is not installed."""
    lines = [f"**{state.verdict}** after step {state.step}"]
    lines += [f"- step {alert.step}, {alert.severity}, `{alert.id}`: {alert.message}" for alert in state.alerts]
    if state.dropped:
        lines.append(f"- and {state.dropped} earlier")
    if state.stop is not None:
        lines.append(f"- stop at step {state.stop.step}: {state.stop.message}")
    lines += [f"- try: {recommendation.title}" for recommendation in state.recommendations]
    return "\n".join(lines if len(lines) > 1 else [*lines, "- no alerts"])
