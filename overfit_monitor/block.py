"""Consecutive evaluations as arrays, so that means of many are made at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from overfit_monitor.deferred import Deferred
from overfit_monitor.history import Companion, Evaluation
from overfit_monitor.pooling import LARGEST, Pool, Sum

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Steps = npt.NDArray[np.int64]
else:
    np = Deferred("numpy")


@final
@dataclass(frozen=True, slots=True)
class Block:
    """Consecutive evaluations as columns, NaN where there was no value.

    Attributes:
        steps: Their steps, shape (n,).
        val: Validation values of the compared metric, shape (n,).
        train: Latest train values, shape (n,).
        trained_from: Place from which on there was a train value, ``n`` where there was none.
        rate: Learning rates in force; None where there is none at all.
        rated: Where a learning rate was told, even if it was NaN; None where there is none at all.
        others: Validation and train values of the other metrics by name.
    """

    steps: Steps
    val: Array
    train: Array
    trained_from: int
    rate: Array | None
    rated: npt.NDArray[np.bool_] | None
    others: Mapping[str, tuple[Array, Array]]

    def __len__(self) -> int:
        return len(self.steps)

    def odd(self) -> list[int]:
        """Return the places of values that are no numbers, and those that follow them."""
        trained = np.arange(len(self)) >= self.trained_from
        odd = ~np.isfinite(self.val) | (trained & ~np.isfinite(self.train))
        odd[1:] |= odd[:-1].copy()
        odd[:1] = True  # what comes before may have been one
        return np.flatnonzero(odd).tolist()

    def part(self, start: int, end: int) -> Block:
        """Return the evaluations from one place up to another."""
        here = slice(start, end)
        others = {name: (val[here], train[here]) for name, (val, train) in self.others.items()}
        rate = None if self.rate is None else self.rate[here]
        rated = None if self.rated is None else self.rated[here]
        trained = min(max(self.trained_from - start, 0), end - start)
        return Block(self.steps[here], self.val[here], self.train[here], trained, rate, rated, others)

    def evaluation(self, at: int) -> Evaluation:
        """Return one of them."""
        rate = float(self.rate[at]) if self.rate is not None and self.rated is not None and self.rated[at] else None
        return Evaluation(
            int(self.steps[at]),
            float(self.val[at]),
            float(self.train[at]) if at >= self.trained_from else None,
            rate,
            others={
                name: Companion(float(val[at]), float(train[at]))
                for name, (val, train) in self.others.items()
                if not math.isnan(val[at])
            },
        )

    def pools(self, size: int) -> list[Pool]:
        """Return them as pools, exactly as one after another would give them.

        Args:
            size: Evaluations to a pool, a power of two that divides their number.
        """
        lasts = self.steps[size - 1 :: size].tolist()
        val, train = _sums(size, self.val), _sums(size, self.train)
        others = {
            name: (_any(size, pair[0]), _sums(size, pair[0]), _sums(size, pair[1]))
            for name, pair in self.others.items()
        }
        rates = [None] * len(lasts) if self.rate is None else list(map(_latest, self.rate.reshape(-1, size)))
        return [
            Pool(
                step,
                val[at],
                train[at] if (at + 1) * size > self.trained_from else None,
                rates[at],
                others={name: (one[at], two[at]) for name, (there, one, two) in others.items() if there[at]},
            )
            for at, step in enumerate(lasts)
        ]


def _sums(size: int, column: Array) -> list[Sum]:
    finite = np.isfinite(column)
    totals = np.where(finite, column.clip(-LARGEST, LARGEST), 0.0)
    for _ in range(size.bit_length() - 1):
        totals = totals[::2] + totals[1::2]
    return list(map(Sum, totals.tolist(), finite.reshape(-1, size).sum(axis=1).tolist()))


def _any(size: int, column: Array) -> list[bool]:
    """Return which pools hold a value at all, be it infinite."""
    found: list[bool] = np.any(~np.isnan(column).reshape(-1, size), axis=1).tolist()
    return found


def _latest(rates: Array) -> float | None:
    known = rates[~np.isnan(rates)]
    return float(known[-1]) if len(known) else None
