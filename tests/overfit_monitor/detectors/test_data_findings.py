"""Underfitting, noise, shift, leakage, artefacts, instability: runs small enough to check by hand."""

import math

import numpy as np
import pytest

from overfit_monitor import Monitor
from overfit_monitor.detectors import (
    Instability,
    LeakageSuspected,
    MeasurementArtefact,
    NoisyValidation,
    TrainValShift,
    Underfitting,
)
from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts
from overfit_monitor.records import Finding, Sampling
from overfit_monitor.testing.detector_checks import results, signals

UNKNOWN = Facts()
ALIKE = Facts(like_for_like=True)
TEN = Facts(data=DataFacts(classes=10))
DOWN = [2.0 - 0.05 * i for i in range(30)]
FLAT = [1.0] * 30


def found(detector, val, train=None, facts=UNKNOWN):
    return results(detector(), signals(val, train), facts=facts)[-1]


def wiggle(level, size, n=30):
    return [level + (size if i % 2 else -size) for i in range(n)]


# Guessing among ten classes costs ln 10 = 2.303; 2.29 is within 2 % of it, and 2.3 gained only 0.4 %.
@pytest.mark.parametrize(
    ("train", "facts", "severity"),
    [
        pytest.param(wiggle(2.295, 0.005), TEN, "error", id="stuck at the known level of guessing"),
        pytest.param(wiggle(2.295, 0.005), Facts(), "warning", id="stuck at what ten classes would cost"),
        pytest.param(wiggle(2.9, 0.005), TEN, "info", id="hardly learning, at another level"),
        pytest.param([2.3 - 0.004 * i for i in range(25)], TEN, "info", id="at the level, and on its way down"),
        pytest.param(DOWN, Facts(), "info", id="still falling as fast as ever"),
        pytest.param(DOWN[:20] + [1.05] * 40, Facts(), None, id="came down, and stands"),
        pytest.param(FLAT, Facts(), None, id="a constant says nothing"),
    ],
)
def test_underfitting(train, facts, severity):
    result = found(Underfitting, train, train, facts)
    assert (result and result.severity) == severity


def test_stuck_is_the_verdict_where_the_classes_are_known():
    monitor = Monitor(facts=TEN)
    for step, value in enumerate(wiggle(2.3, 0.005)):
        diagnosis = monitor.log(step=step, train={"loss": value}, val={"loss": value})
    assert diagnosis.verdict == "underfitting"
    assert diagnosis.finding("underfitting").evidence["classes"] == 10


def swing(level, size, n=30):
    return [level + size * (i % 3 - 1) for i in range(n)]


# Steps of size, size and twice that: the median step over 0.954 is the noise, 1.05 times the size.
@pytest.mark.parametrize(
    ("val", "severity"),
    [
        pytest.param(swing(1.0, 0.04), None, id="noise of 4 %"),
        pytest.param(swing(1.0, 0.1), "info", id="noise of 10 %"),
        pytest.param(swing(1.0, 0.4), "info", id="noise of 40 %, and no rise to judge"),
        pytest.param(swing(1.0, 0.4) + swing(1.2, 0.4), "warning", id="noise of 40 %, and perhaps a rise"),
        pytest.param([3.0 - 0.1 * i for i in range(60)], None, id="a line through zero has no noise"),
    ],
)
def test_noisy_validation(val, severity):
    result = found(NoisyValidation, val)
    assert (result and result.severity) == severity


# Noise of 0.2 / 0.954 = 21 % of the level, wanted 4 %: (0.2096 / 0.04)^2 = 27.5 times 100 examples, 2748 in all.
@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (Facts(data=DataFacts(n_val=100)), "About 2748 examples would do, if all of it is sampling error."),
        (Facts(), "It would take about 27 times as many examples"),
    ],
)
def test_how_many_examples_would_do(facts, words):
    assert words in found(NoisyValidation, swing(1.0, 0.2), facts=facts).message


# With per-example losses: standard error 0.02 of a level of 1, wanted 0.04: the set is large enough as it is.
def test_what_per_example_losses_say_goes_before_the_curve():
    detector = NoisyValidation()
    for signal in signals(wiggle(1.0, 0.1)):
        detector.update(signal._replace(sampling=Sampling(n=100, standard_error=0.02)))
    assert "large enough" in detector.result(Facts()).message


@pytest.mark.parametrize(
    ("val", "train", "facts", "severity"),
    [
        pytest.param([v + 0.6 for v in DOWN], DOWN, ALIKE, "warning", id="a constant gap of a quarter, alike"),
        pytest.param([v + 0.6 for v in DOWN], DOWN, Facts(), "info", id="the same, unlike perhaps"),
        pytest.param([v + 0.02 * i for i, v in enumerate(DOWN)], DOWN, ALIKE, None, id="a gap that grows"),
        pytest.param([v + 0.1 for v in DOWN], DOWN, ALIKE, None, id="a gap of 5 %"),
        pytest.param([1.6] * 30, FLAT, ALIKE, None, id="train learned nothing"),
    ],
)
def test_shift(val, train, facts, severity):
    result = found(TrainValShift, val, train, facts)
    assert (result and result.severity) == severity


@pytest.mark.parametrize(
    ("factor", "facts", "severity"),
    [
        pytest.param(0.7, ALIKE, "warning", id="30 % better, measured alike"),
        pytest.param(0.7, Facts(), None, id="30 % better, which dropout may explain"),
        pytest.param(0.4, Facts(), "info", id="60 % better"),
        pytest.param(0.9, ALIKE, None, id="10 % better"),
        pytest.param(1.2, ALIKE, None, id="worse"),
    ],
)
def test_leakage(factor, facts, severity):
    train = wiggle(1.0, 0.01)
    result = found(LeakageSuspected, [factor * v for v in train], train, facts)
    assert (result and result.severity) == severity


