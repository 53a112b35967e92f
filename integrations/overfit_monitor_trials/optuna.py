"""Optuna: a search space from recommendations, a pruner that is the monitor, and best values with their step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, final

import optuna

from overfit_monitor import Monitor, Observation
from overfit_monitor.records import Diagnosis, Mode, Recommendation
from overfit_monitor_trials.space import search_space
from overfit_monitor_trials.training import Train, as_trained

BEST_STEP: Final = "best_step"
LAST_VALUE: Final = "last_value"
VERDICT: Final = "verdict"


def objective(
    train: Train,
    recommendations: Sequence[Recommendation],
    *,
    baseline: Mapping[str, Any] | None = None,
    mode: Mode = "min",
) -> Callable[[optuna.Trial], float]:
    """Return an objective for ``study.optimize`` that searches around the recommendations.

    Each setting is drawn from `space.search_space`; every second trial on average leaves a recommendation out, so that
    the training as it was stays among the candidates. The value is the best of the training and not its last; the
    trial's user attributes ``best_step``, ``last_value`` and ``verdict`` say more.

    Args:
        train: Called with a configuration; returns what `training.as_trained` reads.
        recommendations: What was advised.
        baseline: Settings of the run as it was.
        mode: ``min`` where lower validation values are better, ``max`` where higher are; the study's ``direction``
            must be the same.
    """

    def run(trial: optuna.Trial) -> float:
        trained = as_trained(train({**(baseline or {}), **_drawn(trial, recommendations)}))
        paired = len(trained.train) == len(trained.val)
        with TrialMonitor(trial, mode=mode) as watched:
            for step, value in enumerate(trained.val):
                watched.monitor.log(
                    step=step, train={"loss": trained.train[step]} if paired else {}, val={"loss": value}
                )
        best = trained.best(mode)
        if best is None:
            raise optuna.TrialPruned("the training has no finite validation value")
        return best[1]

    return run


def _drawn(trial: optuna.Trial, recommendations: Sequence[Recommendation]) -> dict[str, Any]:
    drawn: dict[str, Any] = {}
    for recommendation in recommendations:
        ranges, fixed = search_space([recommendation])
        ranges = tuple(one for one in ranges if one.name not in drawn)
        if not ranges or not trial.suggest_categorical(f"use {recommendation.id}", [True, False]):
            continue
        drawn |= {name: value for name, value in fixed.items() if name not in drawn}
        for one in ranges:
            suggest = trial.suggest_int if one.whole else trial.suggest_float
            drawn[one.name] = suggest(one.name, int(one.low) if one.whole else one.low, one.high, log=True)  # type: ignore[arg-type]
    return drawn


@final
class TrialMonitor:
    """Watches the training of one trial: reports to Optuna and says when to prune.

    Use as a context manager around the loop: ``watched.log(...)`` after every epoch, ``raise watched.pruned()`` when
    `should_prune`. At the end the best step and the verdict are in the trial's user attributes.

    Args:
        trial: The trial.
        **settings: Those of `Monitor`.
    """

    def __init__(self, trial: optuna.Trial, **settings: Any) -> None:
        self.monitor = Monitor(metric=settings.pop("metric", "loss"), **settings)
        self._trial = trial

    @property
    def should_prune(self) -> bool:
        """Whether the monitor would stop, or the study's pruner gives the trial up."""
        return self.monitor.should_stop or bool(self._trial.should_prune())

    @property
    def best(self) -> float | None:
        """Best validation value so far: what the objective should return."""
        return self.monitor.diagnosis.best_value

    def log(
        self, *, step: int, train: Mapping[str, Any] | None = None, val: Mapping[str, Any] | None = None
    ) -> Diagnosis:
        """Take in one epoch, as `Monitor.log` does, and report the validation value to Optuna."""
        diagnosis = self.monitor.log(step=step, train=train, val=val)
        if diagnosis.last_value is not None:
            self._trial.report(diagnosis.last_value, step)
        return diagnosis

    def pruned(self) -> optuna.TrialPruned:
        """Return the exception that ends a trial, with the reason."""
        best = self.monitor.diagnosis
        return optuna.TrialPruned(f"best {best.best_value} at step {best.best_step}, {best.verdict}")

    def __enter__(self) -> TrialMonitor:
        return self

    def __exit__(self, *_: object) -> None:
        diagnosis = self.monitor.diagnosis
        for name, value in (
            (BEST_STEP, diagnosis.best_step),
            (LAST_VALUE, diagnosis.last_value),
            (VERDICT, diagnosis.verdict),
        ):
            self._trial.set_user_attr(name, value)
        self.monitor.close()


@final
class OverfitPruner(optuna.pruners.BasePruner):
    """Prunes a trial when the monitor's stopping policy would stop it, judged by what the trial reported.

    Args:
        mode: ``min`` where lower reported values are better, ``max`` where higher are.
        **settings: The other fields of `MonitorConfig`.
    """

    def __init__(self, *, mode: Mode = "min", **settings: Any) -> None:
        self._settings = {"metric": "loss", "mode": mode, **settings}
        Monitor(**self._settings)

    def prune(self, study: optuna.Study, trial: optuna.trial.FrozenTrial) -> bool:
        """Return whether the policy has stopped at the last reported step."""
        del study
        monitor = Monitor(**self._settings)
        monitor.replay(Observation(step=s, val={"loss": v}) for s, v in sorted(trial.intermediate_values.items()))
        return monitor.should_stop
