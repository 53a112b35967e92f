"""A fixed part of a training set, loaded once and kept in batches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy as duplicate
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import (
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    WeightedRandomSampler,
    default_collate,
)

from overfit_monitor_torch.undisturbed import RandomState, same_random_state, unchanged

# Small enough that a measurement can end close to where its time does, large enough for a GPU.
LARGEST_BATCH: Final = 128
_TRIAL: Final = 8
KEPT_BYTES: Final = 64 * 2**20

Drawn = int | npt.NDArray[np.int64]
_WHOLE = (SequentialSampler, RandomSampler, WeightedRandomSampler, DistributedSampler)


@final
class FixedPart:
    """The same examples of a data set in the same order each time, loaded one batch after the other.

    Examples are drawn without replacement by a generator of our own; random augmentation is drawn once, from
    generators seeded with ``seed``, and is the same whenever and however often loading was interrupted. What
    was loaded is kept in main memory.

    Args:
        data: A `DataLoader` with a map-style data set, or such a data set.
        size: Examples that are wanted.
        seed: Seed of the draw and of augmentation.
        kept_bytes: Most bytes that are kept; loading ends with the example that reaches them.

    Attributes:
        reason: Why nothing can be loaded, None where it can.
        indices: Indices of the examples in the data set, in the order in which they are loaded.
        batch_size: Examples in a batch: those of the loader, at most 128.
        batches: The batches loaded so far, on the CPU.
        full: Whether loading ended because of the bytes.
    """

    def __init__(self, data: Any, *, size: int, seed: int, kept_bytes: int = KEPT_BYTES) -> None:
        self.reason, drawn_from = _source(data)
        loader = data if isinstance(data, DataLoader) else None
        self._dataset: Any = data if loader is None else loader.dataset
        self._collate: Callable[[list[Any]], Any] = default_collate if loader is None else loader.collate_fn
        self.batch_size = min(LARGEST_BATCH, _batch_size(loader))
        n = drawn_from if isinstance(drawn_from, int) else len(drawn_from)
        self.indices = np.random.default_rng(seed).choice(drawn_from, min(size, n), replace=False)
        self._seed = seed
        self._kept_bytes = kept_bytes
        self.forget()

    def __len__(self) -> int:
        """Return the number of examples that are wanted, or that there will be where memory ended."""
        return self._loaded if self.full else len(self.indices)

    def forget(self) -> None:
        """Drop what was loaded, so that loading begins anew."""
        self.batches: list[Any] = []
        self.full = False
        self._lengths: list[int] = []
        self._first: list[Any] = []
        self._pending: list[Any] = []
        self._bytes = 0
        self._stream: RandomState | None = None

    def length(self, number: int) -> int:
        """Return the examples in a batch that is loaded."""
        return self._lengths[number]

    def load(self, *, out_of_time: Callable[[], bool]) -> bool:
        """Load the next batch.

        Args:
            out_of_time: Asked after each example; loading is taken up again there the next time.

        Returns:
            Whether there is one more batch now.

        Raises:
            BaseException: What the data set or its collate function raised; what was loaded is dropped.
        """
        if self.full and not self._pending:
            return False
        try:
            with same_random_state() as now, unchanged(self._dataset):
                if self._stream is None:
                    now.seed(self._seed)
                else:
                    self._stream.put_back()
                loaded = self._load(out_of_time)
                self._stream = RandomState.now()
        except BaseException:
            self.forget()
            raise
        return loaded

    def trial(self) -> tuple[Any, int]:
        """Return a batch of the first examples of the first batch, and how many they are."""
        with unchanged(self._dataset):
            return self._collate(self._first), len(self._first)

    @property
    def _loaded(self) -> int:
        return sum(self._lengths)

    def _load(self, out_of_time: Callable[[], bool]) -> bool:
        done = self._loaded
        wanted = min(self.batch_size, len(self) - done)
        while len(self._pending) < wanted and not self.full:
            example = self._dataset[int(self.indices[done + len(self._pending)])]
            self._pending.append(example)
            self._bytes += _bytes(example)
            self.full = self._bytes >= self._kept_bytes
            if out_of_time() and len(self._pending) < wanted and not self.full:
                return False
        if not self._pending:
            return False
        batch, self._lengths = self._collate(self._pending), [*self._lengths, len(self._pending)]
        self._first = self._first or self._pending[:_TRIAL]
        self.batches.append(moved(batch, torch.device("cpu")))
        self._pending = []
        return True


def moved(batch: Any, device: torch.device, *, copy: bool = False) -> Any:
    """Return a batch with its tensors on a device, whatever tuples, lists and mappings they are in.

    Args:
        batch: The batch.
        device: Where to.
        copy: Copy tensors that are there already.
    """
    if isinstance(batch, Tensor):
        return batch.detach().to(device, copy=copy)
    if callable(getattr(batch, "to", None)):
        return duplicate(batch).to(device)  # some change themselves in it
    if isinstance(batch, Mapping):
        return {name: moved(value, device, copy=copy) for name, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(moved(value, device, copy=copy) for value in batch))
    if isinstance(batch, (tuple, list)):
        return type(batch)(moved(value, device, copy=copy) for value in batch)
    return batch


def _source(data: Any) -> tuple[str | None, Drawn]:
    """Return why nothing can be drawn, or None, and the indices to draw from or how many there are."""
    dataset = data.dataset if isinstance(data, DataLoader) else data
    if dataset is None:
        return "there is no train_data", 0
    if isinstance(dataset, IterableDataset) or not isinstance(dataset, (Dataset, Sequence)):
        return f"the data set {type(dataset).__name__} cannot be read by index", 0
    try:
        n = len(dataset)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return f"the data set {type(dataset).__name__} has no length", 0
    if n == 0:
        return "the data set is empty", 0
    return _sampled(data, n) if isinstance(data, DataLoader) else (None, n)


def _sampled(loader: DataLoader[Any], n: int) -> tuple[str | None, Drawn]:
    """Return the indices that a loader trains on: drawing others would take validation examples for train."""
    if loader.batch_sampler is None:
        return "the loader leaves batches to its data set", 0
    sampler: Any = getattr(loader.batch_sampler, "sampler", loader.batch_sampler)
    if isinstance(sampler, SubsetRandomSampler):
        return (None, np.asarray(sampler.indices)) if len(sampler) else ("the loader's sampler is empty", 0)
    if isinstance(sampler, _WHOLE):
        return None, n
    try:
        whole = len(sampler) == n
    except (TypeError, NotImplementedError):
        whole = False
    name = type(sampler).__name__
    return (None, n) if whole else (f"it is not known which examples the loader's {name} takes", 0)


def _batch_size(loader: DataLoader[Any] | None) -> int:
    if loader is None:
        return LARGEST_BATCH
    size = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
    return size if isinstance(size, int) and size > 0 else LARGEST_BATCH


def _bytes(example: Any) -> int:
    if isinstance(example, (Tensor, np.ndarray)):
        return int(example.nbytes)
    if isinstance(example, Mapping):
        return sum(map(_bytes, example.values()))
    if isinstance(example, (tuple, list)):
        return sum(map(_bytes, example))
    return sys.getsizeof(example)
