"""Small training runs of many kinds that overfit, and the changes that can be made to them.

A task is one user's project: data, network, optimizer, epochs, all drawn from its number. `train` trains it with a
configuration and tells the loss of every epoch on train, validation and a large hidden test set. The names in a
configuration are those of a recommendation's ``change``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from nets import TASKS as GENERATED
from nets import data as generated
from torch import Tensor, nn

HIDDEN_SAMPLE = 4000
KINDS = ("generated", "wide", "sklearn", "digits", "images", "friedman", "tokens", "series")
AVERAGED_OVER = (0.5, 1.0, 2.0, 4.0, 8.0)  # epochs
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


class _Standardized(nn.Module):
    """Subtracts the mean of the training inputs and divides by their standard deviation."""

    def __init__(self, x: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", x.mean(0))
        scale = x.std(0)
        self.register_buffer("scale", torch.where(scale > 1e-6, scale, torch.ones_like(scale)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the inputs, standardized."""
        return (x - self.mean) / self.scale


class _LastState(nn.Module):
    """The output of a recurrent layer at the last place."""

    def forward(self, x: tuple[Tensor, Tensor]) -> Tensor:
        """Return (batch, hidden)."""
        return x[0][:, -1]


class _Mean(nn.Module):
    """The mean over the places of a sequence."""

    def forward(self, x: Tensor) -> Tensor:
        """Return (batch, width)."""
        return x.mean(1)


def network(task: Task, config: Mapping[str, Any]) -> nn.Sequential:
    """Return the network of the task, with what the configuration changes in it."""
    width = max(4, int(task.width * config.get("width_factor", 1.0)))
    norm = config.get("normalization", task.norm)
    x = task.parts["train"][0]
    layers: list[nn.Module] = [_Standardized(x)] if config.get("standardize") else []
    depth = task.depth
    if task.kind == "images":
        channels = max(4, width // 16)
        layers += [nn.Conv2d(1, channels, 3, padding=1), *_normed2d(norm, channels), nn.ReLU()]
        layers += [nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()]
        inputs = channels * 16
    elif task.kind == "tokens":
        layers += [nn.Embedding(20, 16), *([nn.GRU(16, width, batch_first=True), _LastState()] if depth > 1 else [])]
        layers += [] if depth > 1 else [nn.Flatten()]
        inputs, depth = (width, 0) if depth > 1 else (192, 1)
    elif task.kind == "series" and depth > 1:
        layers += [nn.GRU(1, width, batch_first=True), _LastState()]
        inputs, depth = width, 1
    else:
        layers += [nn.Flatten()] if x.ndim > 2 else []
        inputs = x[0].numel()
    rate = max(task.dropout, config.get("dropout", 0.0))
    for _ in range(depth):
        layers += [nn.Linear(inputs, width), *_normed(norm, width), nn.ReLU(), *([nn.Dropout(rate)] if rate else [])]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, task.outputs))


def _normed(norm: str, width: int) -> list[nn.Module]:
    return {"batch": [nn.BatchNorm1d(width)], "layer": [nn.LayerNorm(width)]}.get(norm, [])


def _normed2d(norm: str, width: int) -> list[nn.Module]:
    return {"batch": [nn.BatchNorm2d(width)], "layer": [nn.GroupNorm(1, width)]}.get(norm, [])


def optimizer_of(task: Task, model: nn.Module, config: Mapping[str, Any]) -> torch.optim.Optimizer:
    """Return the optimizer of the task, with what the configuration changes in it."""
    name = str(config.get("optimizer", task.optimizer)).lower()
    kind = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "sgd": torch.optim.SGD}[name]
    usual = 0.01 if name == "adamw" else 0.0
    decay = config.get("weight_decay", usual)
    groups = [
        {"params": [p for p in model.parameters() if p.ndim >= 2], "weight_decay": decay},
        {"params": [p for p in model.parameters() if p.ndim < 2], "weight_decay": 0.0 if decay != usual else usual},
    ]
    rate = config.get("learning_rate", 10 * task.learning_rate if name == "sgd" else task.learning_rate)
    return kind(groups, lr=rate, **({"momentum": 0.9} if name == "sgd" else {}))


def losses(task: Task, output: Tensor, target: Tensor, smoothing: float = 0.0) -> Tensor:
    """Return the loss of every example."""
    if task.classification:
        return nn.functional.cross_entropy(output, target, reduction="none", label_smoothing=smoothing)
    return (output[:, 0] - target) ** 2


