"""The validation loss of every example, from the call that computes their mean, and nothing of it shows."""

from __future__ import annotations

import random

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

from overfit_monitor import MonitorWarning  # noqa: E402
from overfit_monitor.guard import Guard  # noqa: E402
from overfit_monitor_torch import per_example  # noqa: E402
from overfit_monitor_torch.losses import LossMeter  # noqa: E402
from overfit_monitor_torch.metered import metered  # noqa: E402
from overfit_monitor_torch.order import fingerprint  # noqa: E402
from overfit_monitor_torch.per_example import PerExample  # noqa: E402

OUTPUTS = torch.randn(11, 3, generator=torch.Generator().manual_seed(0))
CLASSES = torch.tensor([0, 1, 2, 0, 1, 2, 0, 2, 2, 1, 0])
EVERYTHING = functional.cross_entropy(OUTPUTS, CLASSES, reduction="none")


class Evaluation:
    """A loss in eval mode whose losses are kept."""

    def __init__(self, criterion, *, strict=True, val_data=None):
        self.criterion = criterion
        guard = Guard(strict=strict)
        self.model = nn.Linear(1, 1).eval()
        self.kept = PerExample(guard, val_data=val_data)
        self.meter = LossMeter(self.model, criterion, guard, per_example=self.kept)

    def run(self, outputs=OUTPUTS, targets=CLASSES, *, size=4, rows=None, call=None):
        """Evaluate in batches; return the losses of the examples."""
        rows = torch.arange(len(outputs)) if rows is None else rows
        with torch.no_grad():
            for part in torch.split(rows, size):
                (call or self.criterion)(outputs[part], targets[part])
        val = self.meter.take().get("val")
        return self.kept.take(None if val is None else val.mean)


@pytest.mark.parametrize("reduction", ["mean", "none"])
@pytest.mark.parametrize("size", [1, 4, 11])
def test_one_loss_for_each_example_in_order(reduction, size):
    evaluation = Evaluation(nn.CrossEntropyLoss(reduction=reduction))
    for _ in range(2):
        losses = evaluation.run(size=size)
        assert losses.dtype == np.float32
        assert losses == pytest.approx(EVERYTHING.numpy(), rel=1e-6)
    assert evaluation.kept.reason is None
    assert evaluation.kept.labels.tolist() == CLASSES.tolist()


class Focal(nn.Module):
    """A loss of the user's own, with buffers, that heeds its reduction."""

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction
        self.register_buffer("alpha", torch.tensor(0.5))
        self.inner = nn.CrossEntropyLoss(reduction="none")

    def forward(self, outputs, targets):
        loss = self.alpha * self.inner(outputs, targets)
        return loss if self.reduction == "none" else loss.mean() if self.reduction == "mean" else loss.sum()


@pytest.mark.parametrize(
    ("criterion", "outputs", "targets", "expected"),
    [
        (nn.MSELoss(), torch.ones(5, 2, 3), torch.zeros(5, 2, 3), [1.0] * 5),
        (nn.MSELoss(reduction="sum"), torch.ones(5, 2, 3), torch.zeros(5, 2, 3), [6.0] * 5),
        (nn.KLDivLoss(reduction="batchmean"), torch.zeros(5, 2), torch.ones(5, 2), [0.0] * 5),
        (nn.L1Loss(), torch.arange(5.0), torch.zeros(5), [0.0, 1.0, 2.0, 3.0, 4.0]),
        (Focal(), OUTPUTS, CLASSES, 0.5 * EVERYTHING),
        (Focal("sum"), OUTPUTS, CLASSES, 0.5 * EVERYTHING),
        (metered(functional.cross_entropy), OUTPUTS, CLASSES, EVERYTHING),
    ],
    ids=lambda value: type(value).__name__,
)
def test_losses_with_a_reduction(criterion, outputs, targets, expected):
    evaluation = Evaluation(criterion)
    losses = evaluation.run(outputs, targets)
    assert evaluation.kept.reason is None
    assert losses == pytest.approx(np.asarray(expected), rel=1e-6)


