"""What was seen, in order and in bounded memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from overfit_monitor.records import Sampling

Array = npt.NDArray[np.float64]

CAPACITY = 1_000_000
_SAMPLING = ("n", "standard_error", "compared_to", "change", "change_error")


class Companion(NamedTuple):
    """The values of another metric at the same evaluation, NaN where there was none."""

    val: float
    train: float = math.nan


class Evaluation(NamedTuple):
    """One validation value with what was known when it came, in the metrics' own units.

    Attributes:
        step: Step of the validation value.
        val: The validation value; may be NaN or infinite.
        train: Latest train value at that moment, None where there was none.
        learning_rate: Learning rate in force, None where unknown.
        sampling: What per-example losses tell, None where there were none.
        others: The other metrics of the same evaluation, by name.
    """

    step: int
    val: float
    train: float | None = None
    learning_rate: float | None = None
    sampling: Sampling | None = None
    others: Mapping[str, Companion] = MappingProxyType({})


class History:
    """Evaluations as columns in strictly increasing order of steps.

    Each takes 33 bytes, 16 more for every other metric and 40 more with per-example losses.
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
        self._known = array("b")
        self._values: dict[str, array[float]] = {name: array("d") for name in ("val", "train", "rate")}

    def __len__(self) -> int:
        return len(self._steps)

    def __iter__(self) -> Iterator[Evaluation]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: int) -> Evaluation:
        known, values = self._known[index], self._values
        others = {
            name[4:]: Companion(column[index], values[f"train:{name[4:]}"][index])
            for name, column in values.items()
            if name.startswith("val:") and not math.isnan(column[index])
        }
        return Evaluation(
            self._steps[index],
            values["val"][index],
            values["train"][index] if known & 1 else None,
            values["rate"][index] if known & 2 else None,
            self._sampling(index) if known & 4 else None,
            others,
        )

    @property
    def last_step(self) -> int | None:
        """Step of the latest evaluation, None before the first."""
        return self._steps[-1] if self._steps else None

    def curves(self, until: int) -> tuple[npt.NDArray[np.int64], Array, Array]:
        """Return copies of steps, validation and train values up to a step, NaN where there was no train value."""
        end = bisect_right(self._steps, until)
        columns = self._values["val"][:end], self._values["train"][:end]
        val, train = (np.array(column, dtype=np.float64) for column in columns)
        return np.array(self._steps[:end], dtype=np.int64), val, train

    def append(self, evaluation: Evaluation) -> None:
        """Add an evaluation whose step is greater than all before it."""
        step, val, train, rate, sampling, others = evaluation
        row = {"val": val, "train": math.nan if train is None else train, "rate": math.nan if rate is None else rate}
        for name, companion in others.items():
            row[f"val:{name}"], row[f"train:{name}"] = companion
        if sampling is not None:
            row |= {name: _nan(getattr(sampling, name)) for name in _SAMPLING}
        for name in row.keys() - self._values.keys():
            self._values[name] = array("d", [math.nan]) * len(self)
        for name, column in self._values.items():
            column.append(row.get(name, math.nan))
        self._steps.append(step)
        self._known.append((train is not None) | (rate is not None) << 1 | (sampling is not None) << 2)
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
        return {
            "thinned": self.thinned,
            "steps": self._steps.tolist(),
            "known": self._known.tolist(),
            "values": {name: column.tolist() for name, column in self._values.items()},
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.thinned = bool(state["thinned"])
        self._steps = array("q", state["steps"])
        self._known = array("b", state["known"])
        self._values = {name: array("d", column) for name, column in state["values"].items()}

    def _sampling(self, index: int) -> Sampling:
        n, error, step, change, change_error = (self._values[name][index] for name in _SAMPLING)
        return Sampling(
            n=int(n),
            standard_error=error,
            compared_to=None if math.isnan(step) else int(step),
            change=None if math.isnan(change) else change,
            change_error=None if math.isnan(change_error) else change_error,
        )

    def _columns(self) -> tuple[array[Any], ...]:
        return self._steps, self._known, *self._values.values()

    def _thin(self) -> None:
        self.thinned = True
        for column in self._columns():
            del column[1 : self.capacity // 2 : 2]


def _nan(value: float | None) -> float:
    return math.nan if value is None else float(value)