def test_an_artefact_names_what_is_known_to_be_on():
    facts = Facts(
        layers=(LayerFacts(name="drop", kind="dropout", rate=0.5),),
        loss=LossFacts(name="CrossEntropyLoss", label_smoothing=0.1, penalty=True),
        data=DataFacts(augmented=True),
    )
    train = wiggle(1.0, 0.01)
    val = [v - 0.2 for v in train]
    result = found(MeasurementArtefact, val, train, facts)
    for words in ("dropout of 0.5", "augmentation", "label smoothing of 0.1", "a penalty term in the train loss"):
        assert words in result.message
    assert isinstance(found(MeasurementArtefact, val, train), Finding)
    assert found(MeasurementArtefact, val, train, ALIKE) is None
    assert found(MeasurementArtefact, [v + 0.2 for v in train], train) is None


CALM = [1.0, 1.01, 0.99, 1.0, 1.01, 0.99]


@pytest.mark.parametrize(
    ("val", "count"),
    [
        pytest.param([*CALM, 3.0, *CALM, 3.0, *CALM, 3.0, *CALM], 3, id="three spikes"),
        pytest.param([*CALM, 3.0, 2.9, *CALM, 3.0, *CALM, 3.0, *CALM], 3, id="one of two evaluations"),
        pytest.param([*CALM, 3.0, *CALM, 3.0, *CALM], None, id="two spikes"),
        pytest.param(CALM + [3.0] * 30, None, id="it does not come back"),
        pytest.param([*CALM, 1.3, *CALM, 1.3, *CALM, 1.3, *CALM], None, id="30 % is no spike"),
    ],
)
def test_instability(val, count):
    result = found(Instability, val)
    assert (result and result.evidence["validation_spikes"]) == count
    if result:
        assert (result.onset_step, result.evidence["highest"]) == (6, pytest.approx(2.0, abs=0.02))
        assert math.isclose(result.evidence["train_spikes"], 0)


def probed(n=30, *, val, train, probe, every=1, spread=0.05):
    """Return the diagnosis of a run whose probe and validation examples lie evenly around these means."""
    monitor, around = Monitor(), np.linspace(-spread, spread, 101)
    for step in range(n):
        losses = {"val_losses": val(step) + around}
        if step % every == 0:
            losses["probe_losses"] = probe(step) + around
        diagnosis = monitor.log(step=step, train={"loss": train(step)}, **losses)
    return diagnosis


def falling(step):
    return 1.0 - 0.02 * step


def test_the_artefact_is_told_where_the_probe_measures_it():
    # Logged train .3 above the probe: dropout. The raw gap of .1 hides a real one of .4.
    diagnosis = probed(val=lambda s: falling(s) + 0.4, train=lambda s: falling(s) + 0.3, probe=falling)
    finding = diagnosis.finding("measurement_artefact")
    assert finding.evidence["raw_gap"] == pytest.approx(0.1)
    assert finding.evidence["like_for_like_gap"] == pytest.approx(0.4)
    assert finding.evidence["artefact"] == pytest.approx(-0.3)
    assert "hides a part of it" in finding.message
    assert (finding.onset_step, finding.alarm_step, finding.severity) == (0, 2, "info")


def test_without_an_artefact_nothing_is_said_even_where_validation_leads():
    diagnosis = probed(val=lambda s: falling(s) - 0.1, train=falling, probe=falling)
    assert diagnosis.finding("measurement_artefact") is None


def test_a_lead_over_the_probe_is_a_warning_and_one_over_the_logged_train_alone_is_not():
    wiggly = lambda s: 0.5 + 0.001 * (s % 2)  # noqa: E731
    leak = probed(val=wiggly, train=lambda s: 1.0, probe=lambda s: 0.9).finding("leakage_suspected")
    assert leak.severity == "warning"
    assert leak.evidence["lead"] == pytest.approx(0.4, abs=0.01)
    fine = probed(val=wiggly, train=lambda s: 2.0, probe=lambda s: 0.45)
    assert fine.finding("leakage_suspected") is None


def test_a_leak_is_seen_where_validation_does_not_move_at_all():
    leak = probed(val=lambda s: 0.5, train=lambda s: 1.0, probe=lambda s: 0.9).finding("leakage_suspected")
    assert leak is not None  # a noise of zero is known, and not the same as an unknown one


@pytest.mark.parametrize("every", [1, 2])
def test_a_shift_beside_the_probe_is_a_warning(every):
    shifted = probed(
        n=60,
        val=lambda s: falling(s / 3) + 0.5 + 0.001 * (s % 2),
        train=lambda s: falling(s / 3) + 0.5,  # with dropout, so that the logged gap is none
        probe=lambda s: falling(s / 3),
        every=every,
    ).finding("train_val_shift")
    assert shifted.severity == "warning"
    assert shifted.evidence["first_gap"] == pytest.approx(0.5, abs=0.05)


def test_memorization_names_what_losses_tell():
    diagnosis = probed(n=40, val=lambda s: 1.0 + 0.02 * s, train=lambda s: 0.0 if s else 1.0, probe=lambda s: 0.01)
    finding = diagnosis.finding("memorization")
    assert finding.evidence["membership_auc"] == 1.0
    assert "the loss alone tells train from validation, with an AUC of 1.00" in " ".join(finding.speaks_for)
