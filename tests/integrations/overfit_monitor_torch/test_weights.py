"""The best weights are kept whole, on the CPU, and put back whole or not at all."""

from __future__ import annotations

import threading

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from overfit_monitor import UsageError  # noqa: E402
from overfit_monitor_torch.weights import BestWeights  # noqa: E402


def changed(model: nn.Module) -> None:
    with torch.no_grad():
        for value in model.state_dict().values():
            value.add_(1)


def test_parameters_and_buffers_come_back(task, same_weights):
    best = BestWeights(task.model)
    before = task.weights()
    best.keep(3)
    changed(task.model)
    assert not same_weights(task.weights(), before)
    best.restore()
    assert same_weights(task.weights(), before)
    assert best.step == 3


def test_extra_state_is_copied_and_not_shared():
    class Counting(nn.Linear):
        def __init__(self):
            super().__init__(1, 1)
            self.extra = [1]

        def get_extra_state(self):
            return self.extra

        def set_extra_state(self, state):
            self.extra = list(state)

    model = Counting()
    best = BestWeights(model)
    best.keep(0)
    model.extra.append(2)
    best.restore()
    assert model.extra == [1]


def test_weights_kept_under_inference_mode_can_be_trained_again(task):
    best = BestWeights(task.model)
    with torch.inference_mode():
        best.keep(0)
    best.restore()
    task.train_epoch()
    assert not any(value.is_inference() for value in best.state_dict()["weights"].values())


def test_a_copy_that_fails_leaves_the_one_before(task, same_weights, monkeypatch):
    best = BestWeights(task.model)
    best.keep(0)
    before = task.weights()
    changed(task.model)
    half = task.model.state_dict() | {"a lock cannot be copied": threading.Lock()}
    with monkeypatch.context() as patched:
        patched.setattr(task.model, "state_dict", lambda: half)
        with pytest.raises(TypeError, match="cannot pickle"):
            best.keep(1)
    best.restore()
    assert best.step == 0
    assert same_weights(task.weights(), before)


@pytest.mark.parametrize("other", [nn.Linear(20, 128), nn.Linear(20, 64), nn.Identity()])
def test_a_model_that_has_changed_is_left_alone(task, same_weights, other):
    best = BestWeights(task.model)
    best.keep(7)
    changed(task.model)
    if isinstance(other, nn.Linear) and other.out_features == 128:
        task.model.append(other)
    else:
        task.model[0] = other
    before = task.weights()
    with pytest.raises(UsageError, match="the model has changed since step 7: "):
        best.restore()
    assert same_weights(task.weights(), before)
