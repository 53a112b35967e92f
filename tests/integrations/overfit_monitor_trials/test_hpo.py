"""Optuna and Ray Tune with their own clients: best with its step, and trials that are given up."""

import pytest
import toys

from overfit_monitor import UsageError
from overfit_monitor_trials.space import search_space


def test_the_space_is_around_the_recommendations(advice):
    ranges, fixed = search_space(
        [
            *advice,
            advice[0].model_copy(update={"change": {"weight_decay": 9.0, "optimizer": "AdamW", "batch_size": 16}}),
            advice[0].model_copy(update={"change": {"patience": 5}}),
        ]
    )
    assert {one.name: (one.low, one.high, one.whole) for one in ranges} == {
        "weight_decay": (0.25, 4.0, False),
        "dropout": (0.05, 0.7, False),
        "noise_scale": (0.025, 0.4, False),
        "batch_size": (4, 64.0, True),
    }
    assert fixed == {"optimizer": "AdamW"}


def test_optuna_reports_the_best_with_its_step(advice):
    optuna = pytest.importorskip("optuna")
    from overfit_monitor_trials.optuna import objective

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    train = objective(lambda config: toys.train({**config, "seed": 0}), advice, baseline={"epochs": 12})
    study.optimize(train, n_trials=12)
    assert study.best_trial.user_attrs["best_step"] == 4
    assert study.best_value < study.best_trial.user_attrs["last_value"]
    assert study.best_trial.params["use weight_decay"] is True
    assert any(not trial.params["use weight_decay"] for trial in study.trials)


def test_optuna_prunes_what_overfits():
    optuna = pytest.importorskip("optuna")
    from overfit_monitor_trials.optuna import OverfitPruner, TrialMonitor

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(pruner=OverfitPruner())

    def train(trial):
        rise = trial.suggest_categorical("rise", [0.0, 0.05])
        with TrialMonitor(trial) as watched:
            for step in range(60):
                fall = 1.0 / (1 + step)
                watched.log(step=step, train={"loss": fall}, val={"loss": fall + rise * max(0, step - 8)})
                if watched.should_prune:
                    raise watched.pruned()
        return watched.best

    study.enqueue_trial({"rise": 0.05})
    study.enqueue_trial({"rise": 0.0})
    study.optimize(train, n_trials=2)
    overfit, fine = study.trials
    assert overfit.state.name == "PRUNED"
    assert overfit.user_attrs["best_step"] == 8
    assert overfit.user_attrs["verdict"] == "overfitting"
    assert fine.state.name == "COMPLETE"
    with pytest.raises(UsageError):
        OverfitPruner(patience=-1)


def test_ray_tune_stops_and_keeps_the_best():
    """Driven by hand: a cluster would prove no more of them."""
    pytest.importorskip("ray.tune")
    from overfit_monitor_trials.ray import OverfitCallback, OverfitStopper

    stopper = OverfitStopper("val", train="train")
    callback = OverfitCallback("val", train="train")

    class Trial:
        trial_id = "one"

    stopped = None
    for step in range(1, 61):
        fall = 1.0 / (1 + step)
        result = {"training_iteration": step, "train": fall, "val": fall + 0.05 * max(0, step - 8)}
        callback.on_trial_result(iteration=step, trials=[], trial=Trial(), result=result)
        if stopper("one", result):
            stopped = step
            break
    assert stopped is not None
    assert callback.best == ("one", 8, pytest.approx(1 / 9))
    assert callback.diagnoses["one"].verdict == "overfitting"
    assert stopper.stop_all() is False
    with pytest.raises(UsageError, match="'val' is not among: loss"):
        stopper("two", {"loss": 1.0})
