"""State that can be saved and restored, the same way everywhere."""

from __future__ import annotations

import copy
from dataclasses import asdict
from typing import Any


class Stateful:
    """Keeps everything that changes in one dataclass, ``self.state``.

    A subclass sets ``self.state`` in its constructor and stores its parameters
    unchanged beside it. The state holds plain values and lists only, so that it
    goes through JSON, ``torch.save`` and pickle alike.
    """

    state: Any

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that changes."""
        return asdict(self.state)

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.state = type(self.state)(**copy.deepcopy(state))
