"""A small network on generated data that overfits within a second, and its plain training loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest


@dataclass
class Task:
    model: Any
    optimizer: Any
    criterion: Any
    train: tuple[Any, Any]
    val: tuple[Any, Any]

    def train_epoch(self) -> float:
        """Train one epoch in batches of 32 with an uneven last one; return the mean loss, kept by hand."""
        self.model.train()
        inputs, targets = self.train
        total = 0.0
        for i in range(0, len(inputs), 32):
            self.optimizer.zero_grad()
            loss = self.criterion(self.model(inputs[i : i + 32]), targets[i : i + 32])
            loss.backward()
            self.optimizer.step()
            total += loss.item() * len(inputs[i : i + 32])
        return total / len(inputs)

    def validate(self) -> float:
        """Validate in batches of 64; return the mean loss, kept by hand."""
        import torch

        self.model.eval()
        inputs, targets = self.val
        total = 0.0
        with torch.no_grad():
            for i in range(0, len(inputs), 64):
                loss = self.criterion(self.model(inputs[i : i + 64]), targets[i : i + 64])
                total += loss.item() * len(inputs[i : i + 64])
        return total / len(inputs)

    def weights(self) -> dict[str, Any]:
        return {name: value.clone() for name, value in self.model.state_dict().items()}


def _make_task(*, seed: int = 0, dropout: float = 0.0) -> Task:
    import torch

    generator = torch.Generator().manual_seed(seed)

    def data(n: int) -> tuple[Any, Any]:
        inputs = torch.randn(n, 20, generator=generator)
        return inputs, (inputs[:, :3].sum(1) + torch.randn(n, generator=generator) > 0).long()

    torch.manual_seed(seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(20, 128),
        torch.nn.BatchNorm1d(128),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(128, 2),
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    return Task(model, optimizer, torch.nn.CrossEntropyLoss(), data(72), data(200))


@pytest.fixture
def make_task():
    return _make_task


@pytest.fixture
def task() -> Task:
    return _make_task()


@pytest.fixture
def same_weights():
    torch = pytest.importorskip("torch")

    def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
        return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)

    return same


@pytest.fixture(autouse=True)
def one_thread():
    """Tiny matrices on several threads are slower, and their sums depend on the number of threads."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