def test_keywords_autocast_and_inference_mode():
    evaluation = Evaluation(nn.MSELoss())
    layer = nn.Linear(3, 2)
    inputs, targets = torch.randn(11, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(11, 2)

    def call(given, goals):
        with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
            evaluation.criterion(input=layer(given), target=goals)

    losses = evaluation.run(inputs, targets, call=call)
    assert losses == pytest.approx(layer(inputs).square().mean(1).detach().numpy(), rel=0.05, abs=1e-3)
    assert evaluation.meter.autocast is torch.bfloat16
    assert evaluation.kept.labels is None  # they are no whole numbers


def test_a_loss_in_half_precision_agrees_within_its_own_spacing():
    evaluation = Evaluation(nn.MSELoss())
    assert len(evaluation.run(torch.full((11, 1), 1.7, dtype=torch.bfloat16), torch.zeros(11, 1).bfloat16())) == 11


class Unheeding(nn.Module):
    reduction = "mean"

    def forward(self, outputs, targets):
        return functional.cross_entropy(outputs, targets)


class Keeper(nn.Module):
    def __init__(self):
        super().__init__()
        self.reduction = "mean"
        self.seen = []

    def forward(self, outputs, targets):
        self.seen.append(len(targets))
        return functional.cross_entropy(outputs, targets, reduction=self.reduction)


class Teacher(nn.Module):
    def __init__(self):
        super().__init__()
        self.reduction = "mean"
        self.teacher = nn.Linear(1000, 1001)

    def forward(self, outputs, targets):
        return functional.cross_entropy(outputs, targets, reduction=self.reduction)


class Margin(nn.Module):
    """A loss without targets."""

    def __init__(self):
        super().__init__()
        self.reduction = "mean"

    def forward(self, outputs):
        return outputs if self.reduction == "none" else outputs.mean()


@pytest.mark.parametrize(
    ("criterion", "reason"),
    [
        (nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0, 1.0])), "the mean over the examples is"),
        (nn.CrossEntropyLoss(ignore_index=2), "class weights, ignored targets or another mean"),
        (Unheeding(), "the criterion gives no loss for each example with reduction='none'"),
        (Keeper(), "the criterion keeps a list in 'seen', which a second call may change"),
        (Teacher(), "the criterion holds a network, which is not run a second time"),
        (metered(lambda outputs, targets: (outputs.sum(1) - targets).mean()), "has no reduction to leave out"),
        (Margin(), "the order of the validation examples cannot be told"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_cannot_be_had_is_said(criterion, reason):
    evaluation = Evaluation(criterion)
    call = (lambda outputs, _targets: criterion(outputs[:, 0])) if isinstance(criterion, Margin) else None
    for _ in range(2):
        assert evaluation.run(call=call) is None
        assert reason in evaluation.kept.reason
    if isinstance(criterion, Keeper):
        assert criterion.seen == [4, 4, 3] * 2


def test_several_losses():
    kept = PerExample(Guard(strict=True))
    criterion = {"a": nn.MSELoss(), "b": nn.MSELoss()}
    LossMeter(nn.Linear(1, 1).eval(), criterion, Guard(strict=True), per_example=kept)
    criterion["a"](torch.ones(2), torch.ones(2))
    assert kept.take(1.0) is None
    assert kept.reason == "the loss is the sum of several losses"


def test_too_many_examples(monkeypatch):
    monkeypatch.setattr(per_example, "MOST_EXAMPLES", 10)
    evaluation = Evaluation(nn.CrossEntropyLoss())
    assert evaluation.run() is None
    assert evaluation.kept.reason == "there are more than 10 validation examples"


def test_a_loader_that_shuffles_is_refused_at_once():
    data = TensorDataset(OUTPUTS, CLASSES)
    assert PerExample(Guard(), val_data=DataLoader(data)).reason is None
    assert PerExample(Guard(), val_data=DataLoader(data, shuffle=True)).reason == (
        "the validation loader shuffles: use shuffle=False"
    )


@pytest.mark.parametrize("targets", [CLASSES, CLASSES.double(), OUTPUTS, CLASSES > 1], ids=lambda t: str(t.dtype))
def test_another_order_is_noticed(targets):
    outputs = torch.rand(targets.shape, generator=torch.Generator().manual_seed(1))
    evaluation = Evaluation(nn.MSELoss())
    targets = targets.float() if targets.dtype is torch.bool else targets
    assert len(evaluation.run(outputs, targets)) == 11
    rows = torch.randperm(11, generator=torch.Generator().manual_seed(0))
    assert evaluation.run(outputs, targets, rows=rows) is None
    assert evaluation.kept.reason == "the validation examples came in another order than before: use shuffle=False"
    assert evaluation.run(outputs, targets) is None  # for good: it is not known which order is the one


def test_evaluations_of_another_size_do_not_count_as_another_order():
    evaluation = Evaluation(nn.CrossEntropyLoss())
    for n in (4, 11, 4, 11):
        assert len(evaluation.run(OUTPUTS[:n], CLASSES[:n])) == n
    for n in range(2, 11):
        evaluation.run(OUTPUTS[:n], CLASSES[:n])
    assert "is another one at every evaluation" in evaluation.kept.reason


def test_an_evaluation_that_is_not_finite_is_left_out():
    evaluation = Evaluation(nn.CrossEntropyLoss())
    assert evaluation.run(OUTPUTS * float("nan")) is None
    assert len(evaluation.run()) == 11


def test_forgotten():
    evaluation = Evaluation(nn.CrossEntropyLoss())
    evaluation.criterion(OUTPUTS + 1, CLASSES)
    evaluation.meter.forget()
    assert len(evaluation.run()) == 11


class Stirring(nn.Module):
    """A loss that draws random numbers and writes to a buffer."""

    def __init__(self):
        super().__init__()
        self.reduction = "mean"
        self.calls = 0
        self.register_buffer("running", torch.zeros(1))

    def forward(self, outputs, targets):
        self.calls += 1
        self.running += 1
        noise = torch.rand(1).item() + random.random() + np.random.rand()
        return functional.cross_entropy(outputs * (1 + 1e-9 * noise), targets, reduction=self.reduction)


def test_a_second_call_leaves_no_trace():
    def run(criterion):
        torch.manual_seed(0), random.seed(0), np.random.seed(0)
        with torch.no_grad():
            for part in torch.split(torch.arange(11), 4):
                criterion(OUTPUTS[part], CLASSES[part])
        return torch.rand(1).item(), random.random(), np.random.rand(), criterion.calls, criterion.running.item()

    evaluation = Evaluation(Stirring())
    assert run(evaluation.criterion) == run(Stirring())
    assert len(evaluation.kept.take(evaluation.meter.take()["val"].mean)) == 11


def test_gradients_are_untouched():
    """Also where validation runs without no_grad."""
    grads = []
    for watched in (False, True):
        layer = nn.Linear(3, 3)
        nn.init.eye_(layer.weight), nn.init.zeros_(layer.bias)
        criterion = nn.CrossEntropyLoss()
        if watched:
            criterion = Evaluation(criterion).criterion
        criterion(layer(OUTPUTS), CLASSES).backward()
        grads.append(layer.weight.grad)
    assert torch.equal(*grads)


def test_training_calls_are_left_alone():
    evaluation = Evaluation(nn.CrossEntropyLoss())
    evaluation.model.train()
    assert evaluation.run() is None
    assert evaluation.kept.labels is None


def test_a_fault_costs_only_the_losses_of_the_examples(monkeypatch):
    evaluation = Evaluation(nn.CrossEntropyLoss(), strict=False)
    monkeypatch.setattr(per_example, "fingerprint", lambda _target: 1 / 0)
    with pytest.warns(MonitorWarning, match="per-example losses is off after ZeroDivisionError") as warned:
        assert evaluation.run() is None
    assert len(warned) == 1
    assert evaluation.kept.reason == "an error switched them off"
    evaluation.criterion(OUTPUTS, CLASSES)
    assert evaluation.meter.take()["val"].mean == pytest.approx(EVERYTHING.mean().item())


def test_labels_are_our_own():
    evaluation = Evaluation(nn.CrossEntropyLoss())
    targets = CLASSES.clone()
    evaluation.criterion(OUTPUTS, targets)
    targets.zero_()
    evaluation.kept.take(evaluation.meter.take()["val"].mean)
    assert evaluation.kept.labels.tolist() == CLASSES.tolist()


@pytest.mark.parametrize(
    "targets",
    [
        torch.arange(8),
        torch.arange(8).to(torch.uint8),
        torch.arange(8.0).bfloat16(),
        torch.arange(24.0).reshape(8, 3),
        torch.arange(8 * 500.0).reshape(8, 500),
        torch.complex(torch.arange(8.0), torch.ones(8)),
    ],
    ids=lambda t: f"{t.dtype} {tuple(t.shape)}",
)
def test_a_fingerprint_depends_on_values_and_order(targets):
    same = fingerprint(targets.clone()).item()
    assert fingerprint(targets).item() == same
    swapped = [fingerprint(targets[torch.tensor([*range(i), i + 1, i, *range(i + 2, 8)])]).item() for i in range(7)]
    changed = targets.clone()
    changed[3] = changed[4]
    assert len({same, *swapped, fingerprint(changed).item(), fingerprint(targets[:7]).item()}) == 10


def test_fingerprints_seldom_meet():
    """Of 2000 shuffles of 30 labels in two classes, hardly any two alike, no two have one fingerprint."""
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(30) % 2
    shuffled = [labels[torch.randperm(30, generator=generator)] for _ in range(2000)]
    assert len({fingerprint(one).item() for one in shuffled}) == len({tuple(one.tolist()) for one in shuffled})
