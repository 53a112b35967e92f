"""Cross-validation with a fresh monitor for each fold, and comparisons that respect how folds hang together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np

from overfit_monitor import diagnose
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Mode, Record, Verdict
from overfit_monitor_trials.training import Train, Trained
from overfit_monitor_trials.trials import Trials


class Fold(Record):
    """One fold.

    Attributes:
        number: Its number, from 0.
        value: Best validation value, None where the training failed.
        best_step: Epoch of that value.
        verdict: What the monitor says of this fold's curves.
        error: Why the training failed.
    """

    number: int
    value: float | None = None
    best_step: int | None = None
    verdict: Verdict = "inconclusive"
    error: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"failed: {self.error}"
        return f"{self.value:.4g} at step {self.best_step}, {self.verdict}"


class CrossValidation(Record):
    """Result of `crossval`.

    Attributes:
        folds: The folds in order.
        mean: Mean of their best validation values, None where none was finished.
        spread: Standard deviation over the folds.
        standard_error: Standard error of the mean, corrected for training examples that the folds share.
        test_share: Examples validated on over examples trained on, in each fold.
    """

    folds: tuple[Fold, ...]
    mean: float | None
    spread: float | None
    standard_error: float | None
    test_share: float

    @property
    def values(self) -> tuple[float | None, ...]:
        """The best validation value of each fold."""
        return tuple(fold.value for fold in self.folds)

    def summary(self) -> str:
        """Return a line for each fold and one for all."""
        lines = [f"fold {fold.number}: {fold}" for fold in self.folds]
        if self.mean is None:
            return "\n".join([*lines, "no fold was finished"])
        error = "" if self.standard_error is None else f" ± {self.standard_error:.2g} (standard error, corrected)"
        spread = "" if self.spread is None else f", spread over folds {self.spread:.2g}"
        return "\n".join([*lines, f"mean {self.mean:.4g}{error}{spread}"])


class Comparison(Record):
    """Result of `compare`.

    Attributes:
        difference: Mean difference, second minus first, over the folds.
        standard_error: Its standard error, corrected for shared training examples.
        p: Two-sided p-value of no difference, corrected for how many were compared.
        within_noise: Whether p is above 0.05: the difference is no reason to choose.
    """

    difference: float
    standard_error: float
    p: float
    within_noise: bool

    def __str__(self) -> str:
        told = f"difference {self.difference:+.4g} ± {self.standard_error:.2g}, p = {self.p:.2g}"
        return f"{told}: within the noise of the folds, no reason to choose." if self.within_noise else f"{told}."


def crossval(
    train: Train,
    config: Mapping[str, Any],
    *,
    n: int,
    folds: int = 5,
    labels: Any = None,
    groups: Any = None,
    seed: int = 0,
    mode: Mode = "min",
    run_dir: str | PathLike[str] | None = None,
    engine: str = "joblib",
    n_jobs: int | None = None,
    client: Any = None,
    quiet: bool = False,
) -> CrossValidation:
    """Train on each fold's complement and validate on the fold; each has a monitor of its own.

    Args:
        train: Called with ``config`` and ``train_index``, ``val_index`` (lists of row numbers), ``fold`` and ``seed``;
            returns what `training.as_trained` reads. It fits what it fits on the data (means, vocabularies) on
            ``train_index`` alone.
        config: Settings of all folds.
        n: Number of examples.
        folds: Number of folds, 2 to ``n``.
        labels: Class of each example, shape (n,): folds are stratified by it.
        groups: Group of each example, shape (n,): a group is never in two folds.
        seed: Seed of the split and of the trainings.
        mode: ``min`` where lower validation values are better, ``max`` where higher are.
        run_dir: Folder of the journal; finished folds there are not trained again.
        engine: ``joblib`` (processes here), ``serial``, ``ray`` or ``dask``.
        n_jobs: Processes of joblib, None for all cores.
        client: A ``distributed.Client`` for dask.
        quiet: Show no progress bar.

    Returns:
        The folds, their mean and how sure it is: the variance over folds times ``1/k + test/train`` (Nadeau and
        Bengio 2003, Machine Learning 52:239), since folds share training examples.

    Raises:
        UsageError: An argument cannot be right.
    """
    splits = _splits(n, folds, labels, groups, seed)
    trials = Trials(train, run_dir=run_dir, engine=engine, n_jobs=n_jobs, client=client, quiet=quiet)
    configs = [
        {**config, "fold": i, "seed": seed, "train_index": rows.tolist(), "val_index": held.tolist()}
        for i, (rows, held) in enumerate(splits)
    ]
    finished = trials.run(configs, title=f"{folds} folds")
    found = tuple(_fold(i, trial.trained, trial.error, mode) for i, trial in enumerate(finished))
    values = [fold.value for fold in found if fold.value is not None]
    share = float(np.mean([len(held) / len(rows) for rows, held in splits]))
    spread = float(np.std(values, ddof=1)) if len(values) > 1 else None
    return CrossValidation(
        folds=found,
        mean=float(np.mean(values)) if values else None,
        spread=spread,
        standard_error=None if spread is None else spread * math.sqrt(1.0 / len(values) + share),
        test_share=share,
    )


def compare(one: CrossValidation, other: CrossValidation, *, compared: int = 1) -> Comparison:
    """Compare two settings that were cross-validated on the same folds.

    The corrected resampled t-test of Nadeau and Bengio (2003); with ``compared`` settings to choose from the p-value
    is multiplied by their number (Bonferroni).

    Args:
        one: The first.
        other: The second.
        compared: How many comparisons the choice rests on, at least 1.

    Raises:
        UsageError: They have fewer than two finished folds in common.
    """
    from scipy.special import stdtr

    pairs = [(a, b) for a, b in zip(one.values, other.values, strict=False) if a is not None and b is not None]
    if len(pairs) < 2 or len(one.folds) != len(other.folds):
        raise UsageError(f"compare needs the same folds, two finished in both at least, but has {len(pairs)}.")
    differences = np.array([b - a for a, b in pairs])
    error = float(differences.std(ddof=1)) * math.sqrt(1.0 / len(pairs) + one.test_share)
    mean = float(differences.mean())
    p = 2.0 * float(stdtr(len(pairs) - 1, -abs(mean) / error)) if error > 0.0 else float(mean == 0.0)
    p = min(1.0, p * max(1, compared))
    return Comparison(difference=mean, standard_error=error, p=p, within_noise=p > 0.05)


def _splits(n: int, folds: int, labels: Any, groups: Any, seed: int) -> list[tuple[Any, Any]]:
    from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold

    for name, given in (("labels", labels), ("groups", groups)):
        if given is not None and len(given) != n:
            raise UsageError(f"{name} must have one value for each of the {n} examples but has {len(given)}.")
    if not 2 <= folds <= n:
        raise UsageError(f"folds must be between 2 and the {n} examples but got {folds!r}.")
    if groups is not None and len(set(np.asarray(groups).tolist())) < folds:
        raise UsageError(f"groups must be at least as many as the {folds} folds.")
    kinds = {
        (False, False): KFold,
        (True, False): StratifiedKFold,
        (False, True): GroupKFold,
        (True, True): StratifiedGroupKFold,
    }
    kind: Any = kinds[labels is not None, groups is not None]
    return list(kind(folds, shuffle=True, random_state=seed).split(np.zeros(n), labels, groups))


def _fold(number: int, trained: Trained | None, error: str, mode: Mode) -> Fold:
    if trained is None:
        return Fold(number=number, error=error)
    best = trained.best(mode)
    paired = len(trained.train) == len(trained.val)
    verdict = diagnose(val=trained.val, train=trained.train if paired else None, mode=mode).verdict
    if best is None:
        return Fold(number=number, verdict=verdict, error="it has no finite validation value")
    return Fold(number=number, value=best[1], best_step=best[0], verdict=verdict)
