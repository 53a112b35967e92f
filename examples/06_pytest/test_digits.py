"""Trainings as tests: pytest fails where one overfits. scikit-learn only.

    pytest test_digits.py                                the first two pass, the third is expected to fail
    pytest test_digits.py --runxfail                     and what that failure says
    pytest --overfit-logs runs/ -m overfit_logs          runs that something else has logged, each a test

The fixture `overfit_guard` and the options come with overfit-monitor; nothing has to be switched on.
"""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.metrics import log_loss
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from overfit_monitor_pytest import assert_generalizes

CLASSES = np.arange(10)


def epochs(n_train, hidden_units, learning_rate, count):
    """Train on so many digits, and yield train and validation loss after each epoch."""
    images, labels = load_digits(return_X_y=True)
    x, x_val, y, y_val = train_test_split(images / 16, labels, train_size=n_train, test_size=500, random_state=0)
    model = MLPClassifier(hidden_units, learning_rate_init=learning_rate, random_state=0)
    for _ in range(count):
        model.partial_fit(x, y, classes=CLASSES)
        yield tuple(
            log_loss(true, model.predict_proba(seen), labels=CLASSES) for seen, true in ((x, y), (x_val, y_val))
        )


def test_many_digits_and_a_narrow_network(overfit_guard):
    for train, val in epochs(n_train=1000, hidden_units=32, learning_rate=0.001, count=30):
        overfit_guard.log(train={"loss": train}, val={"loss": val})


def test_a_history_that_is_there():
    train, val = zip(*epochs(n_train=1000, hidden_units=32, learning_rate=0.001, count=30), strict=True)
    assert_generalizes({"loss": train, "val_loss": val}, max_gap=0.2)


@pytest.mark.overfit(fail_on="overfitting")
@pytest.mark.xfail(strict=True, reason="a wide network on few digits overfits")
def test_few_digits_and_a_wide_network(overfit_guard):
    for train, val in epochs(n_train=60, hidden_units=512, learning_rate=0.01, count=60):
        overfit_guard.log(train={"loss": train}, val={"loss": val})
