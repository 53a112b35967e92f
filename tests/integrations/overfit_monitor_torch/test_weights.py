"""The best weights are kept whole, in memory or on disk, and put back whole or not at all."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from overfit_monitor import UsageError  # noqa: E402
from overfit_monitor_torch import watch  # noqa: E402
from overfit_monitor_torch.weights import FILE_NAME, BestWeights  # noqa: E402


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


class Tied(nn.Module):
    """Input and output embedding are one tensor, as in most language models."""

    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.embedding.weight


@pytest.fixture(params=["memory", "disk"])
def file(request, tmp_path):
    return tmp_path / "folder" / "best.pt" if request.param == "disk" else None


def test_a_shared_tensor_is_kept_once_and_stays_shared(file):
    model = Tied()
    best = BestWeights(model, file=file)
    best.keep(0)
    before = model.embedding.weight.clone()
    changed(model)
    best.restore()
    assert torch.equal(model.embedding.weight, before)
    assert model.head.weight is model.embedding.weight
    assert best.nbytes == (0 if file else 50 * 8 * 4)
    if file:
        assert file.stat().st_size < 1.8 * 50 * 8 * 4 + 4096


def test_later_copies_go_to_the_same_memory(task):
    best = BestWeights(task.model)
    best.keep(0)
    places = {name: value.data_ptr() for name, value in best._kept.items()}
    changed(task.model)
    best.keep(1)
    assert {name: value.data_ptr() for name, value in best._kept.items()} == places
    assert best.nbytes == sum(value.nbytes for value in task.model.state_dict().values())


def test_a_state_goes_into_another_process(task, same_weights, file):
    first = BestWeights(task.model, file=file)
    first.keep(4)
    kept = task.weights()
    state = first.state_dict()
    assert bool(state["weights"]) is (file is None)  # what is on disk already is not saved twice
    changed(task.model)
    second = BestWeights(task.model, file=file)
    second.load_state_dict(state)
    second.restore()
    assert second.step == 4
    assert same_weights(task.weights(), kept)


@pytest.mark.parametrize("left", ["nothing", "another step", "damaged"])
def test_a_file_that_is_not_that_of_the_checkpoint_is_not_taken(task, tmp_path, left):
    file = tmp_path / "best.pt"
    first = BestWeights(task.model, file=file)
    first.keep(4)
    state = first.state_dict()
    if left == "nothing":
        file.unlink()
    elif left == "damaged":
        file.write_bytes(file.read_bytes()[:100])
    else:
        first.keep(5)
    second = BestWeights(task.model, file=file)
    second.load_state_dict(state)
    assert second.step is None


def test_a_disk_that_is_full_leaves_the_copy_before(task, same_weights, tmp_path, monkeypatch):
    file = tmp_path / "best.pt"
    best = BestWeights(task.model, file=file)
    best.keep(0)
    before = task.weights()
    changed(task.model)

    def half(content, path):
        path.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(OSError, match="No space left"):
        best.keep(1)
    assert [path.name for path in tmp_path.iterdir()] == ["best.pt"]
    best.restore()
    assert best.step == 0
    assert same_weights(task.weights(), before)


def test_weights_that_were_not_taken_are_told(task, monkeypatch):
    best = BestWeights(task.model)
    best.keep(2)
    changed(task.model)
    monkeypatch.setattr(type(task.model), "load_state_dict", lambda *_: None)
    with pytest.raises(RuntimeError, match="did not take the weights of step 2"):
        best.restore()


def test_values_that_are_not_finite_come_back(task):
    with torch.no_grad():
        task.model[0].weight[0, 0] = float("nan")
    best = BestWeights(task.model)
    best.keep(0)
    changed(task.model)
    best.restore()
    assert task.model[0].weight[0, 0].isnan()


def test_a_process_that_is_killed_while_it_writes_leaves_the_copy_before(tmp_path):
    script = """
import os, sys, torch
from torch import nn
from overfit_monitor_torch.weights import BestWeights
from pathlib import Path
model = nn.Linear(3, 3)
nn.init.zeros_(model.weight)
best = BestWeights(model, file=Path(sys.argv[1]))
best.keep(0)
nn.init.ones_(model.weight)
save = torch.save
def kill(content, path):
    save(content, path)
    os.kill(os.getpid(), 9)
torch.save = kill
best.keep(1)
"""
    file = tmp_path / "best.pt"
    assert subprocess.run([sys.executable, "-c", script, str(file)], check=False).returncode == -9
    found = torch.load(file, weights_only=True)
    assert (found["step"], float(found["weights"]["weight"].sum())) == (0, 0.0)


def test_the_watch_keeps_them_where_it_is_told(task, same_weights, tmp_path):
    monitor = watch(task.model, criterion=task.criterion, run_dir=tmp_path, keep_weights="disk", patience=5)
    kept = []
    for _ in monitor.epochs(30):
        task.train_epoch()
        task.validate()
        kept.append(task.weights())
    assert monitor.restored_step == monitor.best_step < len(kept) - 1
    assert same_weights(task.weights(), kept[monitor.best_step])
    assert (tmp_path / FILE_NAME).exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"keep_weights": "disk"}, "keep_weights='disk' needs a run_dir"),
        ({"keep_weights": "ram"}, "keep_weights must be 'memory' or 'disk' but got 'ram'"),
    ],
)
def test_a_place_that_cannot_be(task, settings, message):
    with pytest.raises(UsageError, match=message):
        watch(task.model, **settings)
