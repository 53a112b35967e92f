"""The loss that the hook keeps is the mean per example, and reading it costs the loop nothing."""

from __future__ import annotations

import copy
import gc
import pickle
import warnings
import weakref
from functools import partial

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402
from torch.nn import functional  # noqa: E402

from overfit_monitor.errors import UsageError  # noqa: E402
from overfit_monitor.guard import Guard  # noqa: E402
from overfit_monitor_torch.losses import LossMeter, LossSummary  # noqa: E402
from overfit_monitor_torch.metered import metered  # noqa: E402
from overfit_monitor_torch.per_example import PerExample  # noqa: E402


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
    assert hook.take()["train"] == LossSummary(mean=1.0, examples=72, calls=3, largest_batch=32)


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
    assert criterion._compiled_call_impl is None


@pytest.mark.parametrize("first", [0, 1], ids=["inner first", "outer first"])
def test_two_meters_on_one_loss_can_be_closed_in_any_order(first):
    criterion = Given()
    hooks = [meter(criterion), meter(criterion)]
    criterion(torch.zeros(2, 1), scalar(1.0))
    hooks[first].close()
    criterion(torch.zeros(2, 1), scalar(3.0))
    assert hooks[1 - first].take()["train"].mean == 2.0
    hooks[1 - first].close()
    assert criterion._compiled_call_impl is None
    assert criterion(torch.zeros(2, 1), scalar(1.0)).item() == 1.0


def test_forward_hooks_of_the_user_run_and_what_they_return_is_the_loss():
    criterion = Given()
    hook = meter(criterion)
    criterion.register_forward_hook(lambda _module, _args, output: output * 2)
    assert criterion(torch.zeros(2, 1), scalar(1.5)).item() == 3.0
    assert hook.take()["train"].mean == 3.0


def test_a_scripted_loss():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scripting is on its way out
        criterion = torch.jit.script(nn.MSELoss())
    hook = meter(criterion)
    criterion(torch.ones(2, 1), torch.zeros(2, 1))
    assert hook.take()["train"].mean == 1.0
    hook.close()
    criterion(torch.ones(2, 1), torch.zeros(2, 1))
    assert hook.take() == {}


def test_a_forward_hook_where_pytorch_has_no_other_place(monkeypatch):
    monkeypatch.setattr("overfit_monitor_torch.taps._PLACE", "_not_there")
    criterion = nn.MSELoss()
    hook = meter(criterion)
    for _ in range(400):
        criterion(torch.ones(2, 1), torch.zeros(2, 1))
    assert criterion._forward_hooks
    assert copy.deepcopy(criterion)(torch.ones(2, 1), torch.zeros(2, 1)).item() == 1.0
    assert hook.take()["train"] == LossSummary(1.0, 800, 400, 2)
    hook.close()
    assert not criterion._forward_hooks


def losses(n, *, every=1, start=0):
    """Call a loss so often, scaling every so-manieth in place from a call on; return the values before."""
    criterion, outputs = nn.MSELoss(), torch.linspace(1.0, 2.0, n)
    hook = meter(criterion)
    for i, output in enumerate(outputs):
        weight = output.clone().requires_grad_()
        loss = criterion(weight.expand(4, 1), torch.zeros(4, 1))
        if i >= start and i % every == 0:
            loss /= 4
        loss.backward()
    return hook, outputs.double() ** 2


def test_most_steps_only_refer_to_the_loss_and_the_mean_is_exact():
    hook, values = losses(1000, start=1000)
    assert hook.take()["train"].mean == pytest.approx(values.mean().item(), rel=1e-7)


@pytest.mark.parametrize("every", [1, 4])
def test_losses_scaled_in_place_from_the_start_are_read_before(every):
    hook, values = losses(1000, every=every)
    summary = hook.take()["train"]
    assert summary.mean == pytest.approx(values.mean().item(), rel=1e-7)
    assert summary.calls == 1000


def test_losses_scaled_in_place_later_are_left_out_once_and_then_read_before():
    hook, values = losses(1000, start=500)
    summary = hook.take()["train"]
    assert 1000 - 255 <= summary.calls < 1000
    # The last call that was left out is the 255th after a close look at the latest.
    kept = torch.cat((values[:500], values[1000 - (summary.calls - 500) :]))
    assert summary.mean == pytest.approx(kept.mean().item(), rel=1e-7)


