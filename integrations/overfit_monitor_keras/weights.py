"""The best weights, kept in memory."""

from __future__ import annotations

from typing import Any


class BestWeights:
    """Holds one copy of a model's weights, in the memory of the host.

    Attributes:
        step: Step the copy was taken at, None without one.
    """

    def __init__(self) -> None:
        self.step: int | None = None
        self._weights: list[Any] = []

    @property
    def weights(self) -> list[Any]:
        """The copy, as arrays in the order of ``model.get_weights()``."""
        return self._weights

    def load(self, weights: list[Any], step: int) -> None:
        """Take a copy that was made elsewhere."""
        self._weights, self.step = weights, step

    def keep(self, model: Any, step: int) -> None:
        """Copy the weights as they are now."""
        self._weights = model.get_weights()
        self.step = step

    def restore(self, model: Any) -> None:
        """Put the copy back into the model; it is kept."""
        model.set_weights(self._weights)
