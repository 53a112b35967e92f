"""`overfit-monitor demo`: a network overfits, is stopped, is advised, and the advice is tried."""

from __future__ import annotations

import argparse
import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from sklearn.datasets import load_digits
from torch import Tensor, nn

from overfit_monitor.records import Diagnosis, Recommendation
from overfit_monitor_torch.demo_view import View
from overfit_monitor_torch.watch import watch

EPOCHS = 120
N_VAL = 300
SHORTEST_EPOCH = 0.06


@dataclass(frozen=True, slots=True)
class Recipe:
    """What the demo's training can be changed in; the names are those of a recommendation's ``change``."""

    weight_decay: float = 0.0
    dropout: float = 0.0
    label_smoothing: float = 0.0
    width: int = 512
    n_train: int = 100
    noise_scale: float = 0.0
    learning_rate: float = 3e-3

    def changed(self, recommendation: Recommendation) -> Recipe | None:
        """Return the recipe with the recommendation applied, or None where the demo cannot apply it."""
        change = dict(recommendation.change)
        change.pop("augmentation", None)
        if "width_factor" in change:
            change["width"] = int(self.width * change.pop("width_factor"))
        if "n_train_factor" in change:
            change["n_train"] = int(self.n_train * change.pop("n_train_factor"))
        known = set(self.__slots__)
        return replace(self, **change) if set(change) <= known else None


class Digits(NamedTuple):
    """Training, validation and test part of scikit-learn's digits: 8 x 8 grey images, ten classes."""

    train: tuple[Tensor, Tensor]
    val: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]

    @classmethod
    def split(cls, n_train: int, seed: int) -> Digits:
        """Shuffle by the seed; validation is the same whatever ``n_train``, and test is what is left."""
        images, labels = load_digits(return_X_y=True)
        x, y = torch.tensor(images / 16.0, dtype=torch.float32), torch.tensor(labels)
        rows = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
        val, train, test = rows[:N_VAL], rows[N_VAL : N_VAL + n_train], rows[N_VAL + n_train :]
        return cls((x[train], y[train]), (x[val], y[val]), (x[test], y[test]))


@dataclass(frozen=True, slots=True)
class Result:
    """One training: its diagnosis, and the test figures of the weights that were kept and of the last ones."""

    diagnosis: Diagnosis
    epochs: int
    restored_step: int | None
    kept: tuple[float, float]
    last: tuple[float, float]


def network(recipe: Recipe) -> nn.Sequential:
    """Return a network with two hidden layers, far too wide for so few examples."""
    width, drop = recipe.width, recipe.dropout
    layers = [nn.Linear(64, width), nn.ReLU(), nn.Dropout(drop), nn.Linear(width, width), nn.ReLU(), nn.Dropout(drop)]
    return nn.Sequential(*(m for m in layers if not isinstance(m, nn.Dropout) or drop), nn.Linear(width, 10))


def fit(recipe: Recipe, run_dir: Path, view: View, *, seed: int, title: str) -> Result:
    """Train with the recipe, watched; the same seed gives the same data and the same start."""
    data = Digits.split(recipe.n_train, seed)
    torch.manual_seed(seed)
    model = network(recipe)
    criterion = nn.CrossEntropyLoss(label_smoothing=recipe.label_smoothing)
    decays = {True: recipe.weight_decay, False: 0.0}  # biases are left out, as the recommendation's code does
    groups = [
        {"params": [p for p in model.parameters() if (p.ndim >= 2) is matrix], "weight_decay": decay}
        for matrix, decay in decays.items()
    ]
    optimizer = torch.optim.AdamW(groups, lr=recipe.learning_rate)
    last = (float("nan"), float("nan"))
    epoch = 0
    known = {"optimizer": optimizer, "criterion": criterion, **_loaders(data)}
    with view.training(title, EPOCHS), watch(model, run_dir=run_dir, **known) as monitor:
        for epoch in monitor.epochs(EPOCHS):
            start = time.perf_counter()
            train = _train_epoch(model, criterion, optimizer, data.train, recipe.noise_scale)
            # Judged without label smoothing, so that both trainings are measured alike.
            val, _ = evaluate(model, data.val)
            last = evaluate(model, data.test)
            view.epoch(epoch, train, val, monitor.log(step=epoch, train={"loss": train}, val={"loss": val}))
            if view.live:
                time.sleep(max(0.0, SHORTEST_EPOCH - (time.perf_counter() - start)))
    diagnosis = monitor.diagnosis
    return Result(diagnosis, epoch + 1, monitor.restored_step, evaluate(model, data.test), last)


def evaluate(model: nn.Module, part: tuple[Tensor, Tensor]) -> tuple[float, float]:
    """Return mean cross-entropy and accuracy in eval mode."""
    x, y = part
    model.eval()
    with torch.no_grad():
        out = model(x)
        return float(nn.functional.cross_entropy(out, y)), float((out.argmax(1) == y).float().mean())


def main(arguments: list[str]) -> int:
    """Run the demo and return the exit status."""
    parser = argparse.ArgumentParser(prog="overfit-monitor demo", description=__doc__.splitlines()[0])
    parser.add_argument("--run-dir", type=Path, default=Path("runs/demo"), help="folder of the runs (runs/demo)")
    parser.add_argument("--seed", type=int, default=1, help="seed of data split and weights (1)")
    given = parser.parse_args(arguments)
    logging.getLogger("overfit_monitor").setLevel(logging.ERROR)  # the view shows the alerts
    torch.set_num_threads(1)
    view = View()
    folder = given.run_dir / time.strftime("%Y%m%d-%H%M%S")
    recipe = Recipe()
    view.intro(recipe, N_VAL)
    first = fit(recipe, folder / "1-as-it-was", view, seed=given.seed, title="first training")
    view.outcome(first)
    view.advice(first.diagnosis.recommendations)
    second = None
    if first.diagnosis.recommendations:
        advised = [(one, recipe.changed(one)) for one in first.diagnosis.recommendations]
        tried, changed = next(((one, new) for one, new in advised if new is not None), (advised[0][0], None))
        if changed is None:
            view.say(f"The demo cannot apply {tried.id} by itself.")
        else:
            second = fit(
                changed, folder / f"2-{tried.id}", view, seed=given.seed, title=f"second training: {tried.title}"
            )
            view.outcome(second)
            view.compare(first, second, tried)
    view.farewell(folder)
    return 0


def _train_epoch(
    model: nn.Module, criterion: nn.Module, optimizer: torch.optim.Optimizer, part: tuple[Tensor, Tensor], noise: float
) -> float:
    x, y = part
    model.train()
    total = 0.0
    for rows in torch.split(torch.randperm(len(x)), 32):
        inputs = x[rows] + noise * torch.randn_like(x[rows]) if noise else x[rows]
        loss = criterion(model(inputs), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(rows)
    return total / len(x)


def _loaders(data: Digits) -> dict[str, Any]:
    parts = {"train_data": data.train, "val_data": data.val}
    return {
        name: torch.utils.data.DataLoader(torch.utils.data.TensorDataset(*part), batch_size=32)
        for name, part in parts.items()
    }
