"""The facade: the one stateful object that a loop, a callback or a reader holds."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from overfit_monitor.advised import advised
from overfit_monitor.analyzer import Analyzer
from overfit_monitor.columns import columns_of
from overfit_monitor.config import MonitorConfig
from overfit_monitor.duplicates import Duplicates
from overfit_monitor.example_tables import ExampleNames, ExampleTables, example_tables
from overfit_monitor.facts import Facts
from overfit_monitor.given import as_name, as_numbers
from overfit_monitor.guard import Guard
from overfit_monitor.history import as_observation
from overfit_monitor.knowledge import changed, unmeasured, updated
from overfit_monitor.outlets import Outlets
from overfit_monitor.records import (
    AppliedChange,
    Diagnosis,
    Finding,
    Observation,
    Report,
)
from overfit_monitor.sampler import Sampler
from overfit_monitor.sinks import Sink

_STILL_TRAINED = "nothing is judged from here on"
_UNNAMED = "examples are told by their place"


class Monitor:
    """Watches one training run: takes in metrics, diagnoses, says when to stop.

    Args:
        run_dir: Folder of the run. A journal is written there, and alerts for TensorBoard where it
            is installed; a run found there is continued. None writes nothing.
        name: Name of the run where one program watches several, such as the two networks of a GAN: told in every
            message and in ``diagnosis.run``, and written into a folder of this name in ``run_dir``.
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
        name: str | None = None,
        facts: Facts | None = None,
        sinks: Mapping[str, Sink] | None = None,
        **settings: Any,
    ) -> None:
        self.config = MonitorConfig.build(settings)
        self.name = as_name(name)
        self.run_dir = None if run_dir is None else Path(run_dir, self.name or "")
        self.facts = facts or Facts()
        self._guard = Guard(strict=self.config.strict, name=self.name)
        self._analyzer = Analyzer(self.config)
        self._sampler = Sampler(self.config, self._guard)
        self._names = ExampleNames()
        self._told = ExampleTables()
        self._changed: list[AppliedChange] = []
        self._settings = self.config.model_dump(exclude_defaults=True, exclude={"strict"})
        self._outlets = Outlets(self.run_dir, sinks, self._guard)
        self._observed = 0
        for observation in self._outlets.earlier():
            self._take_in(observation)
        self._raised = self._now_raised()
        self._outlets.open({"start": {"config": self.config.model_dump()}, "facts": self.facts})

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
                observation = Observation(
                    step=int(step),
                    train=self._numbers("train", train),
                    val=self._numbers("val", val),
                    learning_rate=None if learning_rate is None else float(learning_rate),
                    learning_rates=None
                    if learning_rates is None
                    else (float(learning_rates[0]), float(learning_rates[1])),
                )
                return self._log(self.sampled(observation, val_losses, probe_losses))
        return self._analyzer.diagnosis(self.facts)

    def replay(self, observations: Iterable[Observation]) -> Diagnosis:
        """Take in a whole log at once and return the diagnosis at its end.

        The same as `log` for every observation, but nothing is written in between and
        errors are raised.
        """
        columns = columns_of(observations)
        if columns is not None:
            self._observed += len(columns)
            self._analyzer.replay(columns)
            return self.diagnosis
        for observation in observations:
            self._take_in(observation)
        return self.diagnosis

    def sampled(self, observation: Observation, val_losses: Any, probe_losses: Any) -> Observation:
        """Return the observation with what per-example losses tell, as `log` would take it in."""
        return self._sampler.observe(observation, val_losses, probe_losses, self._analyzer.metrics)

    @property
    def diagnosis(self) -> Diagnosis:
        """The diagnosis now, recommendations included."""
        return advised(self._analyzer, self.facts, self.name)

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
        facts = updated(self.facts, facts)
        if facts == self.facts:
            return
        self.facts = facts
        self._outlets.write("facts", facts)

    def know_duplicates(self, found: Duplicates) -> None:
        """Take in which validation examples are in the training set; `find_duplicates` finds them.

        Args:
            found: What was found.
        """
        n_val = found.n_val if self.facts.data.n_val is None else self.facts.data.n_val
        data = self.facts.data.model_copy(update={"duplicates": len(found.pairs), "n_val": n_val})
        self.know(self.facts.model_copy(update={"data": data}))

    def know_change(self, change: AppliedChange) -> None:
        """Take in that a recommendation was applied to the live training, or undone; integrations call this.

        Its rule is silent from then on, or speaks again; the journal and TensorBoard show when it was.

        Args:
            change: What was changed, as it was read back.
        """
        self.facts = changed(self.facts, change)
        self._changed.append(change)
        self._outlets.write("applied", change)
        self._outlets.write("facts", self.facts)

    def cannot(self, id: str, reason: str | None) -> None:
        """Say among what was not judged that something could not be measured; integrations call this.

        Args:
            id: What it is: ``probe``, ``val_losses``.
            reason: Why, in one clause; None takes back what was said.
        """
        facts = unmeasured(self.facts, id, reason)
        if facts != self.facts:
            self.facts = facts
            self._outlets.write("facts", facts)

    @property
    def examples(self) -> ExampleTables:
        """The examples and classes behind the validation value; empty where no per-example losses were logged."""
        if self._sampler.examples is None:
            return ExampleTables()
        loss = self.facts.loss
        return example_tables(
            self._sampler.examples,
            self._names,
            membership=self._analyzer.signal.membership if self._analyzer.signal else None,
            cross_entropy=loss is None or loss.classification is not False,
        )

    def describe_examples(
        self,
        *,
        val_labels: Any = None,
        val_names: Iterable[object] | None = None,
        probe_labels: Any = None,
        probe_names: Iterable[object] | None = None,
    ) -> None:
        """Say which examples the per-example losses are of, for the tables in `examples`.

        Args:
            val_labels: Class numbers in the order of ``val_losses``, an array or a tensor, shape (n,); None leaves
                what is known.
            val_names: Names in the same order, such as file names or indices in the data set.
            probe_labels: Class numbers in the order of ``probe_losses``, shape (m,).
            probe_names: Names in the same order.

        Raises:
            UsageError: With ``strict`` only; otherwise a warning is given, once.
        """
        if self._guard.on("example names"):
            with self._guard.protect("example names", still=_UNNAMED):
                self._names.describe("val", val_labels, val_names)
                self._names.describe("train", probe_labels, probe_names)

    def state_dict(self) -> dict[str, Any]:
        """Return everything that decides, as plain values, to be saved in a checkpoint."""
        return self._analyzer.state_dict() | {"examples": self._sampler.state_dict(), "observed": self._observed}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a checkpoint. The journal is brought to the same state."""
        self._analyzer.load_state_dict(state)
        self._sampler.load_state_dict(state.get("examples"))
        self._raised = self._now_raised()
        evaluations, written = list(self._analyzer.history), self._outlets.earlier()
        self._observed = int(state.get("observed", len(evaluations)))
        if self._observed <= len(written) and self._reached_by(written[: self._observed]):
            if self._observed < len(written):
                self._outlets.write("resume", {"observations": self._observed})
            return
        if written:
            self._outlets.write("resume", {"observations": 0})
        self._observed = len(evaluations)
        for evaluation in evaluations:
            self._outlets.write("observation", as_observation(self._analyzer.metrics.val or "loss", evaluation))

    def close(self) -> None:
        """Close the journal and all sinks; closing twice is fine."""
        self._write_examples()
        self._outlets.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _log(self, observation: Observation) -> Diagnosis:
        stopped, pool_size = self._analyzer.stop, self._analyzer.pool_size
        self._outlets.write("observation", observation, time=time.time())
        self._take_in(observation)
        diagnosis = self.diagnosis
        raised = _raised(diagnosis.findings)
        alerts = tuple(f for f in diagnosis.findings if (f.id, f.alarm_step) in raised - self._raised)
        if self._analyzer.pool_size != pool_size:  # judged anew: what stands as before may have another step now
            told = {id for id, _ in self._raised}
            alerts = tuple(f for f in alerts if f.id not in told)
        self._raised = raised
        report = Report(
            observation=observation,
            diagnosis=diagnosis,
            gap=diagnosis.gap.raw,
            best=self._analyzer.best(),
            alerts=alerts,
            stop=self._analyzer.stop if stopped is None else None,
            applied=tuple(self._changed),
            settings=self._settings,
        )
        report._examples = self._tables
        self._changed.clear()
        self._outlets.send(report)
        if report.alerts or report.stop:
            self._write_examples()
        return diagnosis

    def _write_examples(self) -> None:
        if self._guard.on("example tables"):
            with self._guard.protect("example tables", still="everything is judged"):
                tables = self.examples
                if tables != self._told:
                    self._told = tables
                    self._outlets.write("examples", tables)

    def _tables(self) -> ExampleTables:
        return self.examples

    def _take_in(self, observation: Observation) -> None:
        self._observed += 1
        self._analyzer.update(observation)

    def _reached_by(self, observations: Iterable[Observation]) -> bool:
        analyzer = Analyzer(self.config)
        for observation in observations:
            analyzer.update(observation)
        return repr(analyzer.state_dict()) == repr(self._analyzer.state_dict())  # repr: NaN is like itself here

    def _numbers(self, split: str, metrics: Mapping[str, Any] | None) -> dict[str, float]:
        return as_numbers(split, metrics, self.config.metric, self._guard.complain)

    def _now_raised(self) -> frozenset[tuple[str, int | None]]:
        return _raised(self._analyzer.findings(self.facts))


def _raised(findings: Iterable[Finding]) -> frozenset[tuple[str, int | None]]:
    return frozenset((f.id, f.alarm_step) for f in findings if f.severity != "info")