def test_memory_does_not_grow_with_the_steps():
    criterion, inputs = nn.MSELoss(), torch.ones(2, 1, requires_grad=True)
    hook = meter(criterion)
    held = []
    for _ in range(4):
        for _ in range(700):
            criterion(inputs, torch.zeros(2, 1))
        tap = hook._taps[0]
        held.append(len(tap._losses) + len(tap._sizes))
    gc.collect()
    before = sum(type(thing) is torch.Tensor for thing in gc.get_objects())
    for _ in range(5000):
        criterion(inputs, torch.zeros(2, 1))
    gc.collect()
    assert max(held) <= 2 * 255
    assert sum(type(thing) is torch.Tensor for thing in gc.get_objects()) <= before + 255
    assert hook.take()["train"].calls == 7800


def test_nothing_waits_for_the_device(monkeypatch):
    """Counted over both ways of keeping a loss, rows that are full, and batches of several sizes."""
    calls = []

    def counting(name):
        original = getattr(torch.Tensor, name)
        return lambda self, *args, **kwargs: (calls.append(name), original(self, *args, **kwargs))[1]

    model, criterion = nn.Linear(1, 1), nn.MSELoss()
    hook = LossMeter(model, criterion, Guard(strict=True), per_example=PerExample(Guard(strict=True)))
    batches = [torch.ones(n, 1) for n in (4, 3)]
    with monkeypatch.context() as patched:
        for name in ("item", "tolist", "cpu", "numpy", "to", "__float__", "__int__", "__bool__", "__index__"):
            patched.setattr(torch.Tensor, name, counting(name))
        for training in (True, False):
            model.train(training)
            for i in range(700):
                loss = criterion(model(batches[i % 5 == 0]), batches[i % 5 == 0])
                if training and i > 600:
                    loss /= 2
        assert calls == []
        assert torch.ones(()).item() == 1.0  # the counter counts
        assert calls == ["item"]
    assert {split: summary.calls > 500 for split, summary in hook.take().items()} == {"train": True, "val": True}


@pytest.mark.parametrize("calls", [1, 400], ids=["copied", "referred to"])
def test_losses_on_another_device_than_before(calls):
    """On the meta device there are shapes but no numbers: a model that is only sketched."""
    criterion = Given()
    hook = meter(criterion)
    for device in ("cpu", "meta", "cpu"):
        for _ in range(calls):
            criterion(torch.zeros(2, 1, device=device), scalar(1.0, device=device))
    assert hook.take()["train"] == LossSummary(1.0, 4 * calls, 2 * calls, 2)


class Parts(nn.Module):
    """Returns the parts it was given by name."""

    def forward(self, _outputs, parts):
        return {name: scalar(value) for name, value in parts.items()}


@pytest.mark.parametrize(
    ("weights", "parts", "loss"),
    [
        (None, {"a": 1.0, "b": 2.0}, 3.0),  # the sum
        ({"a": 1.0, "b": 0.1}, {"a": 1.0, "b": 2.0}, 1.2),
        ({"a": 1.0}, {"a": 1.0, "accuracy": 0.5}, 1.0),  # what is not named is not in it
        (None, {"loss": 9.0, "b": 2.0}, 9.0),  # the one of that name
        ({"b": 1.0}, {"loss": 9.0, "b": 2.0}, 9.0),
    ],
)
def test_a_loss_module_that_returns_parts(weights, parts, loss):
    criterion = Parts()
    hook = LossMeter(nn.Linear(1, 1), criterion, Guard(strict=True), weights=weights)
    for _ in range(2):
        criterion(torch.zeros(4, 1), parts)
    metrics = hook.take()["train"].metrics
    assert metrics == pytest.approx({"loss": loss} | parts)


@pytest.mark.parametrize(("weights", "loss"), [(None, 7.0), ({"a": 1.0, "b": 0.5}, 4.0)])
def test_several_loss_modules(weights, loss):
    criterion = {"a": Given(), "b": Given()}
    hook = LossMeter(nn.Linear(1, 1), criterion, Guard(strict=True), weights=weights)
    criterion["a"](torch.zeros(4, 1), scalar(1.0))
    criterion["b"](torch.zeros(4, 1), scalar(6.0))
    assert hook.take()["train"].metrics == {"loss": loss, "a": 1.0, "b": 6.0}


def test_several_loss_modules_one_of_which_is_the_loss():
    criterion = nn.ModuleDict({"loss": Given(), "accuracy_loss": Given()})
    hook = LossMeter(nn.Linear(1, 1), criterion, Guard(strict=True))
    criterion["loss"](torch.zeros(4, 1), scalar(1.0))
    criterion["accuracy_loss"](torch.zeros(4, 1), scalar(6.0))
    assert hook.take()["train"].metrics == {"loss": 1.0, "accuracy_loss": 6.0}


