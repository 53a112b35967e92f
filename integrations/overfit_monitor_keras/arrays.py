"""The arrays that ``fit`` was given, as far as examples can be picked out of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import keras
import numpy as np
import numpy.typing as npt

Indices = npt.NDArray[np.int64]


class Arrays(NamedTuple):
    """Inputs and targets of the same examples; each an array, or a list or mapping of arrays.

    Attributes:
        x: Inputs.
        y: Targets.
        n: Number of examples; those after it are not to be used.
    """

    x: Any
    y: Any
    n: int

    def take(self, indices: Indices) -> tuple[Any, Any]:
        """Return inputs and targets of these examples."""
        pick = _Picker(indices)
        return keras.tree.map_structure(pick, self.x), keras.tree.map_structure(pick, self.y)

    @property
    def labels(self) -> npt.NDArray[np.int64] | None:
        """Class numbers of all examples, None where the targets are not class numbers."""
        shape, kind = getattr(self.y, "shape", ()), str(getattr(self.y, "dtype", ""))
        if not ("int" in kind or "bool" in kind) or math.prod(shape[1:]) != 1:
            return None
        return np.asarray(keras.ops.convert_to_numpy(self.y)).reshape(-1)[: self.n].astype(np.int64)


def training_arrays(arguments: Mapping[str, Any]) -> Arrays | str:
    """Return the training examples without those that ``validation_split`` holds out, or why they cannot be had."""
    found = _arrays(arguments.get("x"), arguments.get("y"), "x")
    split = arguments.get("validation_split") or 0.0
    if isinstance(found, Arrays) and split:
        return found._replace(n=_kept(found.n, split))
    return found


def validation_arrays(arguments: Mapping[str, Any]) -> Arrays | str:
    """Return the validation examples, or why they cannot be had."""
    given = arguments.get("validation_data")
    if given is not None:
        if not isinstance(given, (tuple, list)) or len(given) not in (2, 3):
            return _no_arrays(given, "validation_data")
        if len(given) == 3 and given[2] is not None:
            return "the validation examples are weighted"
        return _arrays(given[0], given[1], "validation_data")
    split = arguments.get("validation_split") or 0.0
    found = _arrays(arguments.get("x"), arguments.get("y"), "x")
    if not split or not isinstance(found, Arrays):
        return "there is no validation_data" if not split else str(found)
    if arguments.get("sample_weight") is not None:
        return "the validation examples are weighted"
    held_out = np.arange(_kept(found.n, split), found.n)
    return Arrays(*found.take(held_out), n=len(held_out))


def _kept(n: int, split: float) -> int:
    return math.floor(n * (1.0 - split))  # as fit reckons it


def _arrays(x: Any, y: Any, name: str) -> Arrays | str:
    if x is None or y is None:
        return "the arguments of fit are not known" if x is None else _no_arrays(x, name)
    parts = keras.tree.flatten((x, y))
    lengths = {shape[0] for part in parts if (shape := tuple(getattr(part, "shape", ()))) and shape[0] is not None}
    if len(lengths) != 1 or any(not getattr(part, "shape", ()) for part in parts):
        return _no_arrays(x, name)
    return Arrays(x, y, int(lengths.pop()))


def _no_arrays(given: Any, name: str) -> str:
    return f"{name} is a {type(given).__name__}, from which examples cannot be picked"


class _Picker:
    def __init__(self, indices: Indices) -> None:
        self._indices = indices

    def __call__(self, array: Any) -> Any:
        if hasattr(array, "to_numpy"):  # pandas
            array = array.to_numpy()
        if isinstance(array, np.ndarray):
            return array[self._indices]
        return keras.ops.convert_to_numpy(keras.ops.take(array, self._indices, axis=0))
