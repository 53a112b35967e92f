"""Made runs come to a detector whole, and the common checks see what is wrong with one."""

import random
from dataclasses import dataclass, field, replace

import pytest

from overfit_monitor.records import Finding
from overfit_monitor.state import Stateful
from overfit_monitor.testing import curves, detector_checks
from overfit_monitor.testing.detector_checks import signals, signals_of


def test_signals_carry_learning_rates_and_the_other_metrics():
    curve = replace(
        curves.overconfident(5), learning_rate=[0.1, 0.1, 0.1, 0.01, 0.01], others={"accuracy": ([0.5] * 5, [0.25] * 5)}
    )
    last = signals_of(curve)[-1]
    assert (last.learning_rate, last.mode) == (0.01, "min")
    accuracy = last.others["accuracy"]
    assert (accuracy.mode, accuracy.val, accuracy.train, accuracy.best_step) == ("max", -0.25, -0.5, 0)


def test_signals_of_a_plain_curve_are_those_of_its_losses():
    curve = curves.plateau(30)
    assert signals_of(curve) == signals(curve.val, curve.train)
    turned = signals([-v for v in curve.val], [-v for v in curve.train], mode="max")
    assert signals_of(curve, mode="max") == turned


def test_a_metric_without_a_direction_is_refused():
    with pytest.raises(ValueError, match="'reward' does not tell"):
        signals_of(replace(curves.plateau(3), others={"reward": ([1.0] * 3, [1.0] * 3)}))


@dataclass
class _State:
    values: list = field(default_factory=list)
    asked: int = 0


def _finding(message="seen", severity="info", **fields):
    return Finding(id="made_up", severity=severity, message=message, **fields)


class Silent(Stateful):  # not a Detector by class, so that the catalogue of those stays what it is
    id = "made_up"

    def __init__(self):
        self.state = _State()

    def update(self, signal):
        pass

    def result(self, facts):
        return None


class Shouts(Silent):
    def result(self, facts):
        return _finding(severity="error")


class Hoards(Silent):
    def update(self, signal):
        self.state.values.append(signal.val)


class Counts(Silent):
    def result(self, facts):
        self.state.asked += 1
        return _finding(str(self.state.asked))


class Forgets(Silent):
    def __init__(self):
        super().__init__()
        self.seen = 0

    def update(self, signal):
        self.seen += 1

    def result(self, facts):
        return _finding(str(self.seen))


class Remembers(Silent):
    """Its state is handed out, not copied."""

    def update(self, signal):
        self.state.values[:] = [signal.step]

    def state_dict(self):
        return {"values": self.state.values, "asked": 0}


class Guesses(Silent):
    def result(self, facts):
        return _finding(str(random.random()))


class Signed(Silent):
    def update(self, signal):
        self.state.asked = int(signal.mode == "max")

    def result(self, facts):
        return _finding(str(self.state.asked))


class Backwards(Silent):
    def result(self, facts):
        return _finding(onset_step=9, alarm_step=3)


class Skips(Hoards):
    """It has a short cut that leaves values out."""

    def extend(self, stretch):
        self.update(stretch[-1])


class Breaks(Silent):
    def update(self, signal):
        self.state.asked = round(signal.val + (signal.train or 0.0))


class NeedsTrain(Silent):
    def update(self, signal):
        self.state.asked = round(signal.train) if signal.finite else 0


WRONG = {
    "is_silent_before_the_first_value": Shouts,
    "is_silent_on_one_point": Shouts,
    "is_silent_on_a_constant": Shouts,
    "is_silent_on_a_falling_curve": Shouts,
    "takes_missing_train": NeedsTrain,
    "takes_non_finite_values": Breaks,
    "does_not_depend_on_the_mode": Signed,
    "decides_from_the_prefix": Guesses,
    "looks_without_touching": Counts,
    "continues_from_its_state": Forgets,
    "takes_many_at_once": Skips,
    "keeps_a_bounded_state": Hoards,
    "says_what_it_means": Backwards,
}


@pytest.mark.parametrize("check", detector_checks.CHECKS, ids=lambda check: check.__name__)
def test_every_check_passes_the_right_and_sees_the_wrong(check):
    check(Silent)
    with pytest.raises((AssertionError, TypeError, ValueError, OverflowError)):
        check(WRONG[check.__name__])


def test_a_state_that_is_handed_out_is_seen():
    with pytest.raises(AssertionError, match="saved before"):
        detector_checks.continues_from_its_state(Remembers)
