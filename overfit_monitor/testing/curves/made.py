"""What a made run is, and the noise and shapes it is made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from overfit_monitor.facts import Facts
from overfit_monitor.records import Observation, Verdict

Array = npt.NDArray[np.float64]
Companions = Mapping[str, tuple[Sequence[float], Sequence[float]]]


@dataclass(frozen=True)
class Curve:
    """A made training run and the truth about it.

    Attributes:
        name: What it shows.
        train: Train losses, one for each step from 0.
        val: Validation losses, as many.
        verdict: The verdict that a perfect analyzer would reach at the end.
        onset_step: Step at which the phenomenon begins; for overfitting that from which the expected
            validation loss gets worse. None where nothing begins, or where it is there from the start.
        finding: Id of the finding that a perfect analyzer reports at the end, None where there is none.
        others: Further metrics by name: train values and validation values, one for each step.
        learning_rate: Learning rate at each step, None where it is not told.
        facts: What is known beside the curves.
    """

    name: str
    train: list[float]
    val: list[float]
    verdict: Verdict
    onset_step: int | None = None
    finding: str | None = None
    others: Companions = field(default_factory=dict)
    learning_rate: list[float] | None = None
    facts: Facts = field(default_factory=Facts)

    def observations(self) -> list[Observation]:
        """Return the run as a monitor would see it, its own losses under the name ``loss``.

        Example:
            >>> from overfit_monitor import Monitor
            >>> from overfit_monitor.testing import curves
            >>> curve = curves.overfit(100)
            >>> Monitor(facts=curve.facts).replay(curve.observations()).verdict == curve.verdict
            True
        """
        return [
            Observation(
                step=step,
                train={"loss": self.train[step]} | {name: train[step] for name, (train, _) in self.others.items()},
                val={"loss": self.val[step]} | {name: val[step] for name, (_, val) in self.others.items()},
                learning_rate=None if self.learning_rate is None else self.learning_rate[step],
            )
            for step in range(len(self.val))
        ]


def noise(
    n: int, rng: np.random.Generator, *, correlation: float = 0.0, tails: float | None = None, uneven: float = 1.0
) -> Array:
    """Return noise of mean 0, of variance 1 unless it is uneven.

    Args:
        n: Number of values.
        rng: Where chance comes from.
        correlation: Lag-one autocorrelation, that of an AR(1): at least 0, below 1.
        tails: Degrees of freedom of Student's t for heavy tails, above 2; None is Gaussian. With autocorrelation
            it is the innovations that are heavy.
        uneven: Standard deviation at the first value over that at the last; their geometric mean is 1.

    Raises:
        ValueError: The correlation is not in [0, 1), or ``tails`` has no variance, or ``uneven`` is not positive.
    """
    if not 0.0 <= correlation < 1.0 or (tails is not None and tails <= 2.0) or uneven <= 0.0:
        raise ValueError(f"no noise has {correlation=}, {tails=}, {uneven=}.")
    values = rng.normal(size=n) if tails is None else rng.standard_t(tails, size=n) * np.sqrt(1.0 - 2.0 / tails)
    for i in range(1, n):
        values[i] = correlation * values[i - 1] + np.sqrt(1.0 - correlation**2) * values[i]
    return np.asarray(values * uneven ** np.linspace(0.5, -0.5, n), dtype=np.float64)


def share(n: int) -> Array:
    """Return how far the run has come at each of ``n`` steps, from 0 to just below 1."""
    return np.arange(n) / n


def ramp(n: int, start: int) -> Array:
    """Return 0 up to ``start`` and from there a straight line to 1 at the last step."""
    return np.clip((np.arange(n) - start) / max(1, n - 1 - start), 0.0, 1.0)


def turn(n: int, at: float, *, steepness: float = 40.0) -> Array:
    """Return a smooth step from 0 to 1, half-way at this share of the run."""
    return np.asarray(1.0 / (1.0 + np.exp(-steepness * (share(n) - at))), dtype=np.float64)


def descent(n: int) -> Array:
    """Return a fall from 1 to 0.5 that is over after a third of the run."""
    return np.asarray(0.5 + 0.5 * np.exp(-np.arange(n) / (n / 12)), dtype=np.float64)


def learning(n: int) -> Array:
    """Return a fall from 0.9 to 0.4 that goes on to the end, as train losses do."""
    return np.asarray(0.4 + 0.5 * np.exp(-np.arange(n) / (n / 4)), dtype=np.float64)


def noisy_around(shape: Array, sd: float, rng: np.random.Generator) -> list[float]:
    """Return the shape with independent Gaussian noise of this standard deviation relative to it."""
    return [float(value) for value in shape * (1.0 + sd * noise(len(shape), rng))]


def accuracy_around(shape: Array, rng: np.random.Generator, *, examples: int) -> list[float]:
    """Return the shares of right answers that a set of this many examples shows, for these probabilities."""
    return [float(value) for value in rng.binomial(examples, np.clip(shape, 0.0, 1.0)) / examples]
