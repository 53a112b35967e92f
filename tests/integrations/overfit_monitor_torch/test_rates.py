"""The lowest and the highest learning rate between two evaluations, read at every step of the optimizer."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from overfit_monitor import MonitorWarning  # noqa: E402
from overfit_monitor.guard import Guard  # noqa: E402
from overfit_monitor_torch.rates import RateMeter  # noqa: E402


def optimizer(lr=0.1, kind=torch.optim.SGD, **settings):
    weight = nn.Parameter(torch.ones(2))
    weight.grad = torch.zeros(2)
    return kind([weight], lr=lr, **settings)


def steps(made, rates):
    for rate in rates:
        given = made.param_groups[0]["lr"]
        if isinstance(given, torch.Tensor):
            given.fill_(rate)
        else:
            made.param_groups[0]["lr"] = rate
        made.step()


LADDER = [0.1 * (1 + i % 7) for i in range(600)]


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1), torch.tensor([0.1])], ids=["number", "tensor", "one entry"])
@pytest.mark.parametrize(
    ("rates", "bounds"),
    [
        ([], None),
        ([0.1], (0.1, 0.1)),
        ([0.1, 0.1, 0.01], (0.01, 0.1)),
        ([0.0, 0.3, 0.2], (0.0, 0.3)),
        (LADDER, (0.1, 0.7)),
        ([0.9, *LADDER], (0.1, 0.9)),
    ],
)
def test_bounds_since_the_last_evaluation(lr, rates, bounds):
    made = optimizer(lr.clone() if isinstance(lr, torch.Tensor) else lr)
    meter = RateMeter(made, Guard(strict=True))
    for _ in range(2):
        steps(made, rates)
        assert meter.take() == (None if bounds is None else pytest.approx(bounds, rel=1e-6))
    assert meter.take() is None


def test_the_rate_at_a_step_is_the_one_before_the_scheduler():
    made = optimizer(0.4)
    schedule = torch.optim.lr_scheduler.StepLR(made, step_size=1, gamma=0.5)
    meter = RateMeter(made, Guard(strict=True))
    for expected in (0.4, 0.2, 0.1):
        made.step()
        schedule.step()
        assert meter.take() == (expected, expected)


def test_a_restart_inside_an_epoch_is_seen():
    made = optimizer(1.0)
    schedule = torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(made, T_0=10)
    meter = RateMeter(made, Guard(strict=True))
    for _ in range(25):
        made.step()
        schedule.step()
    low, high = meter.take()
    assert high == 1.0
    assert low < 0.03


def test_steps_that_a_scaler_skips_are_none():
    made = optimizer()
    scaler = torch.amp.GradScaler("cpu")
    meter = RateMeter(made, Guard(strict=True))
    weight = made.param_groups[0]["params"][0]
    for gradient, bounds in ((float("inf"), None), (1.0, (0.1, 0.1))):
        scaler.scale((weight * gradient).sum()).backward()
        scaler.step(made)
        scaler.update()
        made.zero_grad()
        assert meter.take() == bounds


@pytest.mark.parametrize("lr", [0.1, torch.tensor(0.1)], ids=["number", "tensor"])
def test_nothing_waits_for_the_device(monkeypatch, lr):
    calls = []

    def counting(name):
        original = getattr(torch.Tensor, name)
        return lambda self, *args, **kwargs: (calls.append(name), original(self, *args, **kwargs))[1]

    made = optimizer(lr)
    meter = RateMeter(made, Guard(strict=True))
    with monkeypatch.context() as patched:
        for name in ("item", "tolist", "cpu", "numpy", "to", "__float__", "__int__", "__bool__", "__index__"):
            patched.setattr(torch.Tensor, name, counting(name))
        for i in range(600):
            if isinstance(lr, torch.Tensor):
                lr.fill_(0.1 + i)
            meter(made, (), {})
        assert calls == []
        assert torch.ones(()).item() == 1.0  # the counter counts
        assert calls == ["item"]
    assert meter.take() == pytest.approx((0.1, 599.1) if isinstance(lr, torch.Tensor) else (0.1, 0.1))


def test_a_wrapped_optimizer():
    class Wrapper:
        def __init__(self, inner):
            self.optimizer = inner
            self.param_groups = inner.param_groups

        def step(self):
            self.optimizer.step()

    made = Wrapper(optimizer())
    meter = RateMeter(made, Guard(strict=True))
    made.step()
    assert meter.take() == (0.1, 0.1)


def test_an_optimizer_without_hooks():
    class Own:
        param_groups = ({"lr": 0.1},)

    meter = RateMeter(Own(), Guard(strict=True))
    assert not meter.hooked
    assert meter.take() is None
    meter.forget()
    meter.close()


def test_forgotten_and_closed():
    made = optimizer(torch.tensor(0.1))
    meter = RateMeter(made, Guard(strict=True))
    made.step()
    meter.forget()
    assert meter.take() is None
    meter.close()
    meter.close()
    made.step()
    assert meter.take() is None


def test_a_copy_of_the_optimizer_is_not_watched():
    made = optimizer()
    meter = RateMeter(made, Guard(strict=True))
    copy.deepcopy(made).step()
    assert meter.take() is None


def test_a_fault_costs_one_warning():
    made = optimizer()
    meter = RateMeter(made, Guard())
    del made.param_groups[0]["lr"]
    with pytest.warns(MonitorWarning, match="learning-rate hook is off after KeyError: 'lr'") as warned:
        for _ in range(3):
            meter(made, (), {})
    assert len(warned) == 1
    assert meter.take() is None


# Dynamo, not this package, warns about what it traces.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning", "ignore::FutureWarning")
def test_a_compiled_step_is_not_disturbed():
    torch._dynamo.reset()
    made = optimizer()
    meter = RateMeter(made, Guard(strict=True))
    made.param_groups[0]["params"][0].grad.fill_(1.0)
    torch.compile(made.step, backend="eager")()
    assert made.param_groups[0]["params"][0].tolist() == pytest.approx([0.9, 0.9])
    meter.close()
