"""The frozen records that cross every line of the program.

An `Observation` goes in, a `Diagnosis` comes out; nothing else passes between
the layers. Every record is immutable and has a JSON schema. The words are
defined in ``docs/glossary.md``.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr

if TYPE_CHECKING:
    from overfit_monitor.example_tables import ExampleTables

Mode = Literal["min", "max"]
Verdict = Literal["healthy", "overfitting", "underfitting", "diverging", "inconclusive"]
Severity = Literal["info", "warning", "error"]
Evidence = float | int | str | bool | None

SCHEMA_VERSION = 1
SEVERITIES: tuple[Severity, ...] = ("info", "warning", "error")


class Record(BaseModel):
    """Base of every record: immutable, and closed to fields it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Sampling(Record):
    """What the per-example validation losses tell about how sure the validation value is.

    Attributes:
        n: Number of validation examples.
        standard_error: Standard error of their mean, in the metric's own units.
        compared_to: Step of the lowest mean before this one; None at the first.
        change: Mean difference to the same examples at that step, positive is larger now; None at the first.
        change_error: Standard error of ``change``, from the paired differences; None at the first.
    """

    n: int = Field(ge=1)
    standard_error: float = Field(ge=0.0, allow_inf_nan=False)
    compared_to: int | None = None
    change: float | None = Field(default=None, allow_inf_nan=False)
    change_error: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)


class Membership(Record):
    """How well an example's loss alone tells whether the model was trained on it.

    Attributes:
        auc: Probability that a training example has a lower loss than a validation example; 0.5 is no difference.
        low: Lower end of its 95 % interval.
        high: Upper end of its 95 % interval.
        tpr: Share of the training examples with a lower loss than all but 1 % of the validation examples.
    """

    auc: float = Field(ge=0.0, le=1.0)
    low: float = Field(ge=0.0, le=1.0)
    high: float = Field(ge=0.0, le=1.0)
    tpr: float = Field(ge=0.0, le=1.0)


class Probe(Record):
    """A fixed part of the training set, measured as validation is: eval mode, validation loss, end of the epoch.

    Attributes:
        value: Mean over its examples, in the compared metric's own units.
        sampling: How sure that mean is, and how it changed on the same examples since the lowest validation mean;
            None where there are too few examples.
        membership: What the losses tell about membership; None without per-example validation losses.
    """

    value: float = Field(allow_inf_nan=False)
    sampling: Sampling | None = None
    membership: Membership | None = None


