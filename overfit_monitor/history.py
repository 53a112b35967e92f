"""What was seen, in order and in bounded memory."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from typing import Any, NamedTuple

CAPACITY = 1_000_000


class Evaluation(NamedTuple):
    """One validation value with what was known when it came, in the metric's own units.

    Attributes:
        step: Step of the validation value.
        val: The validation value; may be NaN or infinite.
        train: Latest train value at that moment, None where there was none.
        learning_rate: Learning rate in force, None where unknown.
    """

    step: int
    val: float
    train: float | None = None
    learning_rate: float | None = None


class History:
    """Evaluations as columns, 25 bytes each, in strictly increasing order of steps.

    When ``capacity`` is reached every second evaluation of the older half is let
    go: the analyzer's state is not touched by that, only what can be drawn and
    what a restart can be rewound to.

    Args:
        capacity: Most evaluations to keep, at least 4.
    """

    def __init__(self, *, capacity: int = CAPACITY) -> None:
        self.capacity = capacity
        self.thinned = False
        self._steps = array("q")
        self._val = array("d")
        self._train = array("d")
        self._rate = array("d")
        self._known = array("b")

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Evaluation]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Evaluation:
        known = self._known[index]
        return Evaluation(
            self._steps[index],
            self._val[index],
            self._train[index] if known & 1 else None,
            self._rate[index] if known & 2 else None,
        )

    @property
    def last_step(self) -> int | None:
        """Step of the latest evaluation, None before the first."""
        return self._steps[-1] if self._steps else None

    def append(self, evaluation: Evaluation) -> None:
        """Add an evaluation whose step is greater than all before it."""
        step, val, train, rate = evaluation
        self._steps.append(step)
        self._val.append(val)
        self._train.append(0.0 if train is None else train)
        self._rate.append(0.0 if rate is None else rate)
        self._known.append((train is not None) | (rate is not None) << 1)
        if len(self) >= self.capacity:
            self._thin()

    def rewind(self, step: int) -> int:
        """Forget every evaluation at or after ``step`` and return how many those were."""
        keep = bisect_left(self._steps, step)
        dropped = len(self) - keep
        for column in self._columns():
            del column[keep:]
        return dropped

    def state_dict(self) -> dict[str, Any]:
        """Return all evaluations as plain lists."""
        names = ("steps", "val", "train", "rate", "known")
        return {"thinned": self.thinned} | {n: c.tolist() for n, c in zip(names, self._columns(), strict=True)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.thinned = bool(state["thinned"])
        self._steps = array("q", state["steps"])
        self._val = array("d", state["val"])
        self._train = array("d", state["train"])
        self._rate = array("d", state["rate"])
        self._known = array("b", state["known"])

    def _columns(self) -> tuple[array[Any], ...]:
        return self._steps, self._val, self._train, self._rate, self._known

    def _thin(self) -> None:
        self.thinned = True
        for column in self._columns():
            del column[1 : self.capacity // 2 : 2]
