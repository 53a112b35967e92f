"""Learning curves whose law is known."""

import pytest

pytest.importorskip("joblib")
from overfit_monitor import UsageError
from overfit_monitor_trials import learning_curve

SERIAL = {"engine": "serial", "quiet": True, "epochs": 10}


def law(a, b, c, noise=0.0):
    def train(config):
        loss = a + b * config["train_share"] ** -c + noise * config["seed"] * config["train_share"]
        return [loss + 1.0] * (config["epochs"] - 1) + [loss]

    return train


@pytest.mark.parametrize(
    ("a", "b", "c"), [(0.0, 1.0, 0.5), (0.5, 0.5, 0.5), (0.2, 0.3, 1.0), (1.0, 0.0, 0.5), (0.0, 2.0, 0.1)]
)
def test_a_power_law_is_continued(a, b, c):
    found = learning_curve(law(a, b, c), **SERIAL)
    assert found.losses == pytest.approx([a + b * share**-c for share in (0.25, 0.5, 1.0)])
    assert found.ratio == pytest.approx((a + b * 2**-c) / (a + b), abs=0.01)
    assert found.low == pytest.approx(found.ratio, abs=1e-6)


def test_noise_between_seeds_gives_a_range():
    found = learning_curve(law(0.2, 0.5, 0.4, noise=0.02), **SERIAL)
    assert found.low < found.ratio < found.high
    assert "2 times as many" in found.summary()


def test_parts_of_the_set_are_trained_for_as_many_steps():
    asked = []
    learning_curve(lambda config: asked.append(config) or [1.0], seeds=[0], **SERIAL)
    assert [(one["train_share"], one["epochs"]) for one in asked] == [(0.25, 40), (0.5, 20), (1.0, 10)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"shares": (0.5, 1.0)}, "shares must be three or more"),
        ({"shares": (0.5, 0.25, 1.0)}, "shares must be"),
        ({"factor": 1.0}, "factor must be above 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(UsageError, match=message):
        learning_curve(law(0, 1, 1), **{**SERIAL, **arguments})
    with pytest.raises(UsageError, match="failed: ValueError: no"):
        learning_curve(_fails, **SERIAL)


def _fails(config):
    raise ValueError("no")


def test_a_torch_training_takes_a_share():
    pytest.importorskip("torch")
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    from overfit_monitor_torch import Parts, Training

    def make(seed):
        data = TensorDataset(torch.randn(40, 3), torch.arange(40) % 2)
        model = nn.Linear(3, 2)
        loader = DataLoader(data, batch_size=10)
        return Parts(model, torch.optim.SGD(model.parameters(), lr=0.1), nn.CrossEntropyLoss(), loader, loader)

    found = learning_curve(Training(make, epochs=2), seeds=[0], **{**SERIAL, "epochs": 2})
    assert len(found.losses) == 3
