"""The state of a run's alerts, as every alert record carries it.

TensorBoard keeps a sample of the records of a tag, as few as ten, and always the
newest. So each record holds everything there was to say so far, bounded, and its
own step in the log is a sequence number; the step of the run is in the payload.
"""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from overfit_monitor.config import MonitorConfig
from overfit_monitor.example_tables import Example, ExampleTables
from overfit_monitor.recorded import Alert, Recorded
from overfit_monitor.records import (
    SEVERITIES,
    AppliedChange,
    Finding,
    MetricChoice,
    Recommendation,
    Record,
    StopDecision,
    Verdict,
)

VERSION: Final[Literal[1]] = 1
MOST_ALERTS: Final = 64
MOST_CHANGES: Final = 32
MOST_BYTES: Final = 1 << 16
LONGEST_NAME: Final = 200
MOST_TOLD: Final = 3
_METRICS_OWN: Final = {"metric", "mode"}


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
        settings: The monitor's settings that are not the default ones, so that a replay judges as it did.
        applied: The latest changes that were applied to the live training.
        examples: Examples and classes behind the validation value at the latest alert, stop or end.
    """

    # A later release may tell more.
    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal[1] = VERSION
    step: int | None = None
    metrics: MetricChoice = MetricChoice()
    verdict: Verdict = "inconclusive"
    alerts: tuple[Alert, ...] = ()
    dropped: int = 0
    stop: StopDecision | None = None
    recommendations: tuple[Recommendation, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    applied: tuple[AppliedChange, ...] = ()
    examples: ExampleTables | None = None

    def add(self, step: int, findings: tuple[Finding, ...]) -> AlertState:
        """Return the state with what was raised at a step."""
        alerts = self.alerts + tuple(Alert(step=step, **finding.model_dump()) for finding in findings)
        over = max(0, len(alerts) - MOST_ALERTS)
        return self.model_copy(update={"alerts": alerts[over:], "dropped": self.dropped + over})

    def change(self, applied: tuple[AppliedChange, ...]) -> AlertState:
        """Return the state with changes that were applied, or undone."""
        again = {(change.id, change.step) for change in applied}
        before = tuple(change for change in self.applied if (change.id, change.step) not in again)
        return self.model_copy(update={"applied": (*before, *applied)[-MOST_CHANGES:]})

    def recorded(self) -> Recorded:
        """Return what was said live."""
        return Recorded(alerts=self.alerts, stop=self.stop, applied=self.applied, examples=self.examples)

    def replayed_with(self) -> dict[str, Any]:
        """Return the settings of the monitor that this version knows; none where they cannot be right."""
        known = {name: value for name, value in self.settings.items() if name in MonitorConfig.model_fields}
        try:
            MonitorConfig(**known)
        except ValidationError:
            return {}
        return {name: value for name, value in known.items() if name not in _METRICS_OWN}

    def rewind(self, step: int) -> AlertState:
        """Return the state without anything at or after ``step``: the run was taken up again there."""
        stop = self.stop if self.stop is not None and self.stop.step < step else None
        alerts = tuple(alert for alert in self.alerts if alert.step < step)
        applied = tuple(change for change in self.applied if change.step is None or change.step < step)
        return self.model_copy(update={"alerts": alerts, "stop": stop, "applied": applied})


def encode(state: AlertState) -> bytes:
    """Return the state as UTF-8 JSON of at most 64 KiB.

    Where it is longer, the older half of the alerts goes first, again and again, then the examples, then the last
    recommendations, and at the very end all but the verdict.
    """
    while len(content := state.model_dump_json().encode()) > MOST_BYTES:
        state = _shorter(state)
    return content


def _shorter(state: AlertState) -> AlertState:
    gone = (len(state.alerts) + 1) // 2
    if len(state.alerts) > 1:
        return state.model_copy(update={"alerts": state.alerts[gone:], "dropped": state.dropped + gone})
    if state.examples is not None:
        return state.model_copy(update={"examples": None})
    if state.recommendations:
        return state.model_copy(update={"recommendations": state.recommendations[: len(state.recommendations) // 2]})
    return AlertState(step=state.step, verdict=state.verdict, dropped=state.dropped + len(state.alerts))


def shortened(tables: ExampleTables | None) -> ExampleTables | None:
    """Return the tables with names of at most 200 characters."""
    if tables is None:
        return None
    rows = {name: tuple(map(_named, getattr(tables, name))) for name in ("worst", "risen", "mislabelled")}
    return tables.model_copy(update=rows)


def _named(example: Example) -> Example:
    name = example.name
    long = name is not None and len(name) > LONGEST_NAME
    return example.model_copy(update={"name": f"{name[: LONGEST_NAME - 3]}..."}) if long and name else example


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
    lines += [f"- {change}" for change in state.applied]
    lines += [f"- try: {recommendation.title}" for recommendation in state.recommendations]
    if state.examples is not None:
        lines += _worst(state.examples)
    return "\n".join(lines if len(lines) > 1 else [*lines, "- no alerts"])


def _worst(tables: ExampleTables) -> list[str]:
    lines = [f"- example {e.index if e.name is None else e.name}: loss {e.loss:.4g}" for e in tables.worst[:MOST_TOLD]]
    return [f"- the highest validation losses at step {tables.step}:", *(f"    {line}" for line in lines)]
