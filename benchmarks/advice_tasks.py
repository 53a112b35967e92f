"""Small training runs of many kinds, about half of which overfit.

A task is one user's project: data, network, optimizer, epochs, all drawn from its number. `parts` makes what its
training consists of, under the names that the code of a recommendation uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from nets import TASKS as GENERATED
from nets import data as generated
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from overfit_monitor import Facts
from overfit_monitor_torch import Parts, Training, read_facts
from overfit_monitor_torch.hooks import look_at

HIDDEN_SAMPLE = 4000
KINDS = ("generated", "wide", "sklearn", "digits", "images", "friedman", "tokens", "series")
Part = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Task:
    """One project, as it was before anybody advised anything."""

    number: int
    kind: str
    name: str
    n_train: int
    n_val: int
    width: int
    depth: int
    norm: str
    dropout: float
    optimizer: str
    learning_rate: float
    batch_size: int
    epochs: int
    label_noise: float
    scaled: bool
    parts: dict[str, Part] = field(repr=False, compare=False, default_factory=dict)

    @property
    def classification(self) -> bool:
        """Whether the targets are labels."""
        return not self.parts["train"][1].is_floating_point()

    @property
    def outputs(self) -> int:
        """Classes, or 1 for a regression."""
        return int(max(part[1].max() for part in self.parts.values())) + 1 if self.classification else 1


def task(number: int, *, seed: int = 0) -> Task:
    """Draw a task; the same number and seed give the same task."""
    rng = np.random.default_rng([seed, number])
    kind = KINDS[number % len(KINDS)]
    n_train = int(rng.choice([60, 100, 200, 400]))
    drawn = Task(
        number=number,
        kind=kind,
        name=_name(kind, rng),
        n_train=n_train,
        n_val=int(rng.choice([100, 200, 400])),
        width=int(rng.choice([32, 64, 128])) if kind not in ("tokens", "series") else 32,
        depth=int(rng.integers(1, 4)),
        norm=str(rng.choice(["", "", "", "batch", "layer"])),
        dropout=float(rng.choice([0.0, 0.0, 0.0, 0.1])),
        optimizer=str(rng.choice(["adamw", "adamw", "adam", "sgd"])),
        learning_rate=float(10 ** rng.uniform(-3.3, -2.0)),
        batch_size=int(rng.choice([16, 32, 64])) if kind not in ("tokens", "series") else 32,
        epochs=int(rng.choice([40, 60, 100])) if kind not in ("tokens", "series", "images") else 40,
        label_noise=float(rng.choice([0.0, 0.0, 0.05, 0.1])),
        scaled=bool(rng.random() < 0.85),
    )
    drawn.parts.update(_data(drawn, rng))
    return drawn


def _name(kind: str, rng: np.random.Generator) -> str:
    names = {"generated": GENERATED, "sklearn": ("breast_cancer", "diabetes", "wine"), "tokens": ("count", "pair")}
    return str(rng.choice(names.get(kind, (kind,))))


def _data(drawn: Task, rng: np.random.Generator) -> dict[str, Part]:
    n = drawn.n_train + drawn.n_val + HIDDEN_SAMPLE
    x, y = _DRAW[drawn.kind](drawn, n, rng)
    x, y = np.asarray(x), np.asarray(y)
    n_train, n_val = drawn.n_train, drawn.n_val
    if len(x) < n:  # a real set: half of it at most is to train and validate on
        rows = rng.permutation(len(x))
        x, y = x[rows], y[rows]
        n_train, n_val = min(n_train, len(x) // 3), min(n_val, len(x) // 4)
    if drawn.kind not in ("tokens", "images"):
        mean, scale = x[:n_train].mean(0), x[:n_train].std(0)
        x = (x - mean) / np.where(scale > 1e-6, scale, 1.0)
        if not drawn.scaled:
            x = x * 10 ** rng.uniform(-1, 1.5, x.shape[1:]) + 3.0 * rng.normal(size=x.shape[1:])
    tensors = torch.from_numpy(x if drawn.kind == "tokens" else x.astype(np.float32)), torch.from_numpy(y)
    ends = {"train": (0, n_train), "val": (n_train, n_train + n_val), "test": (n_train + n_val, len(x))}
    return {name: (tensors[0][a:b], tensors[1][a:b]) for name, (a, b) in ends.items()}


def _generated(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    return generated(drawn.name, n, rng, drawn.label_noise)


def _wide(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Many columns, few of which matter."""
    x = rng.normal(size=(n, 40))
    classes = int(rng.choice([2, 3, 5]))
    logits = 2.0 * np.tanh(x[:, :6] @ rng.normal(size=(6, 10))) @ rng.normal(size=(10, classes))
    y = np.argmax(logits + rng.gumbel(size=logits.shape), axis=1)
    return x, y.astype(np.int64)