def train(task: Task, config: Mapping[str, Any], *, averages: bool = False) -> dict[str, list[float]]:
    """Train and return the losses of every epoch.

    Args:
        task: What is trained.
        config: What is changed, and ``seed`` and ``epochs`` where they are not 0 and the task's own.
        averages: Also return the losses of moving averages of the weights, over `AVERAGED_OVER` epochs.
    """
    torch.manual_seed(1000 + int(config.get("seed", 0)))
    model = network(task, config)
    optimizer = optimizer_of(task, model, config)
    order = torch.Generator().manual_seed(int(config.get("seed", 0)))
    epochs = int(config.get("epochs", task.epochs))
    batch = int(config.get("batch_size", task.batch_size))
    x, y = task.parts["train"]
    horizon = int(config.get("schedule_epochs", epochs)) * math.ceil(len(x) / batch)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * min(1.0, step / horizon))) if "schedule" in config else 1
    )
    average = config.get("ema_epochs")
    spans = AVERAGED_OVER if averages else (() if average is None else (average,))
    emas = [_Average(model, span * math.ceil(len(x) / batch)) for span in spans]
    history: dict[str, list[float]] = {}
    for _ in range(epochs):
        model.train()
        seen = 0.0
        for rows in torch.randperm(len(x), generator=order).split(batch):
            if len(rows) == 1:
                continue
            loss = _train_loss(task, model, x[rows], y[rows], config)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            for ema in emas:
                ema.update()
            seen += loss.item() * len(rows)
        model.eval()
        _add(history, "train", seen / len(x))
        for name in ("val", "test"):
            if average is None:
                _add(history, name, _evaluate(task, model, task.parts[name]))
            for span, ema in zip(spans, emas, strict=True):
                with ema.in_place():
                    key = name if average is not None else f"{name} averaged {span:g}"
                    _add(history, key, _evaluate(task, model, task.parts[name]))
    return history


def _train_loss(task: Task, model: nn.Module, x: Tensor, y: Tensor, config: Mapping[str, Any]) -> Tensor:
    smoothing = config.get("label_smoothing", 0.0)
    if config.get("noise_scale"):
        x = x + config["noise_scale"] * torch.randn_like(x)
    if config.get("shift"):
        x = _shifted(x, config["shift"])
    if config.get("mixup"):
        weight = float(np.random.default_rng(int(torch.randint(2**31, ()))).beta(config["mixup"], config["mixup"]))
        other = torch.randperm(len(x))
        output = model(weight * x + (1 - weight) * x[other])
        return (weight * losses(task, output, y) + (1 - weight) * losses(task, output, y[other])).mean()
    loss = losses(task, model(x), y, smoothing).mean()
    if config.get("l1"):
        loss = loss + config["l1"] * sum(p.abs().sum() for p in model.parameters() if p.ndim >= 2)
    return loss


def _shifted(x: Tensor, share: float) -> Tensor:
    size = x.shape[-1]
    pad = max(1, round(share * size))
    wide = nn.functional.pad(x, (pad,) * 4, mode="replicate")
    corners = torch.randint(0, 2 * pad + 1, (len(x), 2)).tolist()
    return torch.stack([image[:, a : a + size, b : b + size] for image, (a, b) in zip(wide, corners, strict=True)])


@torch.no_grad()
def _evaluate(task: Task, model: nn.Module, part: Part) -> float:
    return float(losses(task, model(part[0]), part[1]).double().mean())


def _add(history: dict[str, list[float]], name: str, value: float) -> None:
    history.setdefault(name, []).append(value)


class _Average:
    """An exponential moving average of the weights, over so many optimizer steps."""

    def __init__(self, model: nn.Module, steps: float) -> None:
        self._live = [p for p in model.parameters() if p.requires_grad]
        self._mean = [p.detach().clone() for p in self._live]
        self._keep, self._step = max(0.0, 1.0 - 1.0 / steps), 0

    @torch.no_grad()
    def update(self) -> None:
        self._step += 1
        keep = min(self._keep, (1 + self._step) / (10 + self._step))
        torch._foreach_lerp_(self._mean, [p.detach() for p in self._live], 1.0 - keep)

    def in_place(self) -> _Swapped:
        return _Swapped(self._live, self._mean)


class _Swapped:
    def __init__(self, live: list[Any], mean: list[Tensor]) -> None:
        self._live, self._mean = live, mean

    def __enter__(self) -> None:
        self._swap()

    def __exit__(self, *_: object) -> None:
        self._swap()

    def _swap(self) -> None:
        for i, p in enumerate(self._live):
            p.data, self._mean[i] = self._mean[i], p.data


def tasks(numbers: range, *, seed: int = 0) -> Iterator[Task]:
    """Return the tasks of these numbers."""
    return (task(number, seed=seed) for number in numbers)
