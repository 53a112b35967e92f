"""Which metric is compared, and in which direction."""

import pytest

from overfit_monitor import UsageError
from overfit_monitor.metrics import choose, direction


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("loss", "min"),
        ("box_loss", "min"),
        ("RMSE", "min"),
        ("top5_accuracy", "max"),
        ("Dice", "max"),
        ("dice_loss", "min"),
        ("accuracy_error", None),
        ("reward", None),
        ("mapping", None),
    ],
)
def test_direction_goes_by_whole_words(name, mode):
    assert direction(name) == mode


@pytest.mark.parametrize(
    ("names", "metric", "mode", "chosen"),
    [
        (["acc", "loss"], None, "auto", ("loss", "min")),
        (["acc"], None, "auto", ("acc", "max")),
        (["reward", "acc"], None, "auto", ("acc", "max")),
        (["reward"], None, "max", ("reward", "max")),
        (["loss", "reward"], "reward", "min", ("reward", "min")),
        (["loss"], "loss", "max", ("loss", "max")),
    ],
)
def test_choice(names, metric, mode, chosen):
    assert choose(names, metric, mode) == chosen


@pytest.mark.parametrize(
    ("names", "metric", "message"),
    [
        (
            ["loss", "accuracy"],
            "acuracy",
            "unknown metric 'acuracy'. Did you mean 'accuracy'? Known: 'accuracy', 'loss'.",
        ),
        (["reward"], None, "mode must be 'min' or 'max' for metric 'reward'"),
        (["reward", "entropy"], None, "metric must be named: no direction is known for any of"),
    ],
)
def test_what_cannot_be_chosen_is_said(names, metric, message):
    with pytest.raises(UsageError, match=message.replace("?", r"\?").replace(".", r"\.")):
        choose(names, metric, "auto")
