"""Recommendations on a live PyTorch training: changed, read back, journaled, undone, and never half."""

import json

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from overfit_monitor import MonitorWarning, UsageError  # noqa: E402
from overfit_monitor.records import Recommendation  # noqa: E402
from overfit_monitor_torch import average_weights, watch  # noqa: E402


def advised(id="advice", **change):
    return Recommendation(id=id, title="", why="", change=change, code="")


@pytest.fixture
def parts():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    return {
        "model": model,
        "optimizer": torch.optim.Adam(model.parameters(), lr=0.01),
        "criterion": nn.CrossEntropyLoss(),
    }


def step(parts, x=None):
    x = torch.randn(32, 8) if x is None else x
    loss = parts["criterion"](parts["model"].train()(x), torch.arange(len(x)) % 3)
    parts["optimizer"].zero_grad()
    loss.backward()
    parts["optimizer"].step()


@pytest.mark.parametrize(
    ("change", "before"),
    [
        ({"weight_decay": 0.5}, {"weight_decay": 0.0}),
        ({"weight_decay": 0.5, "optimizer": "AdamW"}, {"weight_decay": 0.0, "optimizer": "Adam"}),
        ({"learning_rate": 0.003}, {"learning_rate": 0.01}),
        ({"dropout": 0.3}, {"dropout": 0.0}),
        ({"label_smoothing": 0.1}, {"label_smoothing": 0.0}),
        ({"augmentation": "noise", "noise_scale": 0.2}, {"noise_scale": 0}),
        ({"weight_averaging": 0.9}, {"weight_averaging": None}),
        ({"l1": 0.001}, {"l1": 0}),
        ({"frozen_layers": 2}, {"frozen_layers": 0}),
        ({"weight_decay": 0.5, "dropout": 0.2}, {"weight_decay": 0.0, "dropout": 0.0}),
    ],
    ids="+".join,
)
def test_a_change_is_made_read_back_and_undone(parts, change, before):
    weights = {name: value.clone() for name, value in parts["model"].state_dict().items()}
    names = list(parts["model"].state_dict())
    with watch(**parts, strict=True) as monitor:
        monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
        applied = monitor.apply(advised(**change))
        assert applied.before == before
        assert applied.after == {k: v for k, v in change.items() if k != "augmentation"}
        assert applied.step == 0
        assert monitor.facts.applied == ("advice",)
        assert any(note.startswith("advice applied after step 0") for note in monitor.diagnosis.notes)
        step(parts)
        parts["model"].eval()
        assert list(parts["model"].state_dict()) == names
        undone = monitor.undo("advice")
        assert undone.undone_step == 0
        assert monitor.facts.applied == ()
        assert monitor.apply(advised(**change)).before == before
        monitor.undo("advice")
    assert all(torch.isfinite(value).all() for value in weights.values())


def test_without_changing_the_training_undone_means_undone(parts):
    """The same steps after undo as without, to the last bit."""

    def trained(*, change):
        torch.manual_seed(1)
        model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        fresh = {
            "model": model,
            "optimizer": torch.optim.AdamW(model.parameters(), lr=0.01),
            "criterion": nn.CrossEntropyLoss(),
        }
        step(fresh, torch.ones(4, 8))
        with watch(**fresh, strict=True, restore_best_weights=False) as monitor:
            if change:
                monitor.apply(advised(weight_decay=2.0, dropout=0.5, label_smoothing=0.2, noise_scale=0.1))
                monitor.undo("advice")
            step(fresh, torch.ones(4, 8))
        return torch.cat([p.detach().flatten() for p in fresh["model"].parameters()])

    assert torch.equal(trained(change=True), trained(change=False))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width_factor": 0.5}, "shapes of the weights"),
        ({"weight_dekay": 0.5}, "Did you mean 'weight_decay'"),
        ({"weight_decay": 0.5, "batch_size": 8}, "what loads the data"),
        ({"optimizer": "Lion"}, "cannot become Lion"),
    ],
)
def test_what_cannot_be_changed_changes_nothing(parts, change, message):
    before = [dict(group) for group in parts["optimizer"].param_groups]
    with watch(**parts, strict=True) as monitor, pytest.raises(UsageError, match=message):
        monitor.apply(advised(**change))
    assert [dict(group) for group in parts["optimizer"].param_groups] == before
    with watch(**parts) as monitor, pytest.warns(MonitorWarning, match=message):
        assert monitor.apply(advised(**change)) is None


