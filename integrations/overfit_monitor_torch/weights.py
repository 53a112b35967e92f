"""Keeps the weights of the best step, in main memory or on disk, and puts them back."""

from __future__ import annotations

import copy
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, final

import torch
from torch import Tensor, nn

from overfit_monitor.errors import UsageError

FILE_NAME: Final = "best-weights.pt"


@final
class BestWeights:
    """A copy of the state of a model at one step.

    Parameters, buffers (running statistics of normalization among them) and extra state are kept; the optimizer's
    state is not, as in Keras. What is shared in the model is kept once. In memory that takes as many bytes as the
    state of the model has, once: later copies go to the same place. Of a model whose weights are spread over
    processes (FSDP) each keeps its own part.

    Args:
        model: The model to copy from and to restore into.
        file: Where to keep the copy on disk; None keeps it in main memory. The file is replaced as a whole, so that
            a process that is killed leaves the copy before.

    Attributes:
        step: Step of the copy, None without one.
    """

    def __init__(self, model: nn.Module, *, file: Path | None = None) -> None:
        self.step: int | None = None
        self.file = file
        self._model = model
        self._kept: dict[str, Any] = {}

    @property
    def collective(self) -> bool:
        """Whether all processes must copy and restore at once, as the first version of FSDP has it."""
        return any(type(module).__name__ == "FullyShardedDataParallel" for module in self._model.modules())

    @property
    def nbytes(self) -> int:
        """Bytes of main memory that the copy takes."""
        return sum({id(v): v.nbytes for v in self._kept.values() if isinstance(v, Tensor)}.values())

    def keep(self, step: int) -> None:
        """Copy the weights as they are now.

        Raises:
            OSError: The file could not be written; the one before is as it was.
        """
        now = _state(self._model)
        if self.file is not None:
            _write(self.file, {"step": step, "weights": now})
            self.step = step
            return
        others = {name: copy.deepcopy(value) for name, value in now.items() if not isinstance(value, Tensor)}
        # Whoever is interrupted from here on is left without a copy, but with what was to be copied in the model.
        self.step = None
        self._copy(now)
        self._kept |= others
        self.step = step

    def restore(self) -> None:
        """Put the kept weights into the model, and see that they are there.

        Raises:
            UsageError: The model no longer has the entries or shapes that were kept. Nothing has been changed then.
            RuntimeError: The model has other values afterwards than those that were kept.
        """
        kept = self._kept if self.file is None else self._read(self.file)
        now = _state(self._model)
        changed = [name for name in now.keys() | kept.keys() if _shape(now, name) != _shape(kept, name)]
        if changed:
            raise UsageError(f"the model has changed since step {self.step}: {min(changed)} is not as it was")
        _load(self._model, kept)
        different = [name for name, value in _state(self._model).items() if not _same(value, kept[name])]
        if different:
            raise RuntimeError(f"{min(different)} did not take the weights of step {self.step}")

    def state_dict(self) -> dict[str, Any]:
        """Return step and weights, to be saved in a checkpoint; the weights stay where they are on disk."""
        return {"step": self.step, "weights": {name: _copied(value) for name, value in self._kept.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a state that `state_dict` returned.

        Weights that the checkpoint left on disk are taken from the file there, if it is of the same step.
        """
        self.step, weights = state["step"], state["weights"]
        if self.file is not None:
            if weights:
                _write(self.file, {"step": self.step, "weights": weights})
            elif _step_in(self.file) != self.step:
                self.step = None
            return
        self._kept = {name: _copied(value) for name, value in weights.items()}
        if not weights:
            self.step = None

    def _copy(self, now: Mapping[str, Any]) -> None:
        if any(_shape(now, name) != _shape(self._kept, name) for name in now.keys() | self._kept.keys()):
            self._kept = {}
        once: dict[int, Tensor] = {}
        for name, value in now.items():
            if isinstance(value, Tensor):
                if id(value) not in once:
                    once[id(value)] = _copied(value, self._kept.get(name))
                self._kept[name] = once[id(value)]

    def _read(self, file: Path) -> dict[str, Any]:
        found = torch.load(file, map_location="cpu", weights_only=True)
        if found["step"] != self.step:
            raise UsageError(f"{file} holds the weights of step {found['step']} and not those of step {self.step}")
        weights: dict[str, Any] = found["weights"]
        return weights


def _state(model: nn.Module) -> dict[str, Any]:
    """Return the state of a model, of a shared tensor one object, of a sharded one the part of this process."""
    once: dict[tuple[Any, ...], Tensor] = {}
    found: dict[str, Any] = {}
    for name, value in model.state_dict().items():
        if isinstance(value, Tensor):
            local = value.to_local() if hasattr(value, "to_local") else value.detach()
            place = (local.device, local.data_ptr(), local.shape, local.stride(), local.dtype)
            found[name] = once.setdefault(place, local) if local.numel() else local
        else:
            found[name] = value
    return found


def _load(model: nn.Module, kept: Mapping[str, Any]) -> None:
    live = model.state_dict()
    if not any(hasattr(value, "to_local") for value in live.values()):
        model.load_state_dict(dict(kept))
        return
    with torch.no_grad():
        for name, value in live.items():
            if isinstance(value, Tensor):
                (value.to_local() if hasattr(value, "to_local") else value).copy_(kept[name])


def _copied(value: Any, place: Any = None) -> Any:
    with torch.inference_mode(mode=False):
        if not isinstance(value, Tensor):
            return copy.deepcopy(value)
        value = value.detach()
        if isinstance(place, Tensor) and place.dtype == value.dtype:
            return place.copy_(value)
        return value.to("cpu", copy=True)


def _step_in(file: Path) -> int | None:
    try:
        step: int = torch.load(file, map_location="cpu", weights_only=True, mmap=True)["step"]
    except (OSError, RuntimeError, KeyError, pickle.UnpicklingError):
        return None
    return step


def _write(file: Path, content: Mapping[str, Any]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f"{file.name}.{os.getpid()}")
    try:
        torch.save(content, beside)
        torch.load(beside, map_location="cpu", weights_only=True, mmap=True)  # what cannot be read back is not kept
        beside.replace(file)
    finally:
        beside.unlink(missing_ok=True)


def _shape(state: Mapping[str, Any], name: str) -> Any:
    value = state.get(name, "missing")
    return value.shape if isinstance(value, Tensor) else isinstance(value, str) and value == "missing"


def _same(now: Any, kept: Any) -> bool:
    if not isinstance(now, Tensor) or not isinstance(kept, Tensor):
        return True
    there = kept.to(now.device)
    return torch.equal(now, there) or torch.allclose(now, there, rtol=0.0, atol=0.0, equal_nan=True)
