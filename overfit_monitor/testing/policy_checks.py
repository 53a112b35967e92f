"""What every stopping policy must pass, whatever its rule.

Each check takes what makes a policy (its class, or a function without arguments)
and raises `AssertionError` with the reason. They run over our own catalogue and
are meant for your policies as well:

    >>> from overfit_monitor.stopping import EvidenceStopping
    >>> for check in CHECKS:
    ...     check(EvidenceStopping)
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterable

from overfit_monitor.records import StopDecision
from overfit_monitor.signals import Signal
from overfit_monitor.stopping.base import StoppingPolicy
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import signals, stretches_of

Make = Callable[[], StoppingPolicy]
Check = Callable[[Make], None]

LATE = 6
"""Evaluations by which a missing value may put off a stop: a strip of five, and itself."""


def decisions(policy: StoppingPolicy, stream: Iterable[Signal], *, alarm: bool = False) -> list[StopDecision | None]:
    """Feed signals to a policy and return what it decided at each, after its first decision too."""
    return [policy.update(signal, alarm=alarm) for signal in stream]


def goes_on_at_the_first_value(make: Make) -> None:
    """One value is no reason to stop."""
    assert decisions(make(), signals([0.5], [0.5])) == [None], "it stopped at the first value"


def goes_on_while_validation_improves(make: Make) -> None:
    """Every evaluation is a clear new best."""
    down = [1.0 - 0.05 * i for i in range(40) if 1.0 - 0.05 * i > -0.99]
    assert not any(decisions(make(), signals(down, down))), "it stopped while every value was a new best"


def decides_from_the_prefix(make: Make) -> None:
    """What is decided at a step is the same whatever comes after."""
    for curve in _curves():
        whole = decisions(make(), signals(curve.val, curve.train))
        for n in (1, 7, 40, 79):
            assert decisions(make(), signals(curve.val[:n], curve.train[:n])) == whole[:n], curve.name


def continues_from_its_state(make: Make) -> None:
    """Saved half-way, sent through JSON and restored, it goes on as if nothing had happened."""
    for curve in _curves():
        stream = signals(curve.val, curve.train)
        whole = decisions(make(), stream)
        for half in (0, 3, 40):
            first, second = make(), make()
            decisions(first, stream[:half])
            saved = first.state_dict()
            kept = copy.deepcopy(saved)
            second.load_state_dict(json.loads(json.dumps(saved)))
            decisions(first, stream[half:])
            assert repr(saved) == repr(kept), "going on changed a state that was saved before"
            assert decisions(second, stream[half:]) == whole[half:], f"{curve.name} from step {half}"


def takes_many_at_once(make: Make) -> None:
    """Evaluations taken in together, up to the first decision, leave what one after another leaves."""
    for curve in _curves():
        for length in (1, 30):
            for alarm in (False, True):
                plain, together = make(), make()
                for part in stretches_of(curve, length):
                    expected = _first_of(plain.update(signal, alarm=alarm) for signal in part)
                    assert together.extend(part, [alarm] * len(part)) == expected, curve.name
                    assert repr(together.state_dict()) == repr(plain.state_dict()), curve.name


def does_not_depend_on_the_mode(make: Make) -> None:
    """A curve turned round with ``max`` is stopped where it was with ``min``."""
    for curve in _curves():
        turned = signals([-v for v in curve.val], [-v for v in curve.train], mode="max")
        plain = signals(curve.val, curve.train)
        assert _steps(decisions(make(), turned)) == _steps(decisions(make(), plain)), curve.name


def takes_no_non_finite_value_for_an_improvement(make: Make) -> None:
    """NaN and infinity break nothing, and do not put off a stop as a new best would."""
    curve = curves.overfit(80, sd=0.001)
    for bad in (math.nan, math.inf, -math.inf):
        decisions(make(), signals([bad] * 30, [bad] * 30))
        stopped = _first(decisions(make(), signals(curve.val, curve.train)))
        if stopped is None or stopped < LATE:
            continue
        val = list(curve.val)
        val[stopped - 2] = bad
        later = _first(decisions(make(), signals(val, curve.train)))
        assert later is not None, f"{bad} at step {stopped - 2} kept it from stopping"
        assert later <= stopped + LATE, f"{bad} at step {stopped - 2} put the stop off from {stopped} to {later}"


def takes_missing_train(make: Make) -> None:
    """Validation without train is judged, and breaks nothing."""
    for curve in _curves():
        decisions(make(), signals(curve.val))


def keeps_a_bounded_state(make: Make) -> None:
    """The state does not grow with the run."""
    policy, curve = make(), curves.plateau(2000)
    stream = signals(curve.val, curve.train)
    decisions(policy, stream[:500])
    early = len(json.dumps(policy.state_dict()))
    decisions(policy, stream[500:])
    assert len(json.dumps(policy.state_dict())) <= early + 200, "its state grows with the run"


def says_what_it_means(make: Make) -> None:
    """A decision carries its step, a finite value, a limit, a reason and what would have changed it."""
    for curve in _curves():
        stream = signals(curve.val, curve.train)
        for alarm in (False, True):
            for signal, decision in zip(stream, decisions(make(), stream, alarm=alarm), strict=True):
                if decision is not None:
                    assert decision.step == signal.step, f"decided at {signal.step} but says {decision.step}"
                    assert math.isfinite(decision.value), f"its value is {decision.value}"
                    assert decision.limit is not None, "it does not say its limit"
                    assert "would have" in decision.message, f"no word on what would have changed it: {decision}"


def _curves() -> list[curves.Curve]:
    return [make(80) for make in (curves.plateau, curves.falling, curves.step_schedule, curves.overfit)]


def _first_of(decided: Iterable[StopDecision | None]) -> StopDecision | None:
    return next((decision for decision in decided if decision is not None), None)


def _first(decided: Iterable[StopDecision | None]) -> int | None:
    return next((decision.step for decision in decided if decision is not None), None)


def _steps(decided: Iterable[StopDecision | None]) -> list[int]:
    return [decision.step for decision in decided if decision is not None]


CHECKS: tuple[Check, ...] = (
    goes_on_at_the_first_value,
    goes_on_while_validation_improves,
    decides_from_the_prefix,
    continues_from_its_state,
    takes_many_at_once,
    does_not_depend_on_the_mode,
    takes_no_non_finite_value_for_an_improvement,
    takes_missing_train,
    keeps_a_bounded_state,
    says_what_it_means,
)
