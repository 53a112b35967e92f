"""One judgement for all processes of a distributed training, without a collective operation.

What each rank measured goes through the key-value store that the processes met at; every rank then
reckons with the same records in the same order. Why not by a process group: docs/decisions/0012-distributed.md.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt
import torch.distributed as dist
from torch.distributed import PrefixStore  # type: ignore[attr-defined]  # documented, not exported

from overfit_monitor.guard import Guard

PART: Final = "distributed"
# As long as PyTorch's own collectives wait (its default): the training would not survive more anyway.
LONGEST: Final = timedelta(minutes=30)
# All ranks have made the same number of training steps by their first evaluation, so whoever watches is there by then.
FIRST: Final = timedelta(seconds=60)
_STILL = "no rank is stopped from here on, and each is judged by itself"

Weighted = tuple[float, float]


class Share(NamedTuple):
    """What one rank brings to an evaluation.

    Attributes:
        step: Step of the evaluation, as this rank counts.
        train: Train metrics by name: value and weight, the number of examples where it is known, 1 otherwise.
        val: The same for validation; empty on a rank without validation data.
        rate: Learning rate in force.
        rates: Lowest and highest learning rate since the evaluation before.
        val_losses: Per-example validation losses of this rank's examples.
        probe_losses: Per-example losses of the train probe; the first rank that has them counts.
        history: State of the monitor of the first rank, with its first share: it may continue a run that only it
            can read.
    """

    step: int
    train: Mapping[str, Weighted] = {}
    val: Mapping[str, Weighted] = {}
    rate: float | None = None
    rates: tuple[float, float] | None = None
    val_losses: npt.NDArray[np.floating[Any]] | None = None
    probe_losses: npt.NDArray[np.floating[Any]] | None = None
    history: dict[str, Any] | None = None


class _Left(NamedTuple):
    """Says instead of a share that the rank takes no further part.

    Attributes:
        error: What went wrong on it; empty where it only came to its end.
    """

    error: str


@final
class Ranks:
    """This process among those that train together.

    Args:
        guard: Takes what goes wrong; from then on the ranks are apart.
        longest: Longest wait for another rank at an evaluation.
        first: Longest wait at the first evaluation, for ranks that may not be watched at all.

    Attributes:
        rank: Number of this process.
        apart: Whether the ranks have lost each other, so that none of them may stop.
    """

    def __init__(self, guard: Guard, *, longest: timedelta = LONGEST, first: timedelta = FIRST) -> None:
        global _watched  # noqa: PLW0603 - every rank must count its monitors the same way
        self.rank = dist.get_rank()
        self.apart = False
        self._guard = guard
        self._longest = longest
        self._first = first
        self._others = [rank for rank in range(dist.get_world_size()) if rank != self.rank]
        self._done = 0
        self._left = False
        group: Any = dist.group.WORLD
        self._store = PrefixStore(f"overfit-monitor/{_watched}", group.get_group_store())
        _watched += 1

    @classmethod
    def join(cls, guard: Guard, *, distributed: bool | None) -> Ranks | None:
        """Return this process among the others, None where it is alone or is to be judged alone.

        Args:
            guard: Takes what goes wrong.
            distributed: False judges this rank alone; None and True judge together where there is more than one.
        """
        if distributed is False or not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
            return None
        with guard.protect(PART, still=_STILL):
            return cls(guard)
        return None

    def exchange(self, share: Share) -> Share:
        """Return what all ranks brought, reduced to one; every rank must call this at every evaluation.

        Returns:
            The means over all examples, the same on every rank; the own share once the ranks are apart.
        """
        if self._left:
            return share
        with self._guard.protect(PART, still=_STILL):
            shares = self._exchange(share)
            return share if self.apart else reduced(shares)
        self.apart = True
        self.leave("it lost touch with the others")
        return share

    @property
    def evaluations(self) -> int:
        """Number of evaluations that were judged together."""
        return self._done

    def close(self) -> None:
        """Leave without an error; closing twice is fine."""
        self.leave()

    def leave(self, error: str = "") -> None:
        """Tell the others not to wait for this rank any more; leaving twice is fine.

        Args:
            error: What went wrong; empty where the rank came to its end.
        """
        if self._left:
            return
        self._left = True
        # For this evaluation and the next: a rank may have read this one's share of this evaluation already.
        for number in (self._done, self._done + 1):
            with suppress(Exception):  # the store goes with the processes; then there is nobody to tell
                self._put(_Left(error), number)

    def _exchange(self, share: Share) -> list[Share]:
        self._put(share, self._done)
        found: dict[int, Share] = {self.rank: share}
        for rank in list(self._others):
            message = self._get(rank)
            if isinstance(message, Share):
                found[rank] = message
                continue
            self._others.remove(rank)
            if message.error:
                self.apart = True
                self._guard.say(PART, f"rank {rank} left with {message.error}; {_STILL}.")
        if self.apart:
            self.leave("another rank left")
        self._forget()
        self._done += 1
        return [found[rank] for rank in sorted(found)]

    def _put(self, message: Share | _Left, number: int) -> None:
        self._store.set(f"{number}/{self.rank}", pickle.dumps(message))  # type: ignore[arg-type]  # takes bytes

    def _get(self, rank: int) -> Share | _Left:
        key = f"{self._done}/{rank}"
        try:
            self._store.wait([key], self._longest if self._done else self._first)
        except RuntimeError:  # one of several classes, by the kind of the store
            why = "was it watched? Pass distributed=False to judge this rank alone" if not self._done else "it is late"
            raise TimeoutError(f"rank {rank} brought nothing to evaluation {self._done + 1}: {why}") from None
        message = pickle.loads(self._store.get(key))  # noqa: S301 - from a process of this very training
        if not isinstance(message, (Share, _Left)):
            raise TypeError(f"rank {rank} runs another version of overfit-monitor")
        return message

    def _forget(self) -> None:
        # Whoever is here has read everything of the evaluation before the last.
        if self._done >= 2:
            self._store.delete_key(f"{self._done - 2}/{self.rank}")


_watched = 0


def reduced(shares: Sequence[Share]) -> Share:
    """Return the weighted means of what the ranks brought, in their order.

    A metric is averaged over the ranks that have it, ``sum(value * weight) / sum(weight)``, so that a last batch
    of another size counts as much as it should. Per-example losses are put one behind the other; they count
    only where every rank with validation data has them. Step and learning rate are those of the first rank.

    Args:
        shares: At least one.

    Example:
        >>> reduced([Share(3, {"loss": (1.0, 30)}), Share(3, {"loss": (2.0, 10)})]).train["loss"]
        (1.25, 40.0)
    """
    first = shares[0]
    validated = [share for share in shares if share.val or share.val_losses is not None]
    losses = [share.val_losses for share in validated if share.val_losses is not None]
    rates = [share.rates for share in shares if share.rates is not None]
    return Share(
        first.step,
        _mean([share.train for share in shares]),
        _mean([share.val for share in shares]),
        first.rate,
        (min(low for low, _ in rates), max(high for _, high in rates)) if rates else None,
        np.concatenate(losses) if losses and len(losses) == len(validated) else None,
        next((share.probe_losses for share in shares if share.probe_losses is not None), None),
        first.history,
    )


def _mean(metrics: Sequence[Mapping[str, Weighted]]) -> dict[str, Weighted]:
    names = dict.fromkeys(name for one in metrics for name in one)
    found = {}
    for name in names:
        known = [one[name] for one in metrics if name in one]
        weight = float(sum(weight for _, weight in known))
        found[name] = (sum(value * weight for value, weight in known) / weight, weight)
    return found