def _sklearn(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn import datasets

    x, y = getattr(datasets, f"load_{drawn.name}")(return_X_y=True)
    return x, ((y - y.mean()) / y.std()).astype(np.float32) if drawn.name == "diabetes" else _noisy(drawn, y, rng)


def _digits(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return x / 16.0, _noisy(drawn, y, rng)


def _images(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    x, y = _digits(drawn, n, rng)
    return x.reshape(-1, 1, 8, 8) - 0.3, y


def _friedman(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(n, noise=float(rng.choice([1.0, 2.0])), random_state=int(rng.integers(2**31)))
    return x, ((y - 14.4) / 5.0).astype(np.float32)


def _tokens(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    x = rng.integers(20, size=(n, 12))
    y = (x < 6).sum(1) > (x > 13).sum(1) if drawn.name == "count" else ((x[:, 1:] - x[:, :-1]) == 1).any(1)
    return x, _noisy(drawn, y, rng)


def _series(drawn: Task, n: int, rng: np.random.Generator) -> tuple[Any, Any]:
    """Which of three frequencies a noisy wave of 16 points has."""
    y = rng.integers(3, size=n)
    phase, points = rng.uniform(0, 2 * np.pi, (n, 1)), np.arange(16)
    x = np.sin((0.5 + 0.35 * y)[:, None] * points + phase) + 1.2 * rng.normal(size=(n, 16))
    return x[:, :, None], _noisy(drawn, y, rng)


def _noisy(drawn: Task, y: Any, rng: np.random.Generator) -> Any:
    wrong = rng.random(len(y)) < drawn.label_noise
    return np.where(wrong, rng.integers(int(np.max(y)) + 1, size=len(y)), y).astype(np.int64)


_DRAW = {
    "generated": _generated,
    "wide": _wide,
    "sklearn": _sklearn,
    "digits": _digits,
    "images": _images,
    "friedman": _friedman,
    "tokens": _tokens,
    "series": _series,
}


class _LastState(nn.Module):
    """The output of a recurrent layer at the last place."""

    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Return (batch, hidden)."""
        return x[0][:, -1]


class Batches:
    """Batches of two tensors, in a new order in every epoch; far cheaper than a DataLoader for small data."""

    def __init__(self, part: Part, batch_size: int, seed: int | None) -> None:
        self.dataset = TensorDataset(*part)
        self.batch_size = batch_size
        self._order = None if seed is None else torch.Generator().manual_seed(seed)

    def __iter__(self) -> Iterator[Part]:
        x, y = self.dataset.tensors
        if self._order is None:
            yield x, y
            return
        for rows in torch.randperm(len(x), generator=self._order).split(self.batch_size):
            if len(rows) > 1:  # batch normalization cannot do with one
                yield x[rows], y[rows]

    def __len__(self) -> int:
        return math.ceil(len(self.dataset) / self.batch_size)


class Squared(nn.MSELoss):
    """Mean squared error of a network with one output."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Return the mean of the batch."""
        return super().forward(output[:, 0], target)


def parts(seed: int, *, task: Task) -> Parts:
    """Return the parts of a training of the task."""
    model = network(task)
    name = task.optimizer
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    rate, momentum = (10 * task.learning_rate, {"momentum": 0.9}) if name == "sgd" else (task.learning_rate, {})
    return Parts(
        model=model,
        optimizer=kind(model.parameters(), lr=rate, **momentum),
        criterion=nn.CrossEntropyLoss() if task.classification else Squared(),
        train_loader=Batches(task.parts["train"], task.batch_size, seed),
        val_loader=Batches(task.parts["val"], task.batch_size, None),
    )


def training(task: Task, advice: Any = (), *, test: bool = True) -> Training:
    """Return the training function of the task, which tells the loss on the hidden test set as well."""
    also = {"test": Batches(task.parts["test"], task.batch_size, None)} if test else {}
    return Training(partial(parts, task=task), advice, epochs=task.epochs, also=also)


def facts(task: Task) -> Facts:
    """Return what the monitor reads of the task, stopped early with its best weights."""
    made = parts(0, task=task)
    known = read_facts(
        made.model,
        optimizer=made.optimizer,
        criterion=made.criterion,
        train_data=DataLoader(made.train_loader.dataset, batch_size=task.batch_size),
        val_data=DataLoader(made.val_loader.dataset, batch_size=task.batch_size),
        early_stopping=True,
        seen=look_at(task.parts["train"][0]),
    )
    return known.model_copy(update={"data": known.data.model_copy(update={"augmented": False})})


def network(task: Task) -> nn.Sequential:
    """Return the network of the task."""
    x, width, depth = task.parts["train"][0], task.width, task.depth
    layers: list[nn.Module] = []
    if task.kind == "images":
        channels = max(4, width // 16)
        layers += [nn.Conv2d(1, channels, 3, padding=1), *_normed2d(task.norm, channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        inputs = channels * 16
    elif task.kind in ("tokens", "series") and depth > 1:
        embedded = task.kind == "tokens"
        layers += [
            *([nn.Embedding(20, 16)] if embedded else []),
            nn.GRU(16 if embedded else 1, width, batch_first=True),
        ]
        layers += [_LastState()]
        inputs, depth = width, 0 if embedded else 1
    elif task.kind == "tokens":
        layers += [nn.Embedding(20, 16), nn.Flatten()]
        inputs = 192
    else:
        layers += [nn.Flatten()] if x.ndim > 2 else []
        inputs = x[0].numel()
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), *_normed(task.norm, width), nn.ReLU()]
        layers += [nn.Dropout(task.dropout)] if task.dropout else []
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, task.outputs))


def _normed(norm: str, width: int) -> list[nn.Module]:
    return {"batch": [nn.BatchNorm1d(width)], "layer": [nn.LayerNorm(width)]}.get(norm, [])


def _normed2d(norm: str, width: int) -> list[nn.Module]:
    return {"batch": [nn.BatchNorm2d(width)], "layer": [nn.GroupNorm(1, width)]}.get(norm, [])
