"""What was seen, in order and in bounded memory."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from overfit_monitor.records import Membership, Observation, Probe, Record, Sampling

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from overfit_monitor.block import Block
    from overfit_monitor.rows import Rows

    Array = npt.NDArray[np.float64]

R = TypeVar("R", bound=Record)

CAPACITY = 1_000_000
ALWAYS = ("val", "train", "rate")


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
        probe: The training examples measured as validation is, None where they were not.
        learning_rates: Lowest and highest learning rate since the evaluation before, None where unknown.
    """

    step: int
    val: float
    train: float | None = None
    learning_rate: float | None = None
    sampling: Sampling | None = None
    others: Mapping[str, Companion] = MappingProxyType({})
    probe: Probe | None = None
    learning_rates: tuple[float, float] | None = None


class History:
    """Evaluations as columns in strictly increasing order of steps.

    Each takes 33 bytes, 16 more for every other metric, 40 more with per-example losses, 80 more with a probe.
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
        self._values: dict[str, array[float]] = {name: array("d") for name in ALWAYS}

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
        row = self._row(index) if known & 4 else {}
        return Evaluation(
            self._steps[index],
            values["val"][index],
            values["train"][index] if known & 1 else None,
            values["rate"][index] if known & 2 else None,
            _read(Sampling, row, "sampling."),
            others,
            _probe(row),
            (row["rate.low"], row["rate.high"]) if "rate.low" in row else None,
        )

    @property
    def last_step(self) -> int | None:
        """Step of the latest evaluation, None before the first."""
        return self._steps[-1] if self._steps else None

    def curves(self, until: int) -> tuple[npt.NDArray[np.int64], Array, Array]:
        """Return copies of steps, validation and train values up to a step, NaN where there was no train value."""
        import numpy as np

        end = bisect_right(self._steps, until)
        columns = self._values["val"][:end], self._values["train"][:end]
        val, train = (np.array(column, dtype=np.float64) for column in columns)
        return np.array(self._steps[:end], dtype=np.int64), val, train

    def append(self, evaluation: Evaluation) -> None:
        """Add an evaluation whose step is greater than all before it."""
        step, val, train, rate, sampling, others, probe, rates = evaluation
        if sampling is None and probe is None and rates is None and not others and len(self._values) == len(ALWAYS):
            self._append(step, val, train, rate)
            return
        row = {"val": val, "train": math.nan if train is None else train, "rate": math.nan if rate is None else rate}
        for name, companion in others.items():
            row[f"val:{name}"], row[f"train:{name}"] = companion
        row |= _columns_of(sampling, "sampling.")
        if probe is not None:
            row["probe"] = probe.value
            row |= _columns_of(probe.sampling, "probe.sampling.") | _columns_of(probe.membership, "probe.membership.")
        if rates is not None:
            row["rate.low"], row["rate.high"] = rates
        for name in [name for name in row if name not in self._values]:
            self._values[name] = array("d", [math.nan]) * len(self)
        for name, column in self._values.items():
            column.append(row.get(name, math.nan))
        self._steps.append(step)
        more = sampling is not None or probe is not None or rates is not None
        self._known.append((train is not None) | (rate is not None) << 1 | more << 2)
        if len(self) >= self.capacity:
            self._thin()

    def _append(self, step: int, val: float, train: float | None, rate: float | None) -> None:
        values = self._values
        values["val"].append(val)
        values["train"].append(math.nan if train is None else train)
        values["rate"].append(math.nan if rate is None else rate)
        self._steps.append(step)
        self._known.append((train is not None) | (rate is not None) << 1)
        if len(self._steps) >= self.capacity:
            self._thin()

    def extend_plain(self, rows: Rows) -> None:
        """Add plain evaluations, the first at a step greater than all before: as `append` would one by one."""
        start = 0
        while start < len(rows):
            end = min(len(rows), start + self.capacity - len(self))
            self._extend_plain(rows, slice(start, end))
            start = end
            if len(self) >= self.capacity:
                self._thin()

    def _extend_plain(self, rows: Rows, part: slice) -> None:
        n, blank = len(rows.steps[part]), math.nan
        found = {"val": rows.val[part], "train": [blank] * n if rows.train is None else rows.train[part]}
        rates = [None] * n if rows.rates is None else rows.rates[part]
        found["rate"] = [blank if rate is None else rate for rate in rates]
        for name, other in rows.others.items():
            found[f"val:{name}"] = other.val[part]
            found[f"train:{name}"] = [blank] * n if other.train is None else other.train[part]
        for name in [name for name in found if name not in self._values]:
            self._values[name] = array("d", [blank]) * len(self)
        for name, column in self._values.items():
            column.extend(found.get(name) or [blank] * n)
        self._steps.extend(rows.steps[part])
        trained = rows.train is not None
        self._known.extend([trained | (rate is not None) << 1 for rate in rates])

    def extend(self, block: Block) -> None:
        """Add consecutive evaluations, the first at a step greater than all before: as `append` would one by one."""
        start = 0
        while start < len(block):
            end = min(len(block), start + self.capacity - len(self))
            self._extend(block.part(start, end))
            start = end
            if len(self) >= self.capacity:
                self._thin()

    def _extend(self, block: Block) -> None:
        import numpy as np

        n, trained = len(block), np.arange(len(block)) >= block.trained_from
        rate = np.full(n, math.nan) if block.rate is None else block.rate
        known = trained | ((np.zeros(n, dtype=bool) if block.rated is None else block.rated) << 1)
        rows = {"val": block.val, "train": np.where(trained, block.train, math.nan), "rate": rate}
        for name, (val, train) in block.others.items():
            if not np.isnan(val).all():
                rows[f"val:{name}"], rows[f"train:{name}"] = val, train
        for name in [name for name in rows if name not in self._values]:
            self._values[name] = array("d", [math.nan]) * len(self)
        for name, column in self._values.items():
            column.frombytes(np.asarray(rows.get(name, np.full(n, math.nan)), dtype=np.float64).tobytes())
        self._steps.frombytes(block.steps.astype(np.int64).tobytes())
        self._known.frombytes(known.astype(np.int8).tobytes())

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

    def _row(self, index: int) -> dict[str, float]:
        return {name: column[index] for name, column in self._values.items() if not math.isnan(column[index])}

    def _columns(self) -> tuple[array[Any], ...]:
        return self._steps, self._known, *self._values.values()

    def _thin(self) -> None:
        self.thinned = True
        for column in self._columns():
            del column[1 : self.capacity // 2 : 2]


def as_observation(name: str, evaluation: Evaluation) -> Observation:
    """Return the observation that an evaluation of the metric of this name came from."""
    train = {} if evaluation.train is None else {name: evaluation.train}
    train |= {other: value for other, (_, value) in evaluation.others.items() if not math.isnan(value)}
    return Observation(
        step=evaluation.step,
        train=train,
        val={name: evaluation.val} | {other: val for other, (val, _) in evaluation.others.items()},
        learning_rate=evaluation.learning_rate,
        learning_rates=evaluation.learning_rates,
        sampling=evaluation.sampling,
        probe=evaluation.probe,
    )


def _columns_of(record: Record | None, prefix: str) -> dict[str, float]:
    if record is None:
        return {}
    return {f"{prefix}{name}": float(value) for name, value in record if value is not None}


def _read(kind: type[R], row: Mapping[str, float], prefix: str) -> R | None:
    content = {name: row[f"{prefix}{name}"] for name in kind.model_fields if f"{prefix}{name}" in row}
    return kind.model_validate(content) if content else None


def _probe(row: Mapping[str, float]) -> Probe | None:
    if "probe" not in row:
        return None
    sampling, membership = _read(Sampling, row, "probe.sampling."), _read(Membership, row, "probe.membership.")
    return Probe(value=row["probe"], sampling=sampling, membership=membership)
