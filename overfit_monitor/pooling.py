"""From a certain length on a series is judged as means of equally many neighbours, so that its length is bounded.

Up to `MOST` evaluations each is judged by itself. Beyond, what is judged is the series of the means of ``k``
consecutive evaluations each, ``k`` being the smallest power of two that makes it no longer than `MOST`. What a mean
holds depends on nothing after it, and sums are made in the same order however the evaluations come, one by one or by
the million: as a binary tree over their numbers. The rule, its reasons and what it does to the rate of false alarms
are in ``docs/decisions/0017-long-series.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

from overfit_monitor.deferred import Deferred
from overfit_monitor.history import Companion, Evaluation
from overfit_monitor.records import Probe, Sampling

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Steps = npt.NDArray[np.int64]
else:
    np = Deferred("numpy")

MOST: Final = 4096
LARGEST: Final = 1e150  # a sum of as many as there can be is still a number


class Sum(NamedTuple):
    """Finite values added up, and how many those were."""

    total: float = 0.0
    n: int = 0

    @property
    def mean(self) -> float:
        """Their mean, NaN without any."""
        return self.total / self.n if self.n else math.nan


class Pool(NamedTuple):
    """Consecutive evaluations as one.

    Attributes:
        step: Step of the last of them.
        val: Their finite validation values.
        train: Their finite train values, None where there was none at all.
        learning_rate: The latest learning rate in force, None where unknown.
        sampling: The latest that per-example losses told, None where there were none.
        others: Validation and train values of the other metrics, by name.
        probe: The latest measurement of the probe, None where there was none.
        learning_rates: Lowest and highest learning rate, None where unknown.
    """

    step: int
    val: Sum
    train: Sum | None = None
    learning_rate: float | None = None
    sampling: Sampling | None = None
    others: Mapping[str, tuple[Sum, Sum]] = MappingProxyType({})
    probe: Probe | None = None
    learning_rates: tuple[float, float] | None = None

    @property
    def evaluation(self) -> Evaluation:
        """The pool as the evaluation that it is judged as."""
        known = sorted(name for name, (val, _) in self.others.items() if val.n)
        others = {name: Companion(self.others[name][0].mean, self.others[name][1].mean) for name in known}
        train = None if self.train is None else self.train.mean
        return Evaluation(
            self.step,
            self.val.mean,
            train,
            self.learning_rate,
            self.sampling,
            others,
            self.probe,
            self.learning_rates,
        )


@final
class Pools:
    """The evaluations of a run as equally large pools, at most `MOST` of them.

    Attributes:
        size: Evaluations to a pool, a power of two.
        closed: The pools that are full, oldest first.
    """

    def __init__(self) -> None:
        self.size = 1
        self.closed: list[Pool] = []
        self._open: list[tuple[int, Pool]] = []  # as in a binary counter: sizes that fall, each a power of two

    def __len__(self) -> int:
        return len(self.closed) * self.size + sum(size for size, _ in self._open)

    @property
    def full(self) -> bool:
        """Whether one more evaluation asks for pools of twice the size."""
        return len(self.closed) == MOST

    @property
    def room(self) -> int:
        """Evaluations that whole pools can still be made of before they are as many as may be."""
        return (MOST - len(self.closed)) * self.size

    def double(self) -> None:
        """Make the pools twice as large."""
        self.size *= 2
        self.closed = [_merged(*pair) for pair in zip(self.closed[::2], self.closed[1::2], strict=True)]

    def add(self, evaluation: Evaluation) -> Pool | None:
        """Take in the next evaluation and return the pool that it fills."""
        size, pool = 1, _single(evaluation)
        while self._open and self._open[-1][0] == size:
            pool = _merged(self._open.pop()[1], pool)
            size *= 2
        if size < self.size:
            self._open.append((size, pool))
            return None
        self.closed.append(pool)
        return pool

    def extend(self, block: Block) -> list[Pool]:
        """Take in evaluations that begin and end with a pool, and return those pools."""
        pools = block.pools(self.size)
        self.closed += pools
        return pools

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        pools = [_plain(pool) for pool in self.closed]
        return {"size": self.size, "closed": pools, "open": [[size, _plain(pool)] for size, pool in self._open]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.size = state["size"]
        self.closed = [_pool(plain) for plain in state["closed"]]
        self._open = [(size, _pool(plain)) for size, plain in state["open"]]


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


def _single(evaluation: Evaluation) -> Pool:
    step, val, train, rate, sampling, others, probe, rates = evaluation
    told = {name: (_sum(other.val), _sum(other.train)) for name, other in others.items()}
    rate = None if rate is None or math.isnan(rate) else rate
    return Pool(step, _sum(val), None if train is None else _sum(train), rate, sampling, told, probe, rates)


def _sum(value: float) -> Sum:
    return Sum(max(-LARGEST, min(LARGEST, value)), 1) if math.isfinite(value) else Sum()


def _merged(first: Pool, last: Pool) -> Pool:
    return Pool(
        last.step,
        _added(first.val, last.val),
        _added(first.train or Sum(), last.train or Sum()) if first.train or last.train else None,
        first.learning_rate if last.learning_rate is None else last.learning_rate,
        first.sampling if last.sampling is None else last.sampling,
        _others(first.others, last.others),
        first.probe if last.probe is None else last.probe,
        _widest(first.learning_rates, last.learning_rates),
    )


def _added(first: Sum, last: Sum) -> Sum:
    return Sum(first.total + last.total, first.n + last.n)


def _others(first: Mapping[str, tuple[Sum, Sum]], last: Mapping[str, tuple[Sum, Sum]]) -> Mapping[str, tuple[Sum, Sum]]:
    if not first and not last:
        return first
    none = Sum(), Sum()
    together = dict.fromkeys((*first, *last))
    pairs = {name: (first.get(name, none), last.get(name, none)) for name in together}
    return {name: (_added(one[0], two[0]), _added(one[1], two[1])) for name, (one, two) in pairs.items()}


def _widest(*ranges: tuple[float, float] | None) -> tuple[float, float] | None:
    known = [found for found in ranges if found is not None]
    return (min(low for low, _ in known), max(high for _, high in known)) if known else None


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


def _plain(pool: Pool) -> dict[str, Any]:
    plain = pool._asdict() | {"others": {name: list(pair) for name, pair in sorted(pool.others.items())}}
    for name in ("sampling", "probe"):
        plain[name] = None if plain[name] is None else plain[name].model_dump()
    return plain


def _pool(plain: Mapping[str, Any]) -> Pool:
    sampling, probe, rates = plain["sampling"], plain["probe"], plain["learning_rates"]
    return Pool(
        plain["step"],
        Sum(*plain["val"]),
        None if plain["train"] is None else Sum(*plain["train"]),
        plain["learning_rate"],
        None if sampling is None else Sampling(**sampling),
        {name: (Sum(*val), Sum(*train)) for name, (val, train) in plain["others"].items()},
        None if probe is None else Probe(**probe),
        None if rates is None else (rates[0], rates[1]),
    )
