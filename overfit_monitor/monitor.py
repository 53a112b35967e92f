"""The facade: the one stateful object that a loop, a callback or a reader holds."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from overfit_monitor.advice import advise
from overfit_monitor.analyzer import Analyzer, as_observation
from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UsageError
from overfit_monitor.examples import as_losses
from overfit_monitor.facts import Facts
from overfit_monitor.guard import Guard
from overfit_monitor.journal import FILE_NAME, Journal, read_journal
from overfit_monitor.plotting import Curves
from overfit_monitor.records import Diagnosis, Finding, NotJudged, Observation, Report
from overfit_monitor.sampler import Sampler
from overfit_monitor.sinks import Sink, installed_sinks

logger = logging.getLogger("overfit_monitor")

_STILL_JUDGED = "everything is judged as before"
_STILL_TRAINED = "nothing is judged from here on"


class Monitor:
    """Watches one training run: takes in metrics, diagnoses, says when to stop.

    Args:
        run_dir: Folder of the run. A journal is written there, and alerts for TensorBoard where it
            is installed; a run found there is continued. None writes nothing.
        facts: What is known of model, optimizer and data; integrations read it themselves.
        sinks: Where reports go beside the journal, by name. None takes those of the installed
            integrations if there is a ``run_dir``, and none otherwise.
        **settings: The fields of `MonitorConfig`: ``metric``, ``mode``, ``patience``,
            ``min_delta``, ``baseline``, ``false_alarm_rate``, ``start_from_epoch``,
            ``stopping_threshold``, ``strict``.

    Raises:
        UsageError: A setting is unknown or cannot be right.

    Example:
        >>> monitor = Monitor()
        >>> for epoch in range(3):
        ...     diagnosis = monitor.log(step=epoch, train={"loss": 0.4}, val={"loss": 0.6})
        ...     if monitor.should_stop:
        ...         break
        >>> diagnosis.verdict
        'inconclusive'
    """

    def __init__(
        self,
        run_dir: str | PathLike[str] | None = None,
        *,
        facts: Facts | None = None,
        sinks: Mapping[str, Sink] | None = None,
        **settings: Any,
    ) -> None:
        self.config = MonitorConfig.build(settings)
        self.run_dir = None if run_dir is None else Path(run_dir)
        self.facts = facts or Facts()
        self._guard = Guard(strict=self.config.strict)
        self._analyzer = Analyzer(self.config)
        self._sampler = Sampler(self.config, self._guard)
        self._raised: frozenset[tuple[str, int | None]] = frozenset()
        self._journal: Journal | None = None
        self._sinks: dict[str, Sink] = dict(sinks or {})
        if self.run_dir is not None:
            with self._guard.protect("journal", still=_STILL_JUDGED):
                self._open_journal(self.run_dir)
            if sinks is None and self._guard.on("journal"):  # a folder that takes no journal takes nothing else
                self._sinks = installed_sinks(self.run_dir, self._guard)

    def log(
        self,
        *,
        step: int,
        train: Mapping[str, Any] | None = None,
        val: Mapping[str, Any] | None = None,
        learning_rate: float | None = None,
        learning_rates: tuple[float, float] | None = None,
        val_losses: Any = None,
        probe_losses: Any = None,
    ) -> Diagnosis:
        """Take in the metrics of one step and return the diagnosis after it.

        Args:
            step: Index of the evaluation, usually the epoch. A step that goes back is a restart.
            train: Train metrics by name; anything that ``float`` takes.
            val: Validation metrics by the same names; without any nothing is judged.
            learning_rate: Learning rate in force at this step.
            learning_rates: Lowest and highest learning rate since the call before.
            val_losses: Per-example values of the compared validation metric at this step, an array or a
                tensor: the same examples in the same order each time. They tell how sure the validation value
                is; their mean stands in for it where ``val`` has none.
            probe_losses: The same values of a fixed part of the training set, measured as validation is (eval mode,
                the validation loss, no augmentation): the same examples in the same order each time, fewer of
                them from the beginning where there was no time for all.

        Returns:
            The diagnosis. After an error in the monitor itself it is the last one before it.

        Raises:
            UsageError: With ``strict`` only; otherwise a warning is given, once.
        """
        if self._guard.on("monitor"):
            with self._guard.protect("monitor", still=_STILL_TRAINED):
                observation = _observation(step, train, val, learning_rate, learning_rates)
                metrics = self._analyzer.metrics
                return self._log(self._sampler.observe(observation, val_losses, probe_losses, metrics))
        return self._analyzer.diagnosis(self.facts)

    def replay(self, observations: Iterable[Observation]) -> Diagnosis:
        """Take in a whole log at once and return the diagnosis at its end.

        The same as `log` for every observation, but nothing is written in between and
        errors are raised.
        """
        for observation in observations:
            self._analyzer.update(observation)
        return self.diagnosis

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis now, recommendations included."""
        diagnosis = self._analyzer.diagnosis(self.facts)
        diagnosis._curves = Curves(self._analyzer.history)
        return diagnosis.model_copy(update={"recommendations": advise(diagnosis, self.facts)})

    @property
    def should_stop(self) -> bool:
        """Whether the stopping policy has decided to stop, at this step or before."""
        return self._analyzer.stop is not None

    @property
    def best_step(self) -> int | None:
        """Step of the checkpoint to keep, None without a finite validation value."""
        return self._analyzer.signal.best_step if self._analyzer.signal else None

    def know(self, facts: Facts) -> None:
        """Replace what is known of model, optimizer and data; integrations call this."""
        facts = facts.model_copy(update={"unmeasured": self.facts.unmeasured})
        if facts == self.facts:
            return
        self.facts = facts
        self._write("facts", facts)

    def cannot(self, id: str, reason: str | None) -> None:
        """Say among what was not judged that something could not be measured; integrations call this.

        Args:
            id: What it is: ``probe``, ``val_losses``.
            reason: Why, in one clause; None takes back what was said.
        """
        others = tuple(item for item in self.facts.unmeasured if item.id != id)
        unmeasured = others if reason is None else (*others, NotJudged(id=id, reason=reason))
        if unmeasured != self.facts.unmeasured:
            self.facts = self.facts.model_copy(update={"unmeasured": unmeasured})
            self._write("facts", self.facts)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values, to be saved in a checkpoint."""
        return self._analyzer.state_dict() | {"examples": self._sampler.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint. The journal is brought to the same state."""
        before = list(self._analyzer.history)
        self._analyzer.load_state_dict(state)
        self._sampler.load_state_dict(state.get("examples"))
        self._raised = self._now_raised(self._analyzer.findings(self.facts))
        now = list(self._analyzer.history)
        same = next(
            (i for i, (a, b) in enumerate(zip(before, now, strict=False)) if a != b), min(len(before), len(now))
        )
        name = self._analyzer.metrics.val or "loss"
        for evaluation in now[same:]:
            self._write("observation", as_observation(name, evaluation))

    def close(self) -> None:
        """Close the journal and all sinks; closing twice is fine."""
        for name, sink in self._sinks.items():
            if self._guard.on(name):
                with self._guard.protect(name, still=_STILL_JUDGED):
                    sink.close()
        self._sinks = {}
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log(self, observation: Observation) -> Diagnosis:
        stopped = self._analyzer.stop
        self._write("observation", observation)
        self._analyzer.update(observation)
        diagnosis = self.diagnosis
        raised = self._now_raised(diagnosis.findings)
        alerts = tuple(f for f in diagnosis.findings if (f.id, f.alarm_step) in raised - self._raised)
        self._raised = raised
        report = Report(
            observation=observation,
            diagnosis=diagnosis,
            gap=diagnosis.gap.raw,
            best=self._analyzer.best(),
            alerts=alerts,
            stop=self._analyzer.stop if stopped is None else None,
        )
        self._send(report)
        return diagnosis

    def _send(self, report: Report) -> None:
        for alert in report.alerts:
            logger.warning("overfit-monitor: step %s: %s: %s", report.observation.step, alert.id, alert.message)
            self._write("alert", alert)
        if report.stop is not None:
            logger.warning("overfit-monitor: step %s: stop: %s", report.stop.step, report.stop.message)
            self._write("stop", report.stop)
        for name, sink in self._sinks.items():
            if self._guard.on(name):
                with self._guard.protect(name, still=_STILL_JUDGED):
                    sink.write(report)

    def _write(self, kind: str, record: Any) -> None:
        if self._journal is not None and self._guard.on("journal"):
            with self._guard.protect("journal", still=_STILL_JUDGED):
                self._journal.write(kind, record)

    def _open_journal(self, run_dir: Path) -> None:
        path = run_dir / FILE_NAME
        if path.exists():
            for entry in read_journal(path):
                if entry.kind == "observation":
                    self._analyzer.update(Observation(**entry.record))
            self._raised = self._now_raised(self._analyzer.findings(self.facts))
        self._journal = Journal(run_dir)
        self._journal.write("start", {"config": self.config.model_dump()})
        self._journal.write("facts", self.facts)

    @staticmethod
    def _now_raised(findings: Iterable[Finding]) -> frozenset[tuple[str, int | None]]:
        return frozenset((f.id, f.alarm_step) for f in findings if f.severity != "info")