def test_a_part_that_validation_does_not_compute_is_not_in_the_sum():
    model, criterion = nn.Linear(1, 1), {"task": Given(), "penalty": Given()}
    hook = LossMeter(model, criterion, Guard(strict=True))
    for name, loss in (("task", 1.0), ("penalty", 6.0)):
        criterion[name](torch.zeros(4, 1), scalar(loss))
    model.eval()
    criterion["task"](torch.zeros(4, 1), scalar(2.0))
    taken = hook.take()
    assert taken["train"].metrics == {"loss": 1.0, "task": 1.0, "penalty": 6.0}
    assert taken["val"].metrics == {"loss": 2.0, "task": 2.0}


def test_weights_that_name_no_loss():
    criterion = {"a": Given()}
    hook = LossMeter(nn.Linear(1, 1), criterion, Guard(strict=True), weights={"b": 1.0})
    criterion["a"](torch.zeros(4, 1), scalar(1.0))
    with pytest.raises(UsageError, match=r"loss_weights has \['b'\] but the losses are \['a'\]"):
        hook.take()


def test_losses_that_cannot_be_told_apart():
    same = Given()
    with pytest.raises(UsageError, match="are one module: make two"):
        LossMeter(nn.Linear(1, 1), {"a": same, "b": same}, Guard())
    with pytest.raises(UsageError, match=r"criterion\['a'\] must be an nn.Module but got function."):
        LossMeter(nn.Linear(1, 1), {"a": functional.mse_loss}, Guard())


def test_paused():
    criterion = Given()
    hook = meter(criterion, training=False)
    hook.paused = True
    criterion(torch.zeros(2, 1), scalar(1.0))
    hook.paused = False
    criterion(torch.zeros(2, 1), scalar(3.0))
    assert hook.take()["val"].mean == 3.0


# Dynamo, not this package, warns about what it traces.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("compiled_before", [False, True])
def test_compiling_a_step_with_the_loss_inside_is_not_disturbed(compiled_before):
    torch._dynamo.reset()
    model, criterion = nn.Linear(2, 1), nn.MSELoss()
    inputs, targets = torch.ones(3, 2), torch.zeros(3, 1)

    def step(inputs, targets):
        return criterion(model(inputs), targets)

    compiled = torch.compile(step, backend="eager", fullgraph=True)
    if compiled_before:
        compiled(inputs, targets)
    hook = LossMeter(model, criterion, Guard(strict=True))
    expected = functional.mse_loss(model(inputs), targets).item()
    assert compiled(inputs, targets).item() == pytest.approx(expected)
    assert hook.take() == {}
    hook.close()
    assert compiled(inputs, targets).item() == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")
@pytest.mark.parametrize("in_place", [False, True], ids=["torch.compile", "Module.compile"])
def test_a_compiled_loss_is_seen(in_place):
    torch._dynamo.reset()
    criterion = nn.MSELoss()
    if in_place:
        criterion.compile(backend="eager")
        before = criterion._compiled_call_impl
    else:
        criterion = torch.compile(criterion, backend="eager")
    hook = meter(criterion)
    for _ in range(2):
        criterion(torch.ones(2, 1), torch.zeros(2, 1))
    assert hook.take()["train"] == LossSummary(1.0, 4, 2, 2)
    hook.close()
    if in_place:
        assert criterion._compiled_call_impl is before


@pytest.mark.parametrize("function", [functional.mse_loss, partial(functional.mse_loss, reduction="sum")])
def test_a_function_that_is_metered(function):
    criterion = metered(function)
    hook = meter(criterion)
    inputs, targets = torch.ones(4, 1), torch.zeros(4, 1)
    assert criterion(inputs, targets).item() == function(inputs, targets).item()
    assert hook.take()["train"].mean == 1.0
    criterion(inputs, targets, reduction="sum")
    assert hook.take()["train"].mean == 1.0
    assert "mse_loss" in repr(criterion)


def test_a_function_of_ones_own_and_what_is_none():
    criterion = metered(lambda outputs, targets: {"loss": (outputs - targets).square().mean(), "one": outputs.sum()})
    hook = meter(criterion)
    criterion(torch.ones(4, 1), torch.zeros(4, 1))
    assert hook.take()["train"].metrics == {"loss": 1.0, "one": 4.0}
    with pytest.raises(UsageError, match=r"function is an nn\.Module, which can be hooked as it is"):
        metered(nn.MSELoss())
    with pytest.raises(UsageError, match=r"function must be a function but got float\."):
        metered(1.0)
