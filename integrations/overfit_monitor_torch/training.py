"""A training function for trials, made of the PyTorch objects of a training and of recommendations."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Subset

from overfit_monitor.advice.asked import asked
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Diagnosis, Recommendation
from overfit_monitor_torch.pointwise import Pointwise


class Parts(NamedTuple):
    """The objects of one training, under the names that the code of recommendations uses.

    Attributes:
        model: The model.
        optimizer: Its optimizer.
        criterion: The loss, a module that returns the mean of a batch.
        train_loader: Batches of inputs and targets, in an order that depends on the seed alone.
        val_loader: The same for validation.
        schedule: A learning-rate scheduler that is stepped after every epoch, None for none.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    criterion: nn.Module
    train_loader: Any
    val_loader: Any
    schedule: Any = None


@final
class Training:
    """A training function for `overfit_monitor_trials.verify`: plain PyTorch, with the code of what is tried pasted in.

    Called with a configuration, it makes the parts anew, runs the code of every recommendation whose ``change`` is in
    the configuration, and trains ``epochs`` epochs, on ``train_share`` of the examples if that is there. The code is
    that of the recommendation and runs in this process: hand over only recommendations that this program made.

    Args:
        make: Called with a seed, after ``torch.manual_seed(seed)``; returns the parts. Where trials run in other
            processes it must be picklable.
        advice: A diagnosis, or recommendations: those that may be tried.
        epochs: Epochs where the configuration does not say.
        also: Further sets to evaluate after every epoch, by name, made from the parts' own kind of loader.

    Raises:
        UsageError: ``epochs`` is below 1.

    Example:
        >>> train = Training(make_parts, diagnosis, epochs=100)  # doctest: +SKIP
        >>> print(verify(train, diagnosis).summary())  # doctest: +SKIP
    """

    def __init__(
        self,
        make: Callable[[int], Parts],
        advice: Diagnosis | Sequence[Recommendation] = (),
        *,
        epochs: int,
        also: Mapping[str, Any] | None = None,
    ) -> None:
        if epochs < 1:
            raise UsageError(f"epochs must be at least 1 but got {epochs!r}.")
        self._make, self._epochs, self._also = make, epochs, dict(also or {})
        self._known = advice.recommendations if isinstance(advice, Diagnosis) else tuple(advice)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, list[float]]:
        """Train with a configuration and return the losses of every epoch, by name of the set.

        Beside them ``val_losses``, those of the validation examples at the best epoch; empty where they are not known.
        """
        seed = int(config.get("seed", 0))
        torch.manual_seed(seed)
        parts, epochs = self._changed(_shared(self._make(seed), config.get("train_share", 1.0), seed), config)
        history: dict[str, list[float]] = {name: [] for name in ("train", "val", "val_losses", *self._also)}
        for _ in range(epochs):
            history["train"].append(_train_epoch(parts))
            parts.model.eval()
            for name, batches in {"val": parts.val_loader, **self._also}.items():
                history[name].append(evaluate(parts, batches))
            if history["val"][-1] == min(history["val"]):
                history["val_losses"] = per_example(parts, history["val"][-1])
            if parts.schedule is not None:
                parts.schedule.step()
        return history

    def _changed(self, parts: Parts, config: Mapping[str, Any]) -> tuple[Parts, int]:
        epochs = int(config.get("epochs", self._epochs))
        names: dict[str, Any] = {**parts._asdict(), "epochs": epochs}
        for recommendation in asked(self._known, config):
            exec(compile(recommendation.code, recommendation.id, "exec"), names)  # noqa: S102 - our own rules' code
        parts = Parts(**{name: names[name] for name in Parts._fields})
        held = {p for group in parts.optimizer.param_groups for p in group["params"]}
        if held != set(parts.model.parameters()):
            parts = parts._replace(optimizer=_made_anew(parts.optimizer, parts.model))
        return parts, min(epochs, int(names["epochs"]))


@torch.no_grad()
def evaluate(parts: Parts, batches: Any) -> float:
    """Return the mean loss over batches, in the mode the model is in."""
    total, n = 0.0, 0
    for x, y in batches:
        total += float(parts.criterion(parts.model(x), y)) * len(x)
        n += len(x)
    return total / n if n else math.nan


@torch.no_grad()
def per_example(parts: Parts, value: float) -> list[float]:
    """Return the loss of every validation example, empty where their mean is not the value that was measured.

    The criterion without its reduction runs without its hooks, which may have had a part in the value (a smoothing in
    training only): so it is asked without smoothing as well.
    """
    plain = copy.copy(parts.criterion)
    for name in ("label_smoothing", None):
        pointwise = Pointwise(plain)
        if pointwise.reason is not None:
            return []
        batches = [pointwise(parts.model(x), y) for x, y in parts.val_loader]
        losses = torch.cat([batch.losses for batch in batches]).double()
        alike = all(batch.weights is None or bool((batch.weights == 1).all()) for batch in batches)
        if alike and math.isclose(float(losses.mean()), value, rel_tol=1e-3):
            return [float(f"{loss:.6g}") for loss in losses.tolist()]
        if name is not None and hasattr(plain, name):
            setattr(plain, name, 0.0)
    return []


def _shared(parts: Parts, share: float, seed: int) -> Parts:
    """Return the parts with the first examples of the training set only, in an order that depends on the seed."""
    if share >= 1.0:
        return parts
    kept = Subset(parts.train_loader.dataset, range(max(1, round(share * len(parts.train_loader.dataset)))))
    order = torch.Generator().manual_seed(seed)
    loader = DataLoader(kept, batch_size=parts.train_loader.batch_size, shuffle=True, generator=order)
    return parts._replace(train_loader=loader)


def _train_epoch(parts: Parts) -> float:
    parts.model.train()
    total, n = 0.0, 0
    for x, y in parts.train_loader:
        loss: Tensor = parts.criterion(parts.model(x), y)
        parts.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        parts.optimizer.step()
        total += float(loss.detach()) * len(x)
        n += len(x)
    return total / n if n else math.nan


def _made_anew(optimizer: torch.optim.Optimizer, model: nn.Module) -> torch.optim.Optimizer:
    """Return an optimizer of the same class and settings for weights that were made anew."""
    settings = {name: value for name, value in optimizer.param_groups[0].items() if name in optimizer.defaults}
    settings.pop("decoupled_weight_decay", None)
    return type(optimizer)(model.parameters(), **settings)
