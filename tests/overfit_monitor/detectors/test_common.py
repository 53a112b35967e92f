"""Every detector of the catalogue faces every common check."""

import importlib
import pkgutil

import pytest

from overfit_monitor import detectors
from overfit_monitor.detectors import CATALOGUE, Detector
from overfit_monitor.records import Finding
from overfit_monitor.testing import curves
from overfit_monitor.testing.detector_checks import CHECKS, results, signals_of


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("detector", CATALOGUE, ids=lambda detector: detector.id)
def test_check(detector, check):
    check(detector)


def test_no_detector_is_missing_from_the_catalogue():
    for module in pkgutil.iter_modules(detectors.__path__):
        importlib.import_module(f"overfit_monitor.detectors.{module.name}")
    assert set(Detector.__subclasses__()) == set(CATALOGUE)


def test_ids_are_distinct():
    ids = [detector.id for detector in CATALOGUE]
    assert len(ids) == len(set(ids))


@pytest.mark.parametrize("make", curves.CATALOGUE, ids=lambda make: make.__name__)
def test_every_finding_says_what_speaks_for_it_and_what_would_decide(make):
    curve = make(100)
    for detector in (kind() for kind in CATALOGUE):
        result = results(detector, signals_of(curve), facts=curve.facts)[-1]
        if isinstance(result, Finding):
            assert result.speaks_for, detector.id
            assert result.experiment, detector.id
