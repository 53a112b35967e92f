"""What the train probe costs on real trainings, and what it sees of the gap.

usage: python benchmarks/probe.py [--seconds 4] [--budget 0.02] [--epochs 30] [--networks 7] [--seed 0]

First table: for each network, trained for so many seconds on one thread, the time that calls of the probe took over
the time of everything else, both taken from outside of it, and the size and interval that it settled on. Second table:
the last five of so many epochs of a network with dropout and of one without. The raw gap is the validation loss minus
the mean loss of the training batches; the like-for-like gap is the validation loss minus the mean of the probe, with
its standard error; their difference is the artefact. The last column is the validation loss minus the loss
of the whole training set in eval mode, which the like-for-like gap estimates.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
import torch
from tables import progress, show
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from overfit_monitor_torch.probe import TrainProbe

CLASSES = 10


class Case(NamedTuple):
    """A network and its data."""

    name: str
    model: nn.Module
    shape: tuple[int, ...]
    examples: int
    batch_size: int


def mlp(inputs: int, width: int, depth: int, dropout: float = 0.0) -> nn.Sequential:
    """Return a network of so many hidden layers."""
    layers: list[nn.Module] = []
    for k in range(depth):
        layers += [nn.Linear(width if k else inputs, width), nn.ReLU(), nn.Dropout(dropout)]
    return nn.Sequential(*layers, nn.Linear(width, CLASSES))


def cnn(width: int) -> nn.Sequential:
    """Return a network with three convolutions."""
    layers: list[nn.Module] = []
    for k in range(3):
        layers += [nn.Conv2d(width if k else 1, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, CLASSES))


def cases() -> Iterator[Case]:
    """Yield networks and data of several sizes, the smallest step first."""
    yield Case("MLP 2 x 32", mlp(20, 32, 2), (20,), 200, 200)
    yield Case("MLP 2 x 32", mlp(20, 32, 2), (20,), 200, 32)
    yield Case("MLP 2 x 32", mlp(20, 32, 2), (20,), 20_000, 32)
    yield Case("MLP 3 x 1024", mlp(64, 1024, 3), (64,), 1_000, 64)
    yield Case("MLP 3 x 1024", mlp(64, 1024, 3), (64,), 10_000, 64)
    yield Case("CNN 3 x 16", cnn(16), (1, 16, 16), 1_000, 64)
    yield Case("CNN 3 x 16", cnn(16), (1, 16, 16), 10_000, 64)


def data(shape: tuple[int, ...], n: int, seed: int, noise: float = 1.0) -> TensorDataset:
    """Return inputs and the class that a fixed linear map of them and noise makes likeliest."""
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(n, *shape, generator=generator)
    fixed = torch.randn(inputs[0].numel(), CLASSES, generator=torch.Generator().manual_seed(0))
    values = inputs.flatten(1) @ fixed / fixed.shape[0] ** 0.5 + noise * torch.randn(n, CLASSES, generator=generator)
    return TensorDataset(inputs, values.argmax(1))


def train_epoch(model: nn.Module, loader: DataLoader[Any], optimizer: torch.optim.Optimizer) -> float:
    """Train one epoch; return the mean loss of the batches."""
    model.train()
    total = n = 0.0
    for inputs, targets in loader:
        optimizer.zero_grad()
        loss = functional.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        total, n = total + loss.item() * len(inputs), n + len(inputs)
    return total / n


@torch.no_grad()
def evaluate(model: nn.Module, part: TensorDataset) -> float:
    """Return the mean loss in eval mode."""
    model.eval()
    losses: list[Tensor] = [
        functional.cross_entropy(model(inputs), targets, reduction="none")
        for inputs, targets in DataLoader(part, batch_size=256)
    ]
    return float(torch.cat(losses).mean())


def costs(case: Case, seconds: float, budget: float) -> list[object]:
    """Train for so long; return what the probe took."""
    train = data(case.shape, case.examples, 1)
    loader = DataLoader(train, batch_size=case.batch_size, shuffle=True)
    optimizer = torch.optim.Adam(case.model.parameters(), lr=1e-3)
    criterion = nn.CrossEntropyLoss()
    probe = TrainProbe(case.model, criterion=criterion, train_data=loader, budget=budget, asked=True)
    probe.begin()
    begin, taken, epochs = time.perf_counter(), 0.0, 0
    while time.perf_counter() - begin < seconds:
        train_epoch(case.model, loader, optimizer)
        before = time.perf_counter()
        probe.measure()
        taken += time.perf_counter() - before
        epochs += 1
    training = time.perf_counter() - begin - taken
    report = probe.report()
    return [
        *(case.name, case.examples, case.batch_size, epochs, f"{1e3 * training / epochs:.1f}"),
        *(report.size, report.interval, report.measurements, f"{taken / training:.2%}"),
    ]


def gaps(dropout: float, epochs: int, seed: int) -> list[object]:
    """Train a network; return its gap as it is seen by each."""
    train, val = data((20,), 2_000, seed + 1), data((20,), 2_000, seed + 2)
    torch.manual_seed(seed)
    model = mlp(20, 128, 2, dropout)
    loader = DataLoader(train, batch_size=32, shuffle=True)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    probe = TrainProbe(model, criterion=nn.CrossEntropyLoss(), train_data=loader, budget=None, asked=True)
    rows = []
    for epoch in range(epochs):
        batches = train_epoch(model, loader, optimizer)
        if epoch >= epochs - 5 and (measured := probe.measure()) is not None:
            losses = measured.losses
            error = losses.std(ddof=1) / len(losses) ** 0.5
            rows.append((batches, losses.mean(), error, evaluate(model, val), evaluate(model, train)))
    raw, probed, error, validation, whole = np.mean(rows, axis=0)
    return [
        *(f"{dropout:g}", f"{validation:.3f}", f"{validation - raw:+.3f}"),
        *(f"{validation - probed:+.3f} ± {error:.3f}", f"{probed - raw:+.3f}", f"{validation - whole:+.3f}"),
    ]


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS
    )
    parser.add_argument("--seconds", type=float, default=4.0, help="time of each training in the first table")
    parser.add_argument("--budget", type=float, default=0.02)
    parser.add_argument(
        "--epochs", type=int, default=30, help="epochs of each training in the second table, at least 5"
    )
    parser.add_argument("--networks", type=int, default=7, help="rows of the first table, the quickest first")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args(arguments)
    torch.set_num_threads(1)
    torch.manual_seed(asked.seed)
    rows = []
    for case in islice(cases(), asked.networks):
        rows.append(costs(case, asked.seconds, asked.budget))
        progress(f"{case.name}, {case.examples} examples")
    header = ["network", "examples", "batch", "epochs", "ms an epoch", "size", "interval", "measured", "share of time"]
    show(f"Time of the probe, budget {asked.budget:.0%}", header, rows)
    header = ["dropout", "validation loss", "raw gap", "like-for-like gap", "artefact", "gap of all examples"]
    show("The gap, mean of the last five epochs", header, [gaps(rate, asked.epochs, asked.seed) for rate in (0.0, 0.5)])


if __name__ == "__main__":
    main()