def test_a_value_that_does_not_read_back_is_put_back(parts):
    class Stubborn(nn.Dropout):
        def __setattr__(self, name, value):
            super().__setattr__(name, 0.1 if name == "p" else value)

    parts["model"].append(Stubborn(0.1))
    with watch(**parts, strict=True) as monitor, pytest.raises(RuntimeError, match=r"was set to 0\.4 but read back"):
        monitor.apply(advised(weight_decay=0.5, dropout=0.4))
    assert parts["optimizer"].param_groups[0]["weight_decay"] == 0.0
    assert len(parts["optimizer"].param_groups) == 1


def test_the_journal_and_a_replay_tell_the_same(parts, tmp_path):
    from overfit_monitor.check import check

    with watch(**parts, run_dir=tmp_path / "run", strict=True) as monitor:
        monitor.log(step=0, train={"loss": 1.0}, val={"loss": 1.0})
        monitor.apply(advised("weight_decay", weight_decay=0.5))
        monitor.log(step=1, train={"loss": 0.9}, val={"loss": 0.9})
    kinds = [json.loads(line) for line in (tmp_path / "run" / "overfit-monitor.jsonl").read_text().splitlines()]
    (entry,) = [line["record"] for line in kinds if line["kind"] == "applied"]
    assert entry == {
        "id": "weight_decay",
        "step": 0,
        "before": {"weight_decay": 0.0},
        "after": {"weight_decay": 0.5},
        "undone_step": None,
    }
    (run,) = check([tmp_path]).runs
    assert run.notes == monitor.diagnosis.notes


def curve(epoch):
    return 1.0 / (1 + epoch) + max(0.0, 0.02 * (epoch - 10))


def logged(monitor, epochs=60):
    for epoch in range(epochs):
        monitor.log(step=epoch, train={"loss": 1.0 / (1 + epoch)}, val={"loss": curve(epoch)})


def test_what_may_be_applied_without_asking_is_applied_once_within_its_limits(parts):
    with watch(**parts, auto_apply={"dropout": 0.4, "label_smoothing": 0.05}, strict=True) as monitor:
        logged(monitor)
        assert monitor.facts.applied == ("dropout",)
        (change,) = monitor.facts.changes
        assert change.step == next(f.alarm_step for f in monitor.diagnosis.findings if f.id == "overfitting")
        assert "dropout" not in [r.id for r in monitor.diagnosis.recommendations]


@pytest.mark.parametrize("limits", [None, {"dropout": 0.1}, {"learning_rate": 1.0}])
def test_nothing_is_applied_beyond_the_limits(parts, limits):
    with watch(**parts, auto_apply=limits, strict=True) as monitor:
        logged(monitor)
        assert monitor.facts.applied == ()
    assert parts["optimizer"].param_groups[0]["lr"] == 0.01


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"dropuot": 0.2}, "Did you mean 'dropout'"),
        ({"dropout": 0}, "largest value, above 0"),
        (["dropout"], "must be a mapping"),
    ],
)
def test_limits_that_cannot_be_right(parts, limits, message):
    with pytest.raises(UsageError, match=message):
        watch(**parts, auto_apply=limits)


def test_averaged_weights_are_validated_and_kept(parts):
    averaging = average_weights(parts["model"], parts["optimizer"], decay=0.9)
    with watch(**parts, strict=True) as monitor:
        assert monitor.facts.averaged is True
        for epoch in range(3):
            for _ in range(4):
                step(parts)
            parts["model"].eval()
            monitor.log(step=epoch, train={"loss": 1.0}, val={"loss": 1.0 / (1 + epoch)})
        averaged = parts["model"][0].weight.clone()
    assert monitor.restored_step == 2
    assert torch.equal(parts["model"][0].weight, averaged)
    assert averaging.steps == 12
    with pytest.raises(UsageError, match="averaged already"):
        average_weights(parts["model"], parts["optimizer"], decay=0.9)
    averaging.remove()
    with pytest.raises(UsageError, match="decay must be"):
        average_weights(parts["model"], parts["optimizer"], decay=1.0)


def test_averages_are_those_of_a_plain_loop():
    torch.manual_seed(0)
    model = nn.Linear(2, 1, bias=False)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    averaging = average_weights(model, optimizer, decay=0.5)
    mean = model.weight.detach().clone()
    for n in range(1, 30):
        model.train()(torch.ones(1, 2)).sum().backward()
        optimizer.step()
        decay = min(0.5, n / (10 + n))
        mean = decay * mean + (1 - decay) * model.weight.detach()
    model.eval()
    assert torch.allclose(model.weight, mean)
    assert averaging.in_place
