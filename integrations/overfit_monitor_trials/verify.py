"""Tries recommendations beside the training as it was, with paired seeds, and keeps the best or none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from os import PathLike
from typing import Any

from overfit_monitor.errors import UsageError
from overfit_monitor.records import Diagnosis, Mode, Recommendation
from overfit_monitor_trials.evidence import Evidence, estimates, sampling_error
from overfit_monitor_trials.ledger import Ledger
from overfit_monitor_trials.training import Train, described
from overfit_monitor_trials.trials import Trial, Trials
from overfit_monitor_trials.verification import Tried, Verification

LENGTH = 2.5
SHORTEST = 10
TRAININGS = 10  # of three changes, with three seeds, halving and two together
RESERVED = ("seed", "epochs")
CONFLICTS = (frozenset(["label_smoothing", "mixup"]),)  # both soften the labels


def verify(
    train: Train,
    advice: Diagnosis | Sequence[Recommendation],
    *,
    baseline: Mapping[str, Any] | None = None,
    top: int = 3,
    seeds: Sequence[int] = (0, 1, 2),
    full: bool = False,
    epochs: int | None = None,
    budget: float = 4.0,
    together: bool = True,
    mode: Mode = "min",
    run_dir: str | PathLike[str] | None = None,
    ledger: Ledger | None = None,
    engine: str = "joblib",
    n_jobs: int | None = None,
    client: Any = None,
    quiet: bool = False,
) -> Verification:
    """Train with and without each recommendation, on the same seeds, and say what is better by more than noise.

    The baseline and the first ``top`` recommendations, as `candidates` chooses them, are trained with the first seed;
    then round by round with the next seed what is still in the race, with the half that is furthest behind left out
    after each round (successive halving, arXiv 1502.07943), and as many as the budget allows. After the first round the
    two best that go together are also tried ``together``, if both look better than the baseline. The differences are
    paired by seed; how they are judged: `evidence.estimates`.

    Args:
        train: Called with a configuration: ``baseline``, the ``change`` of a recommendation, and ``seed`` and
            ``epochs``. It seeds weights and the order of the data with ``seed``, trains ``epochs`` epochs, and returns
            what `training.as_trained` reads: the validation values at least. It must not change what it validates by.
        advice: The diagnosis of the run, or recommendations.
        baseline: Settings of the run as it was, handed on with every call.
        top: Number of recommendations to try, at least 1.
        seeds: Seeds, at least one; each round takes the next.
        full: Train as long as the original run. Otherwise trials are 2.5 times as long as it took to its best, or
            longer where the budget allows it, and never longer than the run.
        epochs: Epochs of the original run; None takes them from a diagnosis.
        budget: Most that may be trained, in trainings of the original length; no round begins that would exceed it.
        together: Whether to try the two best together as well.
        mode: ``min`` where lower validation values are better, ``max`` where higher are.
        run_dir: Folder of the journal; finished trainings there are not repeated, so that an interrupted
            verification goes on.
        ledger: Notes how often the validation set was used to choose.
        engine: ``joblib`` (processes here), ``serial``, ``ray`` or ``dask``.
        n_jobs: Processes of joblib, None for all cores.
        client: A ``distributed.Client`` for dask.
        quiet: Show no progress bar.

    Returns:
        Every change with its effect and interval, and the best or none.

    Raises:
        UsageError: An argument cannot be right, or the baseline could not be trained.
    """
    tried = candidates(advice, top)
    if not seeds or len(set(seeds)) < len(seeds):
        raise UsageError(f"seeds must be different numbers, at least one, but got {tuple(seeds)!r}.")
    if not budget > 0.0:
        raise UsageError(f"budget must be above 0 but got {budget!r}.")
    length, original = _lengths(advice, epochs, budget, full=full)
    trials = Trials(train, run_dir=run_dir, engine=engine, n_jobs=n_jobs, client=client, quiet=quiet)
    race = _Race(trials, dict(baseline or {}), length, original, mode)
    alive = {recommendation.id: dict(recommendation.change) for recommendation in tried}
    found: dict[str, Evidence] = {}
    for round_, seed in enumerate(seeds):
        if round_:
            alive = dict(list(_best_first(alive, found).items())[: race.affordable(budget) - 1])
        if not alive:
            break
        race.round(alive, seed)
        found = race.estimates(tried)
        if round_ == 0 and together:
            race.join(alive, found, seed, budget)
            found = race.estimates(tried)
        alive = dict(list(_best_first(alive, found).items())[: math.ceil(len(alive) / 2)])
    return race.verdict(tried, ledger)


class _Race:
    """All trainings so far."""

    def __init__(self, trials: Trials, baseline: dict[str, Any], length: int, original: int, mode: Mode) -> None:
        self._trials, self._baseline, self._length, self._original = trials, baseline, length, original
        self._mode: Mode = mode
        self._changes: dict[str, dict[str, Any]] = {}
        self._finished: dict[str, dict[int, Trial]] = {"": {}}

    @property
    def cost(self) -> float:
        """Trainings of the original length so far."""
        trained = sum(len(t.trained.val) for runs in self._finished.values() for t in runs.values() if t.trained)
        return trained / self._original

    def affordable(self, budget: float) -> int:
        """Return how many more trainings the budget allows, at least 1."""
        return max(1, math.floor((budget - self.cost) * self._original / self._length + 1e-9))

    def round(self, alive: Mapping[str, dict[str, Any]], seed: int) -> None:
        """Train the baseline and what is alive with a seed."""
        self._train({"": {}, **alive}, seed)
        if self._finished[""][seed].trained is None:
            raise UsageError(f"the training as it was failed with seed {seed}: {self._finished[''][seed].error}")
        if seed not in self._values(""):
            raise UsageError(f"the training as it was has no finite validation value with seed {seed}.")

    def join(self, alive: dict[str, dict[str, Any]], found: dict[str, Evidence], seed: int, budget: float) -> None:
        """Try two together that look better than the baseline, the best pair with settings of its own each."""
        good = [name for name in _best_first(alive, found) if (found[name].ratio or 1.0) < 1.0]
        pairs = [(a, b) for a, b in combinations(good, 2) if _go_together(alive[a], alive[b])]
        if not pairs or self.cost + self._length / self._original > budget:
            return
        one, other = pairs[0]
        alive[f"{one} + {other}"] = both = {**alive[one], **alive[other]}
        self._train({f"{one} + {other}": both}, seed)

    def estimates(self, tried: Sequence[Recommendation]) -> dict[str, Evidence]:
        """Return what is known of every change so far."""
        base = self._values("")
        effects = {recommendation.id: recommendation.effect for recommendation in tried}
        pairs = {id: (base, self._values(id)) for id in self._changes}
        sampling = {id: sampling_error(self._losses(id)) for id in self._changes}
        return estimates(pairs, effects, sampling=sampling, mode=self._mode)

    def verdict(self, tried: Sequence[Recommendation], ledger: Ledger | None) -> Verification:
        """Return what came out."""
        found, base = self.estimates(tried), self._values("")
        rows = sorted((self._row(id, found[id]) for id in found), key=lambda row: row.expected or math.inf)
        worth = [row for row in rows if found[row.id].worth and row.outcome not in ("failed", "not applied")]
        noise = next(iter(found.values())).noise if found else 0.0
        return Verification(
            best=worth[0].id if worth else None,
            change=worth[0].change if worth else {},
            tried=tuple(rows),
            baseline=base,
            epochs=self._length,
            cost=self.cost,
            noise=noise,
            luck="" if ledger is None or not base else self._noted(ledger, noise, base),
        )

    def _noted(self, ledger: Ledger, noise: float, base: dict[int, float]) -> str:
        for id, change in {"": {}, **self._changes}.items():
            values = self._values(id)
            if values:
                ledger.note({**self._baseline, **change}, sum(values.values()) / len(values))
        typical = abs(sum(base.values()) / len(base))
        luck = ledger.luck(noise * typical / math.sqrt(2.0))  # a ratio has the noise of two trainings
        return "" if luck is None else str(luck)

    def _row(self, id: str, found: Evidence) -> Tried:
        runs = self._finished[id]
        failed = [trial.error for trial in runs.values() if trial.trained is None]
        same = all(t.trained is not None and t.trained == self._finished[""][s].trained for s, t in runs.items())
        outcome = "failed" if failed and found.ratio is None else "not applied" if same else found.outcome
        reason = failed[0] if failed else "its curve is that of the baseline to the last bit" if same else ""
        return Tried(
            id=id,
            change=self._changes[id],
            outcome=outcome,
            ratio=found.ratio,
            low=found.low,
            high=found.high,
            expected=None if same else found.expected,
            seeds=tuple(s for s, trial in runs.items() if trial.trained is not None),
            reason=reason,
        )

    def _train(self, changes: Mapping[str, dict[str, Any]], seed: int) -> None:
        shared = {"seed": seed, "epochs": self._length}
        configs = [{**self._baseline, **change, **shared} for change in changes.values()]
        for (id, change), trial in zip(changes.items(), self._trials.run(configs, title=f"seed {seed}"), strict=True):
            self._finished.setdefault(id, {})[seed] = trial
            if id:
                self._changes[id] = change

    def _losses(self, id: str) -> list[tuple[Sequence[float], Sequence[float]]]:
        base, changed = self._finished[""], self._finished[id]
        both = [(base[seed].trained, changed[seed].trained) for seed in changed if seed in base]
        return [(a.val_losses, b.val_losses) for a, b in both if a is not None and b is not None]

    def _values(self, id: str) -> dict[int, float]:
        found = {}
        for seed, trial in self._finished[id].items():
            best = None if trial.trained is None else trial.trained.best(self._mode)
            if best is not None:
                found[seed] = best[1]
        return found


def candidates(advice: Diagnosis | Sequence[Recommendation], top: int) -> tuple[Recommendation, ...]:
    """Return the recommendations to try: the first that change the training, none whose settings another one has too.

    Args:
        advice: The diagnosis of the run, or recommendations.
        top: Number of recommendations, at least 1.

    Raises:
        UsageError: ``top`` is below 1, or a change is no plain values.
    """
    if top < 1:
        raise UsageError(f"top must be at least 1 but got {top!r}.")
    known = advice.recommendations if isinstance(advice, Diagnosis) else tuple(advice)
    trainable = [one for one in known if one.id not in NOT_TRAINED and not set(one.change) & set(RESERVED)]
    chosen: list[Recommendation] = []
    for one in trainable:
        described(one.change)
        if not any(set(one.change) <= set(other.change) for other in chosen):
            chosen.append(one)
    return tuple(chosen[:top])


# They change what is validated, or nothing of the training itself.
NOT_TRAINED = frozenset(
    [
        "clean_labels",
        "cross_validation",
        "early_stopping",
        "hyperparameter_search",
        "larger_validation_set",
        "more_data",
        "remove_duplicates",
        "temperature",
        "train_longer",
    ]
)


def _lengths(
    advice: Diagnosis | Sequence[Recommendation], epochs: int | None, budget: float, *, full: bool
) -> tuple[int, int]:
    seen = advice if isinstance(advice, Diagnosis) else None
    original = epochs if epochs is not None or seen is None or seen.step is None else seen.step + 1
    if original is None or original < 1:
        raise UsageError(
            f"epochs must be given as a number of at least 1 with recommendations alone but got {epochs!r}."
        )
    if full or seen is None or seen.best_step is None:
        return original, original
    to_best, affordable = math.ceil(LENGTH * (seen.best_step + 1)), math.floor(budget * original / TRAININGS)
    return min(original, max(SHORTEST, to_best, affordable)), original


def _go_together(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    both = set(one) | set(other)
    return set(one).isdisjoint(other) and not any(conflict <= both for conflict in CONFLICTS)


def _best_first(alive: dict[str, dict[str, Any]], found: Mapping[str, Evidence]) -> dict[str, dict[str, Any]]:
    """Return what is alive, best expected first, without what has failed."""
    expected = {name: found[name].expected for name in alive}
    known = {name: value for name, value in expected.items() if value is not None}
    return {name: alive[name] for name in sorted(known, key=lambda name: known[name])}
