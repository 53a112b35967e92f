"""What every detector must pass, whatever it looks for.

Each check takes a detector class and raises `AssertionError` with the reason.
They run over our own catalogue and are meant for your detectors as well:

    >>> from overfit_monitor.detectors import Plateau
    >>> for check in CHECKS:
    ...     check(Plateau)
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from overfit_monitor.detectors.base import Detector
from overfit_monitor.facts import Facts
from overfit_monitor.history import Evaluation
from overfit_monitor.metrics import direction
from overfit_monitor.records import Finding, Mode, NotJudged
from overfit_monitor.rows import Rows
from overfit_monitor.signals import Signal, Signals, Stretch
from overfit_monitor.testing import curves

Result = Finding | NotJudged | None
Check = Callable[[type[Detector]], None]

UNKNOWN = Facts()


def signals(val: Sequence[float], train: Sequence[float] | None = None, *, mode: Mode = "min") -> list[Signal]:
    """Return the signals of a run from its curves, steps counted from 0."""
    stream = Signals(mode=mode)
    return [
        stream.update(Evaluation(step, value, None if train is None else train[step])) for step, value in enumerate(val)
    ]


def signals_of(curve: curves.Curve, *, mode: Mode = "min") -> list[Signal]:
    """Return the signals of a made run, with its learning rates and its other metrics.

    Args:
        curve: The run.
        mode: ``max`` turns its losses round first, which must change nothing but the mode of the signals.

    Raises:
        ValueError: The name of one of the other metrics does not tell whether lower is better.
    """
    sign = -1.0 if mode == "max" else 1.0
    main = Signals(mode=mode)
    beside = {name: Signals(mode=_direction(name)) for name in curve.others}
    found = []
    for step, (train, val) in enumerate(zip(curve.train, curve.val, strict=True)):
        rate = None if curve.learning_rate is None else curve.learning_rate[step]
        others = {
            name: beside[name].update(Evaluation(step, other_val[step], other_train[step], rate))
            for name, (other_train, other_val) in curve.others.items()
        }
        found.append(main.update(Evaluation(step, sign * val, sign * train, rate), others))
    return found


def stretches_of(curve: curves.Curve, length: int) -> list[Stretch]:
    """Return the signals of a made run in stretches of a length, as a replay hands them in."""
    main, beside = Signals(), {name: Signals(mode=_direction(name)) for name in curve.others}
    found = []
    for start in range(0, len(curve.val), length):
        part = slice(start, start + length)
        steps = list(range(len(curve.val)))[part]
        rates: list[float | None] | None = None if curve.learning_rate is None else [*curve.learning_rate[part]]
        others = {
            name: beside[name].extend(Rows(steps, list(val[part]), list(train[part]), rates))
            for name, (train, val) in curve.others.items()
        }
        found.append(main.extend(Rows(steps, curve.val[part], curve.train[part], rates), others))
    return found


def results(detector: Detector, stream: Iterable[Signal], *, facts: Facts = UNKNOWN) -> list[Result]:
    """Feed signals to a detector and return its result after each."""
    out = []
    for signal in stream:
        detector.update(signal)
        out.append(detector.result(facts))
    return out


def _direction(name: str) -> Mode:
    mode = direction(name)
    if mode is None:
        raise ValueError(f"the name of metric {name!r} does not tell whether lower is better.")
    return mode


def raised(found: Iterable[Result]) -> bool:
    """Return whether any result is a warning or an error."""
    return any(isinstance(result, Finding) and result.severity != "info" for result in found)


def is_silent_before_the_first_value(detector: type[Detector]) -> None:
    """Nothing seen, nothing found."""
    assert not raised([detector().result(UNKNOWN)]), "it raised an alarm before it saw anything"


def is_silent_on_one_point(detector: type[Detector]) -> None:
    """One point is no curve."""
    assert not raised(results(detector(), signals([0.5], [0.5]))), "it raised an alarm on one point"


def is_silent_on_a_constant(detector: type[Detector]) -> None:
    """A constant curve is healthy, at any value, zero and negative ones included."""
    for value in (0.0, 1.0, -1.0, 1e-300, 1e300):
        found = results(detector(), signals([value] * 60, [value] * 60))
        assert not raised(found), f"it raised an alarm on a constant {value}"


def is_silent_on_a_falling_curve(detector: type[Detector]) -> None:
    """A curve that only improves is healthy, below zero as well."""
    down = [1.0 - 0.05 * i for i in range(60)]
    assert not raised(results(detector(), signals(down, down))), "it raised an alarm on a falling curve"


def takes_missing_train(detector: type[Detector]) -> None:
    """Validation without train is judged or refused, and never breaks anything."""
    for make in curves.CATALOGUE:
        results(detector(), signals(make().val))


def takes_non_finite_values(detector: type[Detector]) -> None:
    """NaN and infinity at any place never improve anything and never break anything."""
    curve = curves.overfit(60)
    for bad in (math.nan, math.inf, -math.inf):
        for at in (0, 1, 30, 59):
            val, train = list(curve.val), list(curve.train)
            val[at] = train[at] = bad
            for signal in signals(val, train):
                assert signal.best >= min(curve.val), f"{bad} at step {at} counted as an improvement"
            for result in results(detector(), signals(val, train)):
                _is_sound(result)
        results(detector(), signals([bad] * 30, [bad] * 30))


def does_not_depend_on_the_mode(detector: type[Detector]) -> None:
    """A curve turned round with ``max`` gives what it gave with ``min``."""
    for make in curves.CATALOGUE:
        curve = make()
        alone = replace(curve, others={})
        turned = results(detector(), signals_of(alone, mode="max"))
        assert turned == results(detector(), signals_of(alone)), curve.name


def decides_from_the_prefix(detector: type[Detector]) -> None:
    """What is said at a step is the same whatever comes after."""
    for make in curves.CATALOGUE:
        curve = make(80)
        stream = signals_of(curve)
        whole = results(detector(), stream, facts=curve.facts)
        for n in (1, 7, 40, 79):
            assert results(detector(), stream[:n], facts=curve.facts) == whole[:n], curve.name


def looks_without_touching(detector: type[Detector]) -> None:
    """Asking for the result once, often or never changes nothing."""
    curve = curves.overfit(80)
    asked, unasked = detector(), detector()
    results(asked, signals(curve.val, curve.train))
    for signal in signals(curve.val, curve.train):
        unasked.update(signal)
    assert asked.result(UNKNOWN) == unasked.result(UNKNOWN) == unasked.result(UNKNOWN), "result() changed the detector"


def continues_from_its_state(detector: type[Detector]) -> None:
    """Saved half-way, sent through JSON and restored, it goes on as if nothing had happened."""
    for make in curves.CATALOGUE:
        curve = make(80)
        stream = signals_of(curve)
        whole = results(detector(), stream)
        for half in (0, 3, 40):
            first, second = detector(), detector()
            results(first, stream[:half])
            saved = first.state_dict()
            kept = copy.deepcopy(saved)
            second.load_state_dict(json.loads(json.dumps(saved)))
            results(first, stream[half:])
            assert repr(saved) == repr(kept), "going on changed a state that was saved before"
            assert results(second, stream[half:]) == whole[half:], f"{curve.name} from step {half}"


def takes_many_at_once(detector: type[Detector]) -> None:
    """Evaluations taken in together, in stretches of any length, leave what one after another leaves."""
    if getattr(detector, "extend", Detector.extend) is Detector.extend:
        return  # it takes them in one after another
    for make in curves.CATALOGUE:
        curve = make(80, seed=3)
        for length in (9, 60):
            plain, together = detector(), detector()
            for part in stretches_of(curve, length):
                for signal in part:
                    plain.update(signal)
                together.extend(part)
                told = f"{curve.name}, up to step {part[-1].step} in stretches of {length}"
                assert together.result(curve.facts) == plain.result(curve.facts), told
                assert repr(together.state_dict()) == repr(plain.state_dict()), told


def keeps_a_bounded_state(detector: type[Detector]) -> None:
    """The state does not grow with the run."""
    found = detector()
    curve = curves.plateau(2000)
    stream = signals(curve.val, curve.train)
    results(found, stream[:500])
    early = len(json.dumps(found.state_dict()))
    results(found, stream[500:])
    assert len(json.dumps(found.state_dict())) <= 1.2 * early + 200, "its state grows with the run"


def says_what_it_means(detector: type[Detector]) -> None:
    """Findings carry the detector's id, a sentence, and steps in order."""
    for make in curves.CATALOGUE:
        curve = make()
        for result in results(detector(), signals_of(curve), facts=curve.facts):
            _is_sound(result)
            if result is not None:
                assert result.id == detector.id, f"{result.id} is not {detector.id}"
            if isinstance(result, Finding) and result.onset_step is not None and result.alarm_step is not None:
                assert result.onset_step <= result.alarm_step, "the onset comes after the alarm"


def _is_sound(result: Result) -> None:
    if isinstance(result, Finding):
        assert result.message, "a finding without a message"
        numbers = [value for value in result.evidence.values() if isinstance(value, float)]
        assert all(map(math.isfinite, numbers)), f"evidence that is not finite: {result.evidence}"


CHECKS: tuple[Check, ...] = (
    is_silent_before_the_first_value,
    is_silent_on_one_point,
    is_silent_on_a_constant,
    is_silent_on_a_falling_curve,
    takes_missing_train,
    takes_non_finite_values,
    does_not_depend_on_the_mode,
    decides_from_the_prefix,
    looks_without_touching,
    continues_from_its_state,
    takes_many_at_once,
    keeps_a_bounded_state,
    says_what_it_means,
)
