"""State that can be saved and restored, the same way everywhere."""

from __future__ import annotations

import copy
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class NoState:
    """For what changes in its parts only."""


class Stateful:
    """Keeps everything that changes in one dataclass, ``self.state``, and in parts that do the same.

    A subclass sets ``self.state`` in its constructor and stores its parameters
    unchanged beside it. The state holds plain values and lists only, so that it
    goes through JSON, ``torch.save`` and pickle alike. Attributes that are stateful
    themselves are saved and restored with it, under their names.
    """

    state: Any

    def state_dict(self) -> dict[str, Any]:
        """Return a copy of all that changes."""
        return asdict(self.state) | {name: part.state_dict() for name, part in self._parts().items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        own = copy.deepcopy(state)
        for name, part in self._parts().items():
            part.load_state_dict(own.pop(name))
        self.state = type(self.state)(**own)

    def _parts(self) -> dict[str, Stateful]:
        return {name.lstrip("_"): part for name, part in vars(self).items() if isinstance(part, Stateful)}
