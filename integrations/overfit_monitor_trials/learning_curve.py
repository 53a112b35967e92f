"""What more data would bring, from trainings on parts of what is there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Any, Final

import numpy as np

from overfit_monitor.errors import UsageError
from overfit_monitor.records import Record
from overfit_monitor_trials.training import Train
from overfit_monitor_trials.trials import Trials

EXPONENTS: Final = np.linspace(0.05, 1.5, 59)
RESAMPLED: Final = 200
CONFIDENCE: Final = 0.8


class LearningCurve(Record):
    """Loss by the share of the training set, and what a larger one would bring.

    Attributes:
        shares: Shares of the training set that were trained on.
        losses: Best validation loss at each share, mean over the seeds.
        factor: How many times as many examples the prediction is for.
        ratio: Predicted loss with so many over the loss with all there are; below 1 is better.
        low: Lower end of its 80 % range over resampled seeds; None with one seed.
        high: Upper end.
        cost: Epochs trained in all, in trainings on the whole set.
    """

    shares: tuple[float, ...]
    losses: tuple[float, ...]
    factor: float
    ratio: float
    low: float | None
    high: float | None
    cost: float

    def summary(self) -> str:
        """Return the curve and the prediction, in lines of at most 100 characters."""
        lines = [
            f"{share:>5.0%} of the examples: {loss:.4g}" for share, loss in zip(self.shares, self.losses, strict=True)
        ]
        spread = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return "\n".join(
            [*lines, f"{self.factor:g} times as many: {self.ratio:.3f}{spread} of the loss with all of them"]
        )


def learning_curve(
    train: Train,
    *,
    epochs: int,
    config: Mapping[str, Any] | None = None,
    shares: Sequence[float] = (0.25, 0.5, 1.0),
    seeds: Sequence[int] = (0, 1, 2),
    factor: float = 2.0,
    run_dir: str | PathLike[str] | None = None,
    engine: str = "joblib",
    n_jobs: int | None = None,
    client: Any = None,
    quiet: bool = False,
) -> LearningCurve:
    """Train on parts of the training set and predict the loss with more examples than there are.

    The loss is taken to fall by a power law, ``a + b * share ** -c`` with ``a, b >= 0`` and c from 0.05 to 1.5
    (Hestness et al. 2017, arXiv 1712.00409); least squares. The range is that of fits to resampled seeds, and knows
    nothing of whether the law holds.

    Args:
        train: Called with ``config``, ``train_share``, ``seed`` and ``epochs``; trains on this share of the examples,
            validates on the same ones each time, and returns what `training.as_trained` reads. The epochs given grow as
            the share falls, so that the number of optimizer steps stays about the same.
        epochs: Epochs on the whole set.
        config: Settings of all trainings.
        shares: Shares to train on, at least three, above 0 and at most 1, the last of which is 1.
        seeds: Seeds, at least one.
        factor: How many times as many examples to predict for, above 1.
        run_dir: Folder of the journal; finished trainings there are not repeated.
        engine: ``joblib`` (processes here), ``serial``, ``ray`` or ``dask``.
        n_jobs: Processes of joblib, None for all cores.
        client: A ``distributed.Client`` for dask.
        quiet: Show no progress bar.

    Raises:
        UsageError: An argument cannot be right, or a training failed.
    """
    if len(shares) < 3 or sorted(shares) != list(shares) or not shares[0] > 0.0 or shares[-1] != 1.0:
        raise UsageError(f"shares must be three or more rising numbers up to 1 but got {tuple(shares)!r}.")
    if not factor > 1.0 or epochs < 1 or not seeds:
        raise UsageError(
            f"factor must be above 1, epochs and seeds at least 1 but got {factor}, {epochs}, {len(seeds)}."
        )
    asked = [
        {**(config or {}), "train_share": share, "seed": seed, "epochs": math.ceil(epochs / share)}
        for share in shares
        for seed in seeds
    ]
    trials = Trials(train, run_dir=run_dir, engine=engine, n_jobs=n_jobs, client=client, quiet=quiet)
    finished = trials.run(asked, title="learning curve")
    values, spent = [], 0.0
    for trial in finished:
        best = None if trial.trained is None else trial.trained.best("min")
        if trial.trained is None or best is None:
            raise UsageError(f"a training of the learning curve failed: {trial.error or 'it has no finite loss'}")
        values.append(best[1])
        spent += len(trial.trained.val) * trial.config["train_share"] / epochs
    losses = np.array(values).reshape(len(shares), len(seeds))
    low, high = _range(shares, losses, factor)
    means = losses.mean(1)
    return LearningCurve(
        shares=tuple(shares),
        losses=tuple(means),
        factor=factor,
        ratio=_predicted(shares, means, factor),
        low=low,
        high=high,
        cost=spent,
    )


def _predicted(shares: Sequence[float], losses: Any, factor: float) -> float:
    best = (math.inf, 1.0)
    for exponent in EXPONENTS:
        terms = np.stack([np.ones(len(shares)), np.array(shares) ** -exponent], axis=1)
        (a, b), *_ = np.linalg.lstsq(terms, losses, rcond=None)
        b = max(0.0, b)
        a = float(np.clip(np.mean(losses - b * terms[:, 1]), 0.0, None))
        b = b if a > 0.0 else max(0.0, float(np.mean(losses / terms[:, 1])))
        error = float(np.sum((a + b * terms[:, 1] - losses) ** 2))
        best = min(best, (error, (a + b * factor**-exponent) / (a + b)))
    return best[1]


def _range(shares: Sequence[float], losses: Any, factor: float) -> tuple[float | None, float | None]:
    n = losses.shape[1]
    if n < 2:
        return None, None
    draw = np.random.default_rng(0)
    drawn = [losses[:, draw.integers(n, size=n)].mean(1) for _ in range(RESAMPLED)]
    outside = (1.0 - CONFIDENCE) / 2.0
    low, high = np.quantile([_predicted(shares, values, factor) for values in drawn], [outside, 1.0 - outside])
    return float(low), float(high)
