"""A moving average of the weights that the model has in eval mode, and its own in train mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from overfit_monitor.errors import UsageError

WARM_UP = 10  # an average of few steps must not remember the first weights for long


@final
class Averaging:
    """What `average_weights` returns.

    Attributes:
        steps: Optimizer steps averaged so far.
    """

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer, decay: float) -> None:
        self.steps = 0
        self._decay = decay
        self._live = [p for p in model.parameters() if p.requires_grad]
        self._mean = [p.detach().clone() for p in self._live]
        self._in_place = False
        self._handle = optimizer.register_step_post_hook(self._step)
        self._model, self._train = model, model.train
        self._had = model.__dict__.get("train")
        object.__setattr__(model, "train", self._set_mode)
        if not model.training:
            self._swap(averaged=True)

    @property
    def in_place(self) -> bool:
        """Whether the model has the averaged weights now."""
        return self._in_place

    def remove(self) -> None:
        """Give the model its own weights, and average no more."""
        self._swap(averaged=False)
        self._handle.remove()
        if self._had is None:
            self._model.__dict__.pop("train", None)

    @torch.no_grad()
    def _step(self, *_: Any) -> None:
        if self._in_place:  # a step in eval mode is none of a training that averages
            self._swap(averaged=False)
        self.steps += 1
        decay = min(self._decay, self.steps / (WARM_UP + self.steps))
        update: Callable[..., None] = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
        update(self._mean, [p.detach() for p in self._live], self.steps)

    def _set_mode(self, mode: bool = True) -> nn.Module:
        module = self._train(mode)
        self._swap(averaged=not mode)
        return module

    @torch.no_grad()
    def _swap(self, *, averaged: bool) -> None:
        if averaged is self._in_place or not self.steps:
            return
        for live, mean in zip(self._live, self._mean, strict=True):
            kept: Tensor = live.detach().clone()
            live.copy_(mean)
            mean.copy_(kept)
        self._in_place = averaged


def average_weights(model: nn.Module, optimizer: torch.optim.Optimizer, *, decay: float) -> Averaging:
    """Keep a moving average of the weights, and give it to the model whenever it is in eval mode.

    After every step of the optimizer ``mean = decay * mean + (1 - decay) * weights``, with a smaller decay in the
    first steps. ``model.eval()`` puts the mean into the model, ``model.train()`` its own weights again; so what is
    validated, and what a checkpoint of the best weights holds, is the mean. Buffers, such as the running
    statistics of batch normalization, stay those of the last step. Costs two copies of the weights at each change of
    mode and one operation on each weight at a step.

    Args:
        model: The model that is trained.
        optimizer: Its optimizer.
        decay: Share of the mean that is kept at each step, above 0 and below 1; 0.99 averages over 100 steps.

    Returns:
        The averaging; `Averaging.remove` ends it.

    Raises:
        UsageError: The decay cannot be right, or the model is averaged already.
    """
    if not 0.0 < decay < 1.0:
        raise UsageError(f"decay must be above 0 and below 1 but got {decay!r}.")
    if is_averaged(model):
        raise UsageError("model is averaged already: call remove() on what average_weights returned first.")
    return Averaging(model, optimizer, decay)


def is_averaged(model: nn.Module) -> bool:
    """Return whether `average_weights` keeps an average of this model."""
    return isinstance(getattr(model.__dict__.get("train"), "__self__", None), Averaging)
