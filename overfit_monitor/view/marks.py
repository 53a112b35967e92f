"""What is marked on the curves of a run, each with a title and a sentence that explains it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple

import numpy as np

from overfit_monitor.detectors.overfitting.conditions import RESTART
from overfit_monitor.diagnosis import decide
from overfit_monitor.records import AppliedChange
from overfit_monitor.view.series import Curve
from overfit_monitor.view.shown import ShownRun

Kind = Literal["best", "onset", "alarm", "stop", "alert", "learning_rate", "restart", "applied"]
MOST_OF_A_KIND = 20


class Mark(NamedTuple):
    """One mark: at a step, or from one step to another."""

    kind: Kind
    step: int
    title: str
    text: str
    to_step: int | None = None


def marks(shown: ShownRun) -> list[dict[str, Any]]:
    """Return the marks of a run, sorted by step."""
    found = [*_best(shown), *_onset(shown), *_alarms(shown), *_stop(shown), *_alerts(shown)]
    found += [*_rates(shown.curves.learning_rate), *_restarts(shown), *_applied(shown)]
    return [mark._asdict() for mark in sorted(found, key=lambda mark: (mark.step, mark.kind))]


def _best(shown: ShownRun) -> Iterator[Mark]:
    diagnosis = shown.diagnosis
    if diagnosis.best_step is None or diagnosis.best_value is None:
        return
    which = "highest" if diagnosis.metrics.mode == "max" else "lowest"
    text = f"The {which} {diagnosis.metrics.val}, {diagnosis.best_value:.4g}: the checkpoint to keep."
    yield Mark("best", diagnosis.best_step, f"Best: step {diagnosis.best_step}", text)


def _onset(shown: ShownRun) -> Iterator[Mark]:
    diagnosis = shown.diagnosis
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    if decisive is None or diagnosis.onset_step is None:
        return
    first, last = decisive.onset_range or (diagnosis.onset_step, diagnosis.onset_step)
    name = _words(decisive.id)
    text = f"{name.capitalize()} most likely began at step {diagnosis.onset_step}"
    text += f"; the noise leaves open where between {first} and {last}." if last > first else "."
    yield Mark("onset", first, f"Onset: step {diagnosis.onset_step}", text, last if last > first else None)


def _alarms(shown: ShownRun) -> Iterator[Mark]:
    told = [f for f in shown.diagnosis.findings if f.severity != "info" and f.alarm_step is not None]
    for finding in told[:MOST_OF_A_KIND]:
        step, name = finding.alarm_step or 0, _words(finding.id)
        text = f"The first step at which somebody watching could have been told: {finding.message}"
        yield Mark("alarm", step, f"Alarm: {name}, step {step}", text)


def _stop(shown: ShownRun) -> Iterator[Mark]:
    step = shown.diagnosis.stop_step
    if step is None:
        return
    decided = shown.stop is not None and shown.stop.step == step
    text = shown.stop.message if shown.stop and decided else "Where the stopping policy would have ended this run."
    yield Mark("stop", step, f"Stop: step {step}", text)


def _alerts(shown: ShownRun) -> Iterator[Mark]:
    for alert in (shown.alerts or ())[-MOST_OF_A_KIND:]:
        step = getattr(alert, "step", alert.alarm_step)
        if step is not None:
            yield Mark("alert", step, f"Alert: {_words(alert.id)}, step {step}", f"Raised live: {alert.message}")


def _rates(rate: Curve) -> Iterator[Mark]:
    """Mark the largest of the changes by half or more, which is what begins a new phase for the detectors."""
    known = np.flatnonzero(np.isfinite(rate.values) & (rate.values > 0.0))
    values, steps = rate.values[known], rate.steps[known]
    sizes = np.abs(np.diff(np.log(values)))
    places = np.flatnonzero(sizes >= math.log(RESTART) - 1e-9)
    for place in sorted(places[np.argsort(-sizes[places], kind="stable")][:MOST_OF_A_KIND].tolist()):
        before, now, step = float(values[place]), float(values[place + 1]), int(steps[place + 1])
        yield Mark(
            "learning_rate",
            step,
            f"Learning rate: step {step}",
            f"The learning rate {'fell' if now < before else 'rose'} from {before:.3g} to {now:.3g}.",
        )


def _restarts(shown: ShownRun) -> Iterator[Mark]:
    for step, before in _latest(shown.curves.restarts):
        text = f"The step went back from {before} to {step}: taken up again. What was there before is left out."
        yield Mark("restart", step, f"Restart: step {step}", text)


def _applied(shown: ShownRun) -> Iterator[Mark]:
    start = int(shown.curves.val.steps[0]) if len(shown.curves.val) else 0
    for change in _latest(shown.applied):
        step = start if change.step is None else change.step
        when = "at the start" if change.step is None else f"after step {step}"
        yield Mark("applied", step, f"Applied: {_words(change.id)}", f"Changed {when}: {_values(change)}.")
        if change.undone_step is not None:
            text = f"Put back after step {change.undone_step}: {_values(change)}."
            yield Mark("applied", change.undone_step, f"Undone: {_words(change.id)}", text)


def _values(change: AppliedChange) -> str:
    return ", ".join(f"{_words(name)} {change.before.get(name)} → {value}" for name, value in change.after.items())


def _latest(items: Iterable[Any]) -> list[Any]:
    return list(items)[-MOST_OF_A_KIND:]


def _words(id: str) -> str:
    return id.replace("_", " ")
