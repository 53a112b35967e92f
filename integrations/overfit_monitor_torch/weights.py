"""Keeps the weights of the best step in main memory and puts them back."""

from __future__ import annotations

import copy
from typing import Any, final

import torch
from torch import Tensor, nn

from overfit_monitor.errors import UsageError


@final
class BestWeights:
    """A copy, on the CPU, of the state of a model at one step.

    Parameters, buffers (running statistics of normalization among them) and extra
    state are kept; the optimizer's state is not, as in Keras.

    Args:
        model: The model to copy from and to restore into.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._kept: dict[str, Any] = {}
        self.step: int | None = None

    def keep(self, step: int) -> None:
        """Copy the weights as they are now; an error leaves the copy before as it was."""
        kept = {name: _copied(value) for name, value in self._model.state_dict().items()}
        self._kept, self.step = kept, step

    def restore(self) -> None:
        """Put the kept weights into the model.

        Raises:
            UsageError: The model no longer has the entries or shapes that were kept. Nothing
                has been changed then.
        """
        now = self._model.state_dict()
        changed = [name for name in now.keys() | self._kept.keys() if _shape(now, name) != _shape(self._kept, name)]
        if changed:
            raise UsageError(f"the model has changed since step {self.step}: {min(changed)} is not as it was")
        self._model.load_state_dict(self._kept)

    def state_dict(self) -> dict[str, Any]:
        """Return step and weights, to be saved in a checkpoint."""
        return {"step": self.step, "weights": dict(self._kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self._kept = {name: _copied(value) for name, value in state["weights"].items()}
        self.step = state["step"]


def _copied(value: Any) -> Any:
    with torch.inference_mode(mode=False):
        return value.detach().to("cpu", copy=True) if isinstance(value, Tensor) else copy.deepcopy(value)


def _shape(state: dict[str, Any], name: str) -> Any:
    value = state.get(name, "missing")
    return value.shape if isinstance(value, Tensor) else value == "missing"