class Observation(Record):
    """One set of metric values at a step.

    Attributes:
        step: Index of the evaluation, usually the epoch; any integer.
        train: Train metrics by name (``{"loss": 0.4}``); may be empty.
        val: Validation metrics by the same names; may be empty.
        learning_rate: Learning rate in force at this step, None where unknown.
        learning_rates: Lowest and highest learning rate since the observation before, None where unknown.
        sampling: What per-example losses of the compared validation metric tell, None where there were none.
        probe: The training examples measured as validation is, None where they were not.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    step: int
    train: dict[str, float] = Field(default_factory=dict)
    val: dict[str, float] = Field(default_factory=dict)
    learning_rate: float | None = None
    learning_rates: tuple[float, float] | None = None
    sampling: Sampling | None = None
    probe: Probe | None = None


class Finding(Record):
    """One phenomenon that a detector saw, with the numbers that show it.

    Attributes:
        id: Stable name of the phenomenon, also the name of its page in ``docs/findings``.
        severity: ``info`` is worth knowing, ``warning`` worth a change, ``error`` spoils the run.
        message: One sentence with this run's numbers.
        onset_step: Step at which it began, None where unknown.
        onset_range: First and last step at which it may have begun, None where unknown.
        alarm_step: First step at which somebody watching live could have been told.
        evidence: The figures behind the message, in the units of the metric unless named otherwise.
        speaks_for: What is seen that supports the finding, one clause each, with its numbers.
        speaks_against: What is seen, or not known, that speaks for another explanation.
        experiment: The cheapest experiment that would decide; empty where nothing is in doubt.
    """

    id: str
    severity: Severity
    message: str
    onset_step: int | None = None
    onset_range: tuple[int, int] | None = None
    alarm_step: int | None = None
    evidence: dict[str, Evidence] = Field(default_factory=dict)
    speaks_for: tuple[str, ...] = ()
    speaks_against: tuple[str, ...] = ()
    experiment: str = ""


class NotJudged(Record):
    """A phenomenon on which nothing is claimed, and why."""

    id: str
    reason: str

    def __reduce__(self) -> tuple[Any, ...]:
        # Thousands of runs that other processes judge come back with the same few reasons.
        return _not_judged, (self.id, self.reason)


@lru_cache(256)
def _not_judged(id: str, reason: str) -> NotJudged:
    return NotJudged(id=id, reason=reason)


class MetricChoice(Record):
    """Which train and validation metric were compared, and in which direction.

    Attributes:
        train: Name of the train metric, None where there was none.
        val: Name of the validation metric, None where there was none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        also: The other validation metrics that are looked at, with their direction. They add findings;
            the verdict is that of ``val``.
    """

    train: str | None = None
    val: str | None = None
    mode: Mode = "min"
    also: dict[str, Mode] = Field(default_factory=dict)


class Effect(Record):
    """What a change did to overfitting runs in our benchmark, against the same runs stopped early without it.

    Attributes:
        runs: Number of tasks it was measured on, each with several seeds.
        ratio: Median over the tasks of the test loss with the change over that without it; below 1 is better.
        low: Tenth of the tasks with the best ratio are at or below this.
        high: Tenth of the tasks with the worst ratio are at or above this.
        helps: Share of the tasks with a loss at least 1 % lower.
        harms: Share of the tasks with a loss more than 2 % higher.
    """

    runs: int
    ratio: float
    low: float
    high: float
    helps: float
    harms: float


class Recommendation(Record):
    """One concrete change, with its value, its reason and the code for it.

    Attributes:
        id: Stable name of the technique, also its page in ``docs/recommendations``.
        title: What to do, in a few words, value included.
        why: The reason, with this run's numbers.
        change: The settings to change, by name, as plain values (``{"weight_decay": 0.3}``).
        code: Code for the framework in use that runs when pasted into the training script.
        caution: What to watch for, and when it would not help.
        source: Where the rule and its value come from.
        effect: What it did in our benchmark, None where that was not measured.
        tied_with: Recommendations of this run whose measured effect cannot be told from this one's, by id.
    """

    id: str
    title: str
    why: str
    change: dict[str, Any]
    code: str
    caution: str = ""
    source: str = ""
    effect: Effect | None = None
    tied_with: tuple[str, ...] = ()


class AppliedChange(Record):
    """A recommendation that was applied to the live training, as it was read back.

    Attributes:
        id: The recommendation.
        step: Step after which it holds, None before the first.
        before: The settings as they were, by name.
        after: The settings as they were read back.
        undone_step: Step after which it was undone, None where it holds.
    """

    id: str
    step: int | None = None
    before: dict[str, Any] = Field(default_factory=dict)
    after: dict[str, Any] = Field(default_factory=dict)
    undone_step: int | None = None

    def __str__(self) -> str:
        values = ", ".join(f"{name} {self.before.get(name)} -> {value}" for name, value in self.after.items())
        undone = "" if self.undone_step is None else f", undone after step {self.undone_step}"
        return (
            f"{self.id} applied {'at the start' if self.step is None else f'after step {self.step}'}: {values}{undone}"
        )


class StopDecision(Record):
    """Why training should stop, and what would have changed it.

    Attributes:
        rule: Name of the rule that decided.
        step: Step at which it decided.
        value: What the rule reckoned, in its own units.
        message: One sentence with the reason, and one with what would have changed the decision.
        limit: Value beyond which the rule stops, in the same units; None where unknown.
        metric: Name of the validation metric it went by, None where unknown.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    rule: str
    step: int
    value: float
    message: str
    limit: float | None = None
    metric: str | None = None


class Gap(Record):
    """The generalization gap, larger is worse, and how much of it is real.

    Attributes:
        raw: Validation minus train as they were logged, oriented; None without a train value.
        like_for_like: Validation minus the probe, oriented: the gap without what comes from measuring train in
            another way; None without a probe.
        standard_error: Standard error of ``like_for_like`` from per-example losses, None where unknown.
        artefact: ``raw`` minus ``like_for_like``: what dropout, augmentation, penalty terms and the mean over a moving
            model add to the gap (or, below 0, hide of it); None where either is.
    """

    raw: float | None = None
    like_for_like: float | None = None
    standard_error: float | None = None
    artefact: float | None = None


