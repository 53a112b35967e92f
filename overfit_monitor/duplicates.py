"""Validation examples that are in the training set as well."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from overfit_monitor.deferred import Deferred
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Matrix = npt.NDArray[np.float32]
else:
    np = Deferred("numpy")

# On digits with copies made from them (benchmarks/examples.py) it finds nearly all of those that were hardly changed.
SIMILARITY: Final = 0.98
_BATCH: Final = 256
_BLOCK: Final = 4096

Embedding = Callable[[list[Any]], Any]


class DuplicatePair(Record):
    """A validation example and the training example that it is like.

    Attributes:
        train: Index in the training set.
        val: Index in the validation set.
        similarity: Cosine of their embeddings, 1 for the same input.
    """

    train: int
    val: int
    similarity: float


class Duplicates(Record):
    """What `find_duplicates` found.

    Attributes:
        n_train: Number of training examples that were looked at.
        n_val: Number of validation examples that were looked at.
        pairs: For each validation example that is in the training set the training example most like it.
    """

    n_train: int
    n_val: int
    pairs: tuple[DuplicatePair, ...] = ()


def find_duplicates(
    train: Iterable[Any],
    val: Iterable[Any],
    *,
    embed: Embedding | None = None,
    similarity: float = SIMILARITY,
    inputs: Callable[[Any], Any] | None = None,
) -> Duplicates:
    """Find validation examples that are in the training set, the same or nearly so.

    Without ``embed`` inputs are the same if all their bytes are (a BLAKE2b hash of 16 bytes). With it they are
    nearly the same if the cosine of their embeddings, less the mean embedding of the training set, is at least
    ``similarity``; every training example is compared with every validation example. Hand the result to
    `Monitor.know_duplicates`.

    Args:
        train: Training examples: arrays, tensors, images, texts, numbers, or lists and mappings of them; of a pair
            such as input and label the first is taken. Read once.
        val: Validation examples in the same form. Read once.
        embed: Called with a list of at most 256 inputs; returns their embeddings, shape (n, d). None takes the
            inputs themselves and finds exact copies only.
        similarity: Least cosine of a near-duplicate, above 0 and at most 1.
        inputs: Takes the input out of an example; None takes the first of a tuple or list, else the whole example.

    Raises:
        UsageError: An argument cannot be right.

    Example:
        >>> find_duplicates([("a", 0), ("b", 1)], [("b", 1), ("c", 0)]).pairs
        (DuplicatePair(train=1, val=0, similarity=1.0),)
    """
    if not 0.0 < similarity <= 1.0:
        raise UsageError(f"similarity must be above 0 and at most 1 but got {similarity!r}.")
    take = inputs or _first
    if embed is None:
        return _same((take(example) for example in train), (take(example) for example in val))
    return _similar(_embedded(map(take, train), embed), _embedded(map(take, val), embed), similarity)


def _same(train: Iterator[Any], val: Iterator[Any]) -> Duplicates:
    places: dict[bytes, int] = {}
    n_train = n_val = 0
    for n_train, example in enumerate(train, start=1):
        places.setdefault(_digest(example), n_train - 1)
    pairs = []
    for n_val, example in enumerate(val, start=1):
        if (place := places.get(_digest(example))) is not None:
            pairs.append(DuplicatePair(train=place, val=n_val - 1, similarity=1.0))
    return Duplicates(n_train=n_train, n_val=n_val, pairs=tuple(pairs))


def _similar(train: Matrix, val: Matrix, similarity: float) -> Duplicates:
    if train.shape[1:] != val.shape[1:] and len(train) and len(val):
        raise UsageError(f"embed gave {train.shape[1]} numbers for train and {val.shape[1]} for val: must be as many.")
    pairs: list[DuplicatePair] = []
    if len(train) and len(val):
        centre = train.mean(axis=0)
        train, val = _unit(train - centre), _unit(val - centre)
        for begin in range(0, len(val), _BLOCK):
            pairs += _nearest(train, val[begin : begin + _BLOCK], begin, similarity)
    return Duplicates(n_train=len(train), n_val=len(val), pairs=tuple(pairs))


def _nearest(train: Matrix, val: Matrix, offset: int, similarity: float) -> Iterator[DuplicatePair]:
    best, place = np.full(len(val), -np.inf, dtype=np.float32), np.zeros(len(val), dtype=np.int64)
    for begin in range(0, len(train), _BLOCK):
        cosines = val @ train[begin : begin + _BLOCK].T
        here = cosines.argmax(axis=1)
        value = cosines[np.arange(len(val)), here]
        better = value > best
        best[better], place[better] = value[better], begin + here[better]
    for index in np.flatnonzero(best >= similarity - 1e-6):  # rounding in single precision
        yield DuplicatePair(train=int(place[index]), val=offset + int(index), similarity=min(1.0, float(best[index])))


def _embedded(examples: Iterable[Any], embed: Embedding) -> Matrix:
    stream, parts = iter(examples), []
    while batch := list(islice(stream, _BATCH)):
        part = np.asarray(_plain(embed(batch)), dtype=np.float32)
        if part.ndim != 2 or len(part) != len(batch):
            raise UsageError(f"embed must return an array of shape ({len(batch)}, d) but its shape is {part.shape}.")
        parts.append(part)
    return np.concatenate(parts) if parts else np.zeros((0, 0), dtype=np.float32)


def _unit(rows: Matrix) -> Matrix:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Matrix = np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0.0)
    return scaled


def _first(example: Any) -> Any:
    return example[0] if isinstance(example, (tuple, list)) and example else example


def _digest(example: Any) -> bytes:
    import hashlib

    digest = hashlib.blake2b(digest_size=16)
    _feed(digest.update, example)
    return digest.digest()


def _feed(update: Callable[[bytes], None], example: Any) -> None:
    example = _plain(example)
    if isinstance(example, (str, bytes)):
        update(b"text" + (example.encode() if isinstance(example, str) else example))
    elif isinstance(example, Mapping):
        for key in sorted(example, key=str):
            update(b"key" + str(key).encode())
            _feed(update, example[key])
    elif isinstance(example, (list, tuple)):
        update(b"list%d" % len(example))
        for part in example:
            _feed(update, part)
    else:
        array = np.ascontiguousarray(example)
        if array.dtype.hasobject:
            raise UsageError(f"an input must be made of numbers or text but got {type(example).__name__}.")
        update(f"{array.dtype.str}{array.shape}".encode())
        update(array.tobytes())


def _plain(value: Any) -> Any:
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
