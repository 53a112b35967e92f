"""Wrong arguments fail at construction, in one line that says what would be right."""

import pytest

pytest.importorskip("keras")
pytest.importorskip("tensorflow")

from overfit_monitor import Monitor, UsageError
from overfit_monitor_keras import OverfitMonitor


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        ({"patience": -1}, ["patience", "-1", "0"]),
        ({"min_delta": -0.1}, ["min_delta", "-0.1"]),
        ({"mode": "low"}, ["mode", "'low'", "'min'", "'max'"]),
        ({"baseline": float("nan")}, ["baseline", "nan"]),
        ({"start_from_epoch": -2}, ["start_from_epoch", "-2"]),
        ({"patince": 3}, ["'patince'", "Did you mean 'patience'"]),
        ({"restore_best_weight": True}, ["Did you mean 'restore_best_weights'"]),
        ({"metric": "loss"}, ["'metric'", "'monitor'"]),
        ({"monitor": "loss"}, ["'loss'", "train metric", "'val_loss'"]),
        ({"monitor": "accuracy"}, ["'accuracy'", "'val_accuracy'"]),
        ({"monitor": ""}, ["monitor", "''"]),
        ({"monitor": "val_"}, ["monitor", "'val_'"]),
        ({"monitor": None}, ["monitor", "None"]),
        ({"core": Monitor(), "patience": 3}, ["core", "'patience'", "Monitor"]),
        ({"core": Monitor(), "run_dir": "runs"}, ["core", "'run_dir'"]),
        ({"core": Monitor(), "monitor": "val_accuracy"}, ["core", "'monitor'"]),
    ],
)
def test_wrong_arguments(arguments, parts):
    with pytest.raises(UsageError) as raised:
        OverfitMonitor(**arguments)
    message = str(raised.value)
    assert [part for part in parts if part not in message] == []
    assert "\n" not in message


def test_what_goes_with_core():
    core = Monitor(patience=3)
    callback = OverfitMonitor(core=core, verbose=1, restore_best_weights=False, strict=True)
    assert callback.core is core


def test_before_the_first_fit_nothing_is_claimed():
    callback = OverfitMonitor()
    assert (callback.core, callback.diagnosis, callback.best_step, callback.restored_step) == (None,) * 4
    assert callback.stopped_epoch == 0