def diagnose(
    *,
    val: Sequence[float],
    train: Sequence[float] | None = None,
    steps: Sequence[int] | None = None,
    val_losses: Sequence[Any] | None = None,
    probe_losses: Sequence[Any] | None = None,
    facts: Facts | None = None,
    metric: str = "loss",
    mode: str = "min",
    **settings: Any,
) -> Diagnosis:
    """Diagnose a finished run from its curves.

    Args:
        val: Validation values, one for each evaluation.
        train: Train values, as many as ``val``; None where there are none.
        steps: Steps of the evaluations, as many as ``val``; None counts from 0.
        val_losses: Per-example values of the metric: as many rows as ``val``, each of the same examples
            in the same order.
        probe_losses: As many rows of a fixed part of the training set, measured as validation is.
        facts: What is known of model, optimizer and data.
        metric: Name of the metric, for messages.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        **settings: The other fields of `MonitorConfig`.

    Returns:
        The diagnosis, the very same as a `Monitor` that watched the run live.

    Raises:
        UsageError: The lengths differ, or a setting cannot be right.

    Example:
        >>> down, up = [1.0 / (1 + i) for i in range(30)], [0.1 + 0.01 * i for i in range(30)]
        >>> diagnose(train=down, val=down[:10] + up[:20]).verdict
        'overfitting'
    """
    examples = {"val_losses": val_losses, "probe_losses": probe_losses}
    for name, other in {"train": train, "steps": steps, **examples}.items():
        if other is not None and len(other) != len(val):
            raise UsageError(f"{name} must have as many values as val ({len(val)}) but has {len(other)}.")
    rows = {name: _rows(name, given, len(val)) for name, given in examples.items()}
    monitor = Monitor(facts=facts, metric=metric, mode=mode, **settings)
    return monitor.replay(
        monitor._sampler.observe(
            _observation(
                i if steps is None else steps[i], None if train is None else {metric: train[i]}, {metric: val[i]}, None
            ),
            rows["val_losses"][i],
            rows["probe_losses"][i],
            monitor._analyzer.metrics,
        )
        for i in range(len(val))
    )


def _rows(name: str, given: Sequence[Any] | None, n: int) -> Sequence[Any]:
    rows = [None] * n if given is None else [as_losses(row, name) for row in given]
    if len({len(row) for row in rows if row is not None}) > 1:
        raise UsageError(f"{name} must have as many values in each row.")
    return rows


def _observation(
    step: int,
    train: Mapping[str, Any] | None,
    val: Mapping[str, Any] | None,
    learning_rate: float | None,
    learning_rates: tuple[float, float] | None = None,
) -> Observation:
    return Observation(
        step=int(step),
        train=_floats("train", train),
        val=_floats("val", val),
        learning_rate=None if learning_rate is None else float(learning_rate),
        learning_rates=None if learning_rates is None else (float(learning_rates[0]), float(learning_rates[1])),
    )


def _floats(split: str, metrics: Mapping[str, Any] | None) -> dict[str, float]:
    values = {}
    for name, value in (metrics or {}).items():
        try:
            values[str(name)] = float(value)
        except (TypeError, ValueError):
            raise UsageError(f"{split} metric {name!r} must be a number but got {value!r}.") from None
    return values
