"""What stopping policies would have done with finished runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, NamedTuple

from overfit_monitor.analyzer import Analyzer
from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import OverfitMonitorError, UnreadableError, unknown_name
from overfit_monitor.history import as_observation
from overfit_monitor.policy import layered
from overfit_monitor.progress import Step
from overfit_monitor.readers import Run, read_runs
from overfit_monitor.readers.pairing import Names, place, words_of
from overfit_monitor.records import StopDecision
from overfit_monitor.reports.base import Unjudged
from overfit_monitor.reports.replay import PolicyFigures, PolicyStop, ReplayedRun, ReplayResult
from overfit_monitor.signals import Signal
from overfit_monitor.stopping import StoppingPolicy, own_units, parse_policy
from overfit_monitor.stopping.patience import PatienceStopping

DEFAULT_POLICIES = (
    "evidence",
    "patience:5",
    "patience:10",
    "patience:20",
    "patience:40",
    "gl:5",
    "pq:1",
    "up:3",
    "never",
)
TEST_NAMES = ("test_loss", "test/loss", "loss/test")
WITHIN = 0.01
LARGEST_REGRET = 1.0

Make = Callable[[], StoppingPolicy]
Truth = tuple[str, dict[int, float]]


class _Truths(NamedTuple):
    values: dict[tuple[str, str], Truth]
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class Course:
    """One run as a policy sees it.

    Attributes:
        name: Name of the run.
        source: File or folder it was read from.
        metric: Name of the validation metric.
        signals: Its evaluations.
        alarms: Whether the overfitting alarm stood at each.
        judged_by: What its checkpoints are judged by.
        truth: Oriented values of that, by step.
        decided: What was decided by policies that the monitor itself follows, by their text, in a run that is so long
            that it judges means of evaluations; the other policies are defined on single evaluations.
    """

    name: str
    source: str
    metric: str
    signals: Sequence[Signal]
    alarms: Sequence[bool]
    judged_by: str
    truth: Mapping[int, float]
    decided: Mapping[str, StopDecision | None] = field(default_factory=dict)
    lowest: float = field(init=False)

    def __post_init__(self) -> None:
        finite = [value for value in self.truth.values() if math.isfinite(value)]
        if not finite:
            raise UnreadableError(f"{self.judged_by!r} has no value at a step with validation")
        object.__setattr__(self, "lowest", min(finite))

    def kept(self, signal: Signal) -> int:
        """Return the step whose checkpoint is kept when training stops at this evaluation."""
        return self.signals[0].step if signal.best_step is None else signal.best_step

    def regret(self, signal: Signal) -> float:
        """Return how much worse that checkpoint is than the best one, relative to it and at most 1."""
        value = self.truth[self.kept(signal)]
        if value == self.lowest:
            return 0.0
        if not math.isfinite(value) or self.lowest == 0.0:
            return LARGEST_REGRET
        return min(LARGEST_REGRET, (value - self.lowest) / abs(self.lowest))


def replay(
    paths: Iterable[str | PathLike[str]],
    *,
    policies: Sequence[str] = DEFAULT_POLICIES,
    settings: Mapping[str, Any] | None = None,
    names: Names | None = None,
    truth: str | None = None,
    progress: Step | None = None,
) -> ReplayResult:
    """Replay stopping policies over every run in files and folders.

    Args:
        paths: Files and folders.
        policies: ``NAME`` or ``NAME:VALUE`` of `overfit_monitor.stopping.CATALOGUE`.
        settings: ``metric``, ``mode`` and ``false_alarm_rate`` of `MonitorConfig`; they go before those of a journal.
        names: What is compared with what, None to go by the names in the files.
        truth: Column or tag that checkpoints are judged by. None takes a test metric of the same kind
            (``test_loss`` beside ``val_loss``) where a log has one, or else the validation curve itself.
        progress: Called after each run with the number of runs replayed, their number in all, and its name.

    Returns:
        The figures; what could not be read is in its ``errors``, nothing is raised for it.

    Raises:
        UsageError: A policy or a setting is unknown or cannot be right.
    """
    made = {text: parse_policy(text) for text in dict.fromkeys(policies)}
    MonitorConfig.build(dict(settings or {}))
    paths = list(paths)
    runs, problems = read_runs(paths, names=names)
    errors = [Unjudged(source=problem.source, message=problem.message) for problem in problems]
    truths = _truths(paths, truth)
    courses: list[Course] = []
    for number, run in enumerate(runs, 1):
        try:
            courses.append(_course(run, settings or {}, truths, truth))
        except OverfitMonitorError as error:
            errors.append(Unjudged(source=run.source, run=run.name, message=str(error)))
        if progress is not None:
            progress(number, len(runs), run.name)
    return _result(courses, made, errors)


def _result(courses: Sequence[Course], made: Mapping[str, Make], errors: Sequence[Unjudged]) -> ReplayResult:
    stops = [tuple(_stop(text, make, course) for text, make in made.items()) for course in courses]
    best = _best_patience(courses) if courses else None
    return ReplayResult(
        outcome="error" if errors else "pass",
        policies=tuple(_figures(text, [s[i] for s in stops], courses) for i, text in enumerate(made))
        if courses
        else (),
        best_patience=best,
        best_patience_figures=None if best is None else _figures_of_patience(best, courses),
        runs=tuple(
            ReplayedRun(
                run=course.name,
                source=course.source,
                evaluations=len(course.signals),
                metric=course.metric,
                judged_by=course.judged_by,
                stops=stopped,
            )
            for course, stopped in zip(courses, stops, strict=True)
        ),
        errors=tuple(errors),
    )


def _course(run: Run, settings: Mapping[str, Any], truths: _Truths, asked: str | None) -> Course:
    wanted = ("metric", "mode", "false_alarm_rate")
    config = MonitorConfig.build(
        {name: value for name, value in layered(run.settings, settings).items() if name in wanted}
    )
    first = Analyzer(config)
    first.replay(run.observations)
    metric = first.metrics.val
    if metric is None or first.signal is None or first.signal.best_step is None:
        raise UnreadableError("no finite validation value was found")
    again, signals, alarms = Analyzer(config), [], []
    for evaluation in first.history:
        again.update(as_observation(metric, evaluation))
        if again.signal is not None:
            signals.append(again.signal)
            alarms.append(again.alarm)
    seen = {signal.step: signal.val for signal in signals}
    judged_by, values = _judge(run, metric, truths, asked)
    told = {step: own_units(values.get(step, math.nan), first.metrics.mode) for step in seen}
    if asked is None and (told == seen or not all(map(math.isfinite, told.values()))):
        judged_by, told = "validation", seen
    decided = {DEFAULT_POLICIES[0]: first.stop} if first.pool_size > 1 else {}
    return Course(run.name, run.source, metric, signals, alarms, judged_by, told, decided)


def _judge(run: Run, metric: str, truths: _Truths, asked: str | None) -> Truth:
    """Return what the checkpoints of a run are judged by, and its values by step; none for the validation curve."""
    names = {name for observation in run.observations for name in observation.val}
    beside = names & {asked} if asked else {name for name in names if _tests(name, metric)}
    if beside:
        name = min(beside)
        return name, {o.step: o.val[name] for o in run.observations if name in o.val}
    if (run.source, run.name) in truths.values:
        return truths.values[run.source, run.name]
    if asked is not None:
        raise UnreadableError(truths.problems.get(run.source) or unknown_name("name", asked, names))
    return "validation", {}


def _tests(name: str, metric: str) -> bool:
    words = words_of(name)
    return "test" in words and [word for word in words if word != "test"] == words_of(metric)


def _truths(paths: Sequence[str | PathLike[str]], asked: str | None) -> _Truths:
    """Read the test metric of files with columns or tags; automatic names that are not there are passed over."""
    found: dict[tuple[str, str], Truth] = {}
    problems: dict[str, str] = {}
    for name in (asked,) if asked else TEST_NAMES:
        told = place(name)
        metric = told.metric if told else name
        runs, wrong = read_runs(paths, names=Names(val=name))
        problems |= {problem.source: problem.message for problem in wrong}
        for run in runs:
            values = {o.step: o.val[metric] for o in run.observations if metric in o.val}
            if values:
                found.setdefault((run.source, run.name), (name, values))
    return _Truths(found, problems)


def _stop(text: str, make: Make, course: Course) -> PolicyStop:
    decision, signal = _decision(text, make, course)
    return PolicyStop(
        policy=text,
        stop_step=None if decision is None else decision.step,
        best_step=course.kept(signal),
        regret=course.regret(signal),
        message="" if decision is None else decision.message,
    )


def _decision(text: str, make: Make, course: Course) -> tuple[StopDecision | None, Signal]:
    """Return what a policy decided, and the evaluation at which it did, or else the last."""
    if text in course.decided:
        found = course.decided[text]
        step = course.signals[-1].step if found is None else found.step
        return found, next(signal for signal in course.signals if signal.step == step)
    policy = make()
    for signal, alarm in zip(course.signals, course.alarms, strict=True):
        decision = policy.update(signal, alarm=alarm)
        if decision is not None:
            return decision, signal
    return None, course.signals[-1]


def _figures(text: str, stops: Sequence[PolicyStop], courses: Sequence[Course]) -> PolicyFigures:
    used, wasted = [], []
    for stop, course in zip(stops, courses, strict=True):
        places = {signal.step: i for i, signal in enumerate(course.signals)}
        last = len(places) - 1 if stop.stop_step is None else places[stop.stop_step]
        used.append((last + 1) / len(places))
        wasted.append(last - places[stop.best_step])
    return PolicyFigures(
        policy=text,
        regret=_mean([stop.regret for stop in stops]),
        within=_mean([float(stop.regret <= WITHIN) for stop in stops]),
        epochs=_mean(used),
        wasted=_mean(wasted),
        stopped=sum(stop.stop_step is not None for stop in stops),
    )


def _figures_of_patience(patience: int, courses: Sequence[Course]) -> PolicyFigures:
    text = f"patience:{patience}"
    make = lambda: PatienceStopping(patience=patience)  # noqa: E731
    return _figures(text, [_stop(text, make, course) for course in courses], courses)


def _best_patience(courses: Sequence[Course]) -> int:
    """Return the smallest patience whose mean regret is at most 0.01 above that of never stopping.

    Mean regret need not fall with patience where the truth is a test metric, so every patience is tried.
    """
    reached = [_regret_by_patience(course) for course in courses]
    longest = max(map(len, reached))
    never = _mean([regrets[-1] for regrets in reached])
    return next(
        patience
        for patience in range(1, longest + 1)
        if _mean([regrets[min(patience, len(regrets)) - 1] for regrets in reached]) <= never + WITHIN
    )


def _regret_by_patience(course: Course) -> list[float]:
    """Return the regret of patience 1, 2, … as `PatienceStopping` counts it; the last is that of every larger one."""
    regrets: list[float] = []
    best, wait = math.inf, 0
    for signal in course.signals:
        wait += 1
        if signal.finite and signal.val < best:
            best, wait = signal.val, 0
        elif wait > 1 or math.isfinite(best):
            regrets += [course.regret(signal)] * (wait - len(regrets))
    return [*regrets, course.regret(course.signals[-1])]


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)
