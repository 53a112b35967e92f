"""One function for each phenomenon that looks like overfitting, hides it, or comes with it.

All take the number of steps ``n``, the standard deviation ``sd`` of the noise relative to the losses and a
``seed``, and are clear at 100 steps and the noise that is the default.
"""

from __future__ import annotations

import math

import numpy as np

from overfit_monitor.facts import DataFacts, Facts, LayerFacts, LossFacts
from overfit_monitor.testing.curves.made import (
    Curve,
    accuracy_around,
    descent,
    learning,
    noise,
    noisy_around,
    ramp,
    share,
    turn,
)
from overfit_monitor.testing.curves.ordinary import HIGH_RATE

CLASSES = 10
EXAMPLES = 5000
CROSS_ENTROPY = LossFacts(name="CrossEntropyLoss", classification=True, label_smoothing=0.0, penalty=False)
# Train measured as validation is, so that a difference between the two is one of the data.
LIKE_FOR_LIKE = Facts(loss=CROSS_ENTROPY, data=DataFacts(classes=CLASSES), like_for_like=True)


def double_descent(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Validation rises by half between a third and a half of the run, and then falls below its former best."""
    rng = np.random.default_rng(seed)
    hump = np.exp(-(((share(n) - 0.45) / 0.1) ** 2))
    shape = descent(n) + 0.25 * hump - 0.1 * ramp(n, n // 2)
    return Curve(
        "double_descent",
        noisy_around(learning(n), 0.5 * sd, rng),
        noisy_around(shape, sd, rng),
        "healthy",
        int(0.3 * n),
        "double_descent",
    )


def grokking(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Train is at its floor after a tenth of the run; validation stays poor and comes down at 70 %."""
    rng = np.random.default_rng(seed)
    train = 2.0 * np.exp(-40.0 * share(n)) + 0.01
    return Curve(
        "grokking",
        noisy_around(train, sd, rng),
        noisy_around(2.2 - 2.0 * turn(n, 0.7), sd, rng),
        "healthy",
        int(0.65 * n),
        "late_generalization",
        learning_rate=[HIGH_RATE] * n,
    )


def noisy(n: int = 100, *, sd: float = 0.3, seed: int = 0, examples: int = 30) -> Curve:
    """Validation rises by a fifth, and holds so few examples that its noise hides whether it does.

    The noise is log-normal, so that a loss stays positive; accuracy is counted on the few ``examples``.
    """
    rng = np.random.default_rng(seed)
    shape = descent(n) * (1.0 + 0.2 * ramp(n, int(0.4 * n)))
    val = (shape * np.exp(sd * noise(n, rng) - 0.5 * sd**2)).tolist()
    right = 1.0 - 0.6 * descent(n)
    accuracy = (
        accuracy_around(right + 0.05, rng, examples=EXAMPLES),
        accuracy_around(right, rng, examples=examples),
    )
    return Curve(
        "noisy",
        noisy_around(learning(n), 0.01, rng),
        val,
        "inconclusive",
        finding="noisy_validation",
        others={"accuracy": accuracy},
        facts=Facts(loss=CROSS_ENTROPY, data=DataFacts(n_train=EXAMPLES, n_val=examples, classes=CLASSES)),
    )


def leak(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Validation is better than train by 40 % at every step, though both are measured alike."""
    rng = np.random.default_rng(seed)
    train = noisy_around(learning(n), 0.5 * sd, rng)
    val = noisy_around(0.6 * learning(n), sd, rng)
    return Curve("leak", train, val, "healthy", finding="leakage_suspected", facts=LIKE_FOR_LIKE)


def shift(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Validation is worse than train by 0.5 from the first step on, by no more at the last, both measured alike."""
    rng = np.random.default_rng(seed)
    train = noisy_around(learning(n), 0.5 * sd, rng)
    val = noisy_around(learning(n) + 0.5, sd, rng)
    return Curve("shift", train, val, "healthy", finding="train_val_shift", facts=LIKE_FOR_LIKE)


def underfit(n: int = 100, *, sd: float = 0.005, seed: int = 0) -> Curve:
    """Train and validation stay within 1 % of what guessing among ten classes costs."""
    rng = np.random.default_rng(seed)
    shape = math.log(CLASSES) * (0.99 + 0.01 * np.exp(-12.0 * share(n)))
    right = np.full(n, 0.12)
    return Curve(
        "underfit",
        noisy_around(shape, 0.5 * sd, rng),
        noisy_around(shape, sd, rng),
        "underfitting",
        finding="underfitting",
        others={
            "accuracy": (
                accuracy_around(right, rng, examples=EXAMPLES),
                accuracy_around(right, rng, examples=EXAMPLES),
            )
        },
        facts=LIKE_FOR_LIKE,
    )


def cut_short(n: int = 100, *, sd: float = 0.01, seed: int = 0) -> Curve:
    """Train and validation fall as fast at the end as at the start: the run ended too early.

    The verdict is healthy, because every healthy run looks so at first; the finding tells that there is more to come.
    """
    rng = np.random.default_rng(seed)
    shape = 2.2 - 1.2 * share(n)
    train = noisy_around(shape, 0.5 * sd, rng)
    val = noisy_around(shape + 0.03, sd, rng)
    return Curve("cut_short", train, val, "healthy", finding="underfitting", facts=LIKE_FOR_LIKE)


def overconfident(n: int = 100, *, sd: float = 0.02, seed: int = 0, rise: float = 0.5) -> Curve:
    """The validation loss rises from 40 % of the run on, as in `overfit`, and accuracy goes on improving a little."""
    rng = np.random.default_rng(seed)
    start = int(0.4 * n)
    right = 1.0 - 0.4 * descent(n) + 0.01 * ramp(n, start)
    return Curve(
        "overconfident",
        noisy_around(learning(n), 0.5 * sd, rng),
        noisy_around(descent(n) * (1.0 + rise * ramp(n, start)), sd, rng),
        "overfitting",
        start,
        "confidence_overfitting",
        {
            "accuracy": (
                accuracy_around(1.0 - 0.3 * learning(n), rng, examples=EXAMPLES),
                accuracy_around(right, rng, examples=EXAMPLES),
            )
        },
        facts=Facts(loss=CROSS_ENTROPY, data=DataFacts(n_val=EXAMPLES, classes=CLASSES)),
    )


def memorization(n: int = 100, *, sd: float = 0.02, seed: int = 0, label_noise: float = 0.2) -> Curve:
    """Train goes on to know ``label_noise`` of wrong labels by heart, from half of the run on; validation pays for it.

    Up to there train can reach what right answers give: an accuracy of 1 - ``label_noise`` and the entropy of
    such labels among ten classes.
    """
    rng = np.random.default_rng(seed)
    start = n // 2
    wrong = label_noise / (CLASSES - 1)
    entropy = -(1.0 - label_noise) * math.log(1.0 - label_noise) - label_noise * math.log(wrong)
    clean = entropy + (math.log(CLASSES) - entropy) * np.exp(-12.0 * share(n))
    learned = np.minimum(1.0, 1.25 * ramp(n, start))
    right = (1.0 - label_noise) * (1.0 - 0.88 * np.exp(-12.0 * share(n)))
    return Curve(
        "memorization",
        noisy_around(clean * (1.0 - 0.99 * learned), 0.5 * sd, rng),
        noisy_around(1.05 * clean * (1.0 + 0.4 * ramp(n, start)), sd, rng),
        "overfitting",
        start,
        "memorization",
        {
            "accuracy": (
                accuracy_around(right + (1.0 - right) * learned, rng, examples=EXAMPLES),
                accuracy_around(right * (1.0 - 0.15 * ramp(n, start)), rng, examples=EXAMPLES),
            )
        },
        facts=Facts(
            loss=CROSS_ENTROPY,
            data=DataFacts(n_train=EXAMPLES, n_val=EXAMPLES, classes=CLASSES, label_noise=label_noise),
        ),
    )


def instability(n: int = 100, *, sd: float = 0.02, seed: int = 0, height: float = 3.0) -> Curve:
    """Train and validation jump to ``1 + height`` times their value at one step in ten, and come back at the next."""
    rng = np.random.default_rng(seed)
    spikes = np.zeros(n)
    first = n // 4
    spikes[first::10] = height * rng.uniform(0.5, 1.5, size=len(spikes[first::10]))
    train = noisy_around(learning(n) * (1.0 + spikes), 0.5 * sd, rng)
    val = noisy_around(descent(n) * (1.0 + spikes), sd, rng)
    return Curve("instability", train, val, "healthy", first, "instability", learning_rate=[HIGH_RATE] * n)


def head_disagreement(n: int = 100, *, sd: float = 0.02, seed: int = 0, rise: float = 0.5) -> Curve:
    """The total loss falls and stays; the loss of one of its two heads rises from 40 % of the run on."""
    rng = np.random.default_rng(seed)
    start = int(0.4 * n)
    worse = 0.1 * descent(n) * (1.0 + rise * ramp(n, start))
    train = 0.5 * learning(n)
    others = {
        "box_loss": (noisy_around(0.8 * train, 0.5 * sd, rng), noisy_around(descent(n) - worse, sd, rng)),
        "class_loss": (noisy_around(0.2 * train, 0.5 * sd, rng), noisy_around(worse, sd, rng)),
    }
    return Curve(
        "head_disagreement",
        noisy_around(train, 0.5 * sd, rng),
        noisy_around(descent(n), sd, rng),
        "healthy",
        start,
        "metric_disagreement",
        others,
    )


def artefact(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Validation is better than train by 15 %, because train is measured with dropout of a half and in-epoch means."""
    rng = np.random.default_rng(seed)
    layers = (
        LayerFacts(name="hidden", kind="linear", parameters=100_000, width=256),
        LayerFacts(name="dropout", kind="dropout", rate=0.5),
    )
    train = noisy_around(learning(n) / 0.85, 0.5 * sd, rng)
    val = noisy_around(learning(n), sd, rng)
    facts = Facts(layers=layers, loss=CROSS_ENTROPY, data=DataFacts(classes=CLASSES), like_for_like=False)
    return Curve("artefact", train, val, "healthy", finding="measurement_artefact", facts=facts)


def standstill(n: int = 100, *, sd: float = 0.02, seed: int = 0) -> Curve:
    """Train and validation stand still from a third of the run on, at a learning rate that was never lowered."""
    rng = np.random.default_rng(seed)
    train = noisy_around(0.9 * descent(n), 0.5 * sd, rng)
    val = noisy_around(descent(n), sd, rng)
    return Curve("standstill", train, val, "healthy", n // 3, "plateau", learning_rate=[HIGH_RATE] * n)
