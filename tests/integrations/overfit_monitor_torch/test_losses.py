"""The loss that the hook keeps is the mean per example, and reading it costs the loop nothing."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from overfit_monitor.guard import Guard  # noqa: E402
from overfit_monitor_torch.losses import LossMeter  # noqa: E402


class Given(nn.Module):
    """A loss that returns what it was given, so that the table can be checked by hand."""

    def __init__(self, reduction: str = "mean") -> None:
        super().__init__()
        self.reduction = reduction

    def forward(self, _outputs, loss):
        return loss


def meter(criterion: nn.Module, *, training: bool = True) -> LossMeter:
    model = nn.Linear(1, 1).train(training)
    return LossMeter(model, criterion, Guard(strict=True))


def scalar(value: float, **kwargs):
    return torch.tensor(value, **kwargs)


@pytest.mark.parametrize(
    ("reduction", "calls", "mean"),
    [
        # (examples in the batch, what the loss returned)
        ("mean", [(4, scalar(1.0)), (4, scalar(2.0))], 1.5),
        ("mean", [(4, scalar(1.0)), (1, scalar(6.0))], 2.0),  # (4 * 1 + 1 * 6) / 5, not 3.5
        ("sum", [(4, scalar(4.0)), (1, scalar(6.0))], 2.0),  # (4 + 6) / 5
        ("none", [(4, scalar([1.0, 1.0, 1.0, 1.0])), (1, scalar([6.0]))], 2.0),
        ("none", [(2, scalar([[0.0, 2.0], [4.0, 6.0]]))], 3.0),
        ("mean", [(4, scalar(1.0)), (0, scalar(float("nan")))], 1.0),  # an empty batch says nothing
        ("mean", [(4, scalar(1.0)), (1, scalar(float("inf")))], float("inf")),
        ("mean", [(2, scalar(-1.0)), (2, scalar(-3.0))], -2.0),
        ("mean", [(60_000, scalar(5.0, dtype=torch.float16)), (60_000, scalar(5.0, dtype=torch.float16))], 5.0),
        ("mean", [(1, scalar(1e8)), (1, scalar(1.0))], 50_000_000.5),  # lost in single precision
    ],
)
def test_mean_per_example(reduction, calls, mean):
    criterion = Given(reduction)
    hook = meter(criterion)
    for examples, loss in calls:
        criterion(torch.zeros(examples, 3), loss)
    summary = hook.take()["train"]
    assert summary.mean == mean
    assert summary.examples == sum(examples for examples, _ in calls)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_every_reduction_gives_the_loss_of_the_whole_set(reduction):
    outputs, targets = (
        torch.randn(7, 3, generator=torch.Generator().manual_seed(0)),
        torch.tensor([0, 1, 2, 0, 1, 2, 0]),
    )
    criterion = nn.CrossEntropyLoss(reduction=reduction)
    hook = meter(criterion)
    for part in (slice(0, 3), slice(3, 6), slice(6, 7)):
        criterion(outputs[part], targets[part])
    assert hook.take()["train"].mean == pytest.approx(functional.cross_entropy(outputs, targets).item(), rel=1e-6)


@pytest.mark.parametrize(
    "wrap",
    [lambda loss: (loss, "extra"), lambda loss: {"parts": 1, "loss": loss}],
    ids=["tuple", "mapping"],
)
def test_losses_inside_a_tuple_or_a_mapping(wrap):
    criterion = Given()
    hook = meter(criterion)
    criterion(torch.zeros(2, 1), wrap(scalar(3.0)))
    assert hook.take()["train"].mean == 3.0


def test_the_batch_is_found_in_keywords_and_nested_arguments():
    criterion = nn.MSELoss()
    hook = meter(criterion)
    criterion(input=torch.ones(3, 2), target=torch.zeros(3, 2))
    given = Given()
    nested = meter(given)
    given([{"a": None, "b": torch.zeros(5, 2)}], scalar(1.0))
    assert hook.take()["train"].examples == 3
    assert nested.take()["train"].examples == 5


def test_train_and_validation_are_told_apart_by_the_mode_of_the_model():
    model, criterion = nn.Linear(1, 1), Given()
    hook = LossMeter(model, criterion, Guard(strict=True))
    for training, loss in ((True, 1.0), (False, 5.0), (True, 3.0)):
        model.train(training)
        criterion(torch.zeros(2, 1), scalar(loss))
    assert {split: summary.mean for split, summary in hook.take().items()} == {"train": 2.0, "val": 5.0}
    assert hook.take() == {}


def test_counts_of_an_epoch():
    criterion = Given()
    hook = meter(criterion)
    for examples in (32, 32, 8):
        criterion(torch.zeros(examples, 1), scalar(1.0))
    assert hook.take()["train"] == (1.0, 72, 3, 32)


def test_a_loss_scaled_in_place_afterwards_was_read_before():
    criterion = nn.MSELoss()
    hook = meter(criterion)
    loss = criterion(torch.ones(2, 1), torch.zeros(2, 1))
    loss /= 4
    assert hook.take()["train"].mean == 1.0


def test_validation_now_and_then_under_inference_mode():
    criterion = Given()
    hook = meter(criterion, training=False)
    for context in (torch.inference_mode, torch.no_grad, torch.inference_mode):
        with context():
            criterion(torch.zeros(2, 1), scalar(1.0))
    assert hook.take()["val"].mean == 1.0


def test_the_graph_is_not_kept_alive():
    criterion = nn.MSELoss()
    hook = meter(criterion)
    outputs = nn.Linear(1, 1)(torch.ones(2, 1))
    loss = criterion(outputs, torch.zeros(2, 1))
    kept = [weakref.ref(loss), weakref.ref(outputs)]
    del loss, outputs
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
    assert hook.take()["train"].calls == 1


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda c: pickle.loads(pickle.dumps(c))], ids=["deepcopy", "pickle"])
def test_a_copy_of_the_loss_module_works_and_is_not_watched(copied):
    criterion = nn.MSELoss()
    hook = meter(criterion)
    twin = copied(criterion)
    assert twin(torch.ones(2, 1), torch.zeros(2, 1)).item() == 1.0
    assert hook.take() == {}
    criterion(torch.ones(2, 1), torch.zeros(2, 1))
    assert hook.take()["train"].mean == 1.0


def test_closed_and_forgotten():
    criterion = Given()
    hook = meter(criterion)
    criterion(torch.zeros(2, 1), scalar(1.0))
    hook.forget()
    assert hook.take() == {}
    hook.close()
    hook.close()
    criterion(torch.zeros(2, 1), scalar(1.0))
    assert hook.take() == {}
    assert not criterion._forward_hooks


# Dynamo, not this package, warns about what it traces.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
def test_compiling_a_step_with_the_loss_inside_is_not_disturbed():
    model, criterion = nn.Linear(2, 1), nn.MSELoss()
    hook = LossMeter(model, criterion, Guard(strict=True))

    def step(inputs, targets):
        return criterion(model(inputs), targets)

    compiled = torch.compile(step, backend="eager", fullgraph=True)
    inputs, targets = torch.ones(3, 2), torch.zeros(3, 1)
    assert compiled(inputs, targets).item() == pytest.approx(functional.mse_loss(model(inputs), targets).item())
    assert hook.take() == {}
