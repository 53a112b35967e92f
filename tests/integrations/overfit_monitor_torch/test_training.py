"""Recommendations tried on a real PyTorch training, from the diagnosis to what is kept."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("joblib")
from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from overfit_monitor import UsageError, diagnose  # noqa: E402
from overfit_monitor.records import Recommendation  # noqa: E402
from overfit_monitor_torch import Parts, Training, read_facts  # noqa: E402
from overfit_monitor_trials import verify  # noqa: E402

EPOCHS = 60


def make(seed):
    """A wide network on 60 noisy examples."""
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(360, 20, generator=draw)
    y = ((x[:, 0] + x[:, 1] + torch.randn(360, generator=draw)) > 0).long()
    model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Linear(128, 2))
    shuffle = torch.Generator().manual_seed(seed)
    return Parts(
        model=model,
        optimizer=torch.optim.Adam(model.parameters(), lr=0.01),
        criterion=nn.CrossEntropyLoss(),
        train_loader=DataLoader(TensorDataset(x[:60], y[:60]), batch_size=20, shuffle=True, generator=shuffle),
        val_loader=DataLoader(TensorDataset(x[60:], y[60:]), batch_size=300),
    )


def test_advice_is_tried_and_the_best_is_kept():
    parts = make(0)
    known = {"optimizer": parts.optimizer, "criterion": parts.criterion}
    facts = read_facts(parts.model, **known, train_data=parts.train_loader, early_stopping=True)
    before = Training(make, epochs=EPOCHS)({"seed": 0})
    diagnosis = diagnose(train=before["train"], val=before["val"], facts=facts)
    assert diagnosis.verdict == "overfitting"
    train = Training(make, diagnosis, epochs=EPOCHS)
    result = verify(train, diagnosis, engine="serial", quiet=True)
    assert {row.outcome for row in result.tried} <= {"helps", "harms", "no better than noise"}
    assert result.cost <= 4.0
    assert result.best is not None
    after = train({**result.change, "seed": 5})
    assert min(after["val"]) < min(Training(make, epochs=EPOCHS)({"seed": 5})["val"])


def test_the_same_seed_is_the_same_training():
    train = Training(make, epochs=3)
    assert train({"seed": 1}) == train({"seed": 1}) != train({"seed": 2})
    assert len(train({"seed": 1, "epochs": 2})["val"]) == 2


def test_the_wider_recommendation_is_run_once():
    ran = []
    both = [
        Recommendation(id="narrow", title="", why="", change={"a": 1}, code="model.ran.append('narrow')"),
        Recommendation(id="wide", title="", why="", change={"a": 1, "b": 2}, code="model.ran.append('wide')"),
        Recommendation(id="other", title="", why="", change={"c": 3}, code="epochs = 1"),
    ]

    def watched(seed):
        parts = make(seed)
        parts.model.ran = ran
        return parts

    train = Training(watched, both, epochs=3)
    assert len(train({"a": 1, "b": 2, "c": 3})["val"]) == 1
    assert ran == ["wide"]
    train({"a": 1, "b": 9})
    assert ran == ["wide", "narrow"]


def test_new_weights_get_an_optimizer_of_the_same_settings():
    code = "model = torch.nn.Sequential(torch.nn.Linear(20, 4), torch.nn.Linear(4, 2))"
    smaller = Recommendation(id="smaller", title="", why="", change={"width": 4}, code=f"import torch\n{code}")
    train = Training(make, [smaller], epochs=20)
    losses = train({"width": 4})["train"]
    assert losses[-1] < losses[0]


def test_bad_arguments():
    with pytest.raises(UsageError, match="epochs must be at least 1"):
        Training(make, epochs=0)
