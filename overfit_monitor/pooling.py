"""From a certain length on a series is judged as means of equally many neighbours, so that its length is bounded.

Up to `MOST` evaluations each is judged by itself. Beyond, what is judged is the series of the means of ``k``
consecutive evaluations each, ``k`` being the smallest power of two that makes it no longer than `MOST`. What a mean
holds depends on nothing after it, and sums are made in the same order however the evaluations come, one by one or by
the million: as a binary tree over their numbers. The rule, its reasons and what it does to the rate of false alarms
are in ``docs/decisions/0017-long-series.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple, final

from overfit_monitor.history import Companion, Evaluation
from overfit_monitor.records import Probe, Sampling

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

    def extend(self, pools: Sequence[Pool]) -> None:
        """Take in pools of `size` evaluations each, where none is begun."""
        self.closed += pools

    def state_dict(self) -> dict[str, Any]:
        """Return everything as plain values."""
        pools = [_plain(pool) for pool in self.closed]
        return {"size": self.size, "closed": pools, "open": [[size, _plain(pool)] for size, pool in self._open]}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.size = state["size"]
        self.closed = [_pool(plain) for plain in state["closed"]]
        self._open = [(size, _pool(plain)) for size, plain in state["open"]]


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