class Diagnosis(Record):
    """What the analyzer says about one run, given everything up to ``step``.

    Attributes:
        verdict: The one word for the run.
        run: Name of the run, None where it has none.
        source: File or folder the run was read from, None where it was watched live.
        step: Last step seen, None before the first.
        best_step: Step of the checkpoint to keep, None without a finite validation value.
        best_value: Validation value at ``best_step``, in the metric's own units; None without one.
        last_value: Validation value at ``step``, in the metric's own units; None where not finite.
        onset_step: Step at which the verdict's phenomenon began.
        alarm_step: Step at which its alarm was raised.
        stop_step: Step at which the stopping policy would have stopped, None if it never did.
        metrics: What was compared with what.
        gap: The generalization gap at ``step`` and what of it is real.
        membership: Whether losses tell train from validation, at the last step at which that was measured.
        findings: Everything seen, worst first.
        recommendations: What to change, best first; empty where nothing is advised.
        not_judged: What was not judged, and why.
        notes: Remarks on the data (restarts, damaged lines, thinned history).
    """

    verdict: Verdict
    run: str | None = None
    source: str | None = None
    step: int | None = None
    best_step: int | None = None
    best_value: float | None = None
    last_value: float | None = None
    onset_step: int | None = None
    alarm_step: int | None = None
    stop_step: int | None = None
    metrics: MetricChoice = MetricChoice()
    gap: Gap = Gap()
    membership: Membership | None = None
    findings: tuple[Finding, ...] = ()
    recommendations: tuple[Recommendation, ...] = ()
    not_judged: tuple[NotJudged, ...] = ()
    notes: tuple[str, ...] = ()
    # Where the curves are to be found for `plot`, an `overfit_monitor.plotting.Curves`; set by the monitor.
    _curves: Any = PrivateAttr(default=None)

    def finding(self, id: str) -> Finding | None:
        """Return the finding with this id, or None."""
        return next((finding for finding in self.findings if finding.id == id), None)

    def explain(self) -> str:
        """Return the reasoning in plain words with its numbers, in lines of at most 88 characters."""
        from overfit_monitor.explain import explain

        return explain(self)

    def plot(self, ax: Any = None) -> Any:
        """Draw the curves up to ``step`` with their noise, the best step, the onset, alarms and the stop.

        Args:
            ax: A matplotlib ``Axes`` to draw on; None makes a figure of its own.

        Returns:
            The ``Axes``.

        Raises:
            UsageError: The diagnosis does not come from a monitor in this process, and so has no curves.
            ImportError: matplotlib is not installed; the extra ``plot`` installs it.
        """
        from overfit_monitor.plotting import plot

        return plot(self, self._curves, ax)


class Report(Record):
    """What one call of `Monitor.log` produced; this is what a sink receives.

    Attributes:
        observation: The observation that was logged.
        diagnosis: The diagnosis after it.
        gap: Generalization gap of the compared metric, larger is worse; None where not finite or without train.
        best: Best validation value so far, in the metric's own units; None without one.
        alerts: Findings of severity warning or error that were raised by this very observation.
        stop: The stopping decision, if it was taken by this very observation.
        applied: Changes of the training that were applied, or undone, since the observation before.
        settings: The monitor's settings that are not the default ones, by name.
    """

    observation: Observation
    diagnosis: Diagnosis
    gap: float | None = None
    best: float | None = None
    alerts: tuple[Finding, ...] = ()
    stop: StopDecision | None = None
    applied: tuple[AppliedChange, ...] = ()
    settings: dict[str, Any] = Field(default_factory=dict)
    # Makes the tables of examples when they are asked for, since that costs more than a report; set by the monitor.
    _examples: Any = PrivateAttr(default=None)

    @property
    def examples(self) -> ExampleTables | None:
        """The examples and classes behind the validation value, as they are now; None where nobody logged any.

        Only within `Sink.write` and `Sink.close`, while the monitor waits.
        """
        tables: ExampleTables | None = self._examples() if self._examples is not None else None
        return tables if tables is not None and tables.step is not None else None


def finite_or_none(value: float) -> float | None:
    """Return the value, or None where it is NaN or infinite."""
    return value if math.isfinite(value) else None
