"""Runs with several metrics."""

import pytest

from overfit_monitor.facts import Facts
from overfit_monitor.history import Evaluation
from overfit_monitor.metrics import direction
from overfit_monitor.signals import Signals


def _joint(val, train=None, *, mode="min", rates=None, **others):
    pairs = {name: given if isinstance(given, tuple) else (given, None) for name, given in others.items()}
    main, streams = Signals(mode=mode), {name: Signals(mode=direction(name)) for name in pairs}
    found = []
    for i, value in enumerate(val):
        rate = rates[i] if rates else None
        beside = {
            name: streams[name].update(Evaluation(i, one[i], None if other is None else other[i], rate))
            for name, (one, other) in pairs.items()
        }
        found.append(main.update(Evaluation(i, value, None if train is None else train[i], rate), beside))
    return found


def _last(detector, stream, facts=None):
    for signal in stream:
        detector.update(signal)
    return detector.result(facts or Facts())


@pytest.fixture
def joint():
    """Make signals; each further keyword is a list of validation values or a pair (validation, train)."""
    return _joint


@pytest.fixture
def last():
    """Feed signals to a detector and return what it says at the end."""
    return _last
