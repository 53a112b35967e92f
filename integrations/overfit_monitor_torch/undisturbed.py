"""Runs a model, or reads a data set, so that nothing of it shows in the training afterwards."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from itertools import chain
from types import ModuleType
from typing import Any, Final, NamedTuple, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

_DEEPEST: Final = 6
_MOST: Final = 1000


@final
class RandomState(NamedTuple):
    """State of the global random number generators: Python, NumPy, PyTorch on the CPU and on accelerators.

    Attributes:
        python: State of ``random``.
        numpy: State of ``numpy.random``.
        cpu: State of PyTorch's generator on the CPU.
        devices: By kind of accelerator (``cuda``, ``mps``), the states of all its devices.
    """

    python: Any
    numpy: Any
    cpu: Tensor
    devices: dict[str, list[Tensor]]

    @classmethod
    def now(cls, kinds: Iterable[str] = ()) -> RandomState:
        """Return the state as it is; no generator is moved and no device is waited for.

        Args:
            kinds: Kinds of accelerator in use beside CUDA, which is always looked at once it has been started.
        """
        used = {kind for kind in kinds if kind not in ("cpu", "meta")}
        if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
            used.add("cuda")
        devices = {kind: _device_states(kind) for kind in sorted(used)}
        return cls(random.getstate(), np.random.get_state(), torch.get_rng_state(), devices)

    def put_back(self) -> None:
        """Set the generators to this state."""
        random.setstate(self.python)
        np.random.set_state(self.numpy)
        torch.set_rng_state(self.cpu)
        for kind, states in self.devices.items():
            module = torch.get_device_module(kind)
            for index, state in enumerate(states):
                module.set_rng_state(state, *_index(kind, index))

    def seed(self, seed: int) -> None:
        """Seed the generators whose state this is; one that was not started stays untouched.

        ``torch.manual_seed`` is not used: it would also seed devices that are only started later.
        """
        random.seed(seed)
        np.random.seed(seed)
        torch.default_generator.manual_seed(seed)
        for kind, states in self.devices.items():
            module = torch.get_device_module(kind)
            for index in range(len(states)):
                generator = torch.Generator(device=torch.device(kind, index)).manual_seed(seed)
                module.set_rng_state(generator.get_state(), *_index(kind, index))


@contextmanager
def same_random_state(kinds: Iterable[str] = ()) -> Iterator[RandomState]:
    """Put the global random number generators back to where they were, whatever happens inside."""
    state = RandomState.now(kinds)
    try:
        yield state
    finally:
        state.put_back()


@contextmanager
def undisturbed(*modules: nn.Module, autocast: torch.dtype | None = None) -> Iterator[RandomState]:
    """Evaluate modules in eval mode; afterwards they and the global state are exactly as before.

    Put back, also after an exception: the mode of every submodule, buffers, the global random number
    generators, gradient mode, inference mode, autocast. No gradient is reckoned and no parameter changes.
    The mode is set on the submodules themselves, because a ``train`` that a class overrides may do more
    than that. Inference mode is left, since a tensor that a module keeps from it could not be trained with.

    Args:
        modules: The modules that run.
        autocast: Type of autocast in it, on the device of the first module; None runs without. The
            cache of casted weights is neither read nor filled: one from here would have no gradient.

    Yields:
        The state of the generators before, which can be seeded.
    """
    kinds = {tensor.device.type for module in modules for tensor in _tensors(module)}
    device = device_of(*modules)
    with ExitStack() as stack:
        stack.enter_context(_eager())
        state = stack.enter_context(same_random_state(kinds))
        stack.enter_context(torch.inference_mode(mode=False))
        stack.enter_context(torch.no_grad())
        if torch.amp.is_autocast_available(device.type):
            stack.enter_context(
                torch.autocast(device.type, dtype=autocast, enabled=autocast is not None, cache_enabled=False)
            )
        for module in modules:
            stack.enter_context(_same_buffers(module))
            stack.enter_context(_evaluating(module))
        yield state


def autocast_type(device: torch.device) -> torch.dtype | None:
    """Return the type that autocast casts to right now on this kind of device, None where it is off."""
    if torch.amp.is_autocast_available(device.type) and torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return None


def device_of(*modules: nn.Module) -> torch.device:
    """Return the device of the first parameter or buffer, the CPU without any."""
    for module in modules:
        for tensor in _tensors(module):
            return tensor.device
    return torch.device("cpu")


@contextmanager
def unchanged(data: Any) -> Iterator[None]:
    """Read examples of a data set; afterwards its attributes and its own generators are exactly as before.

    The generators (PyTorch, NumPy, Python) are looked for in its attributes and in theirs, a few levels deep.
    Attributes are put back on the data set and on data sets that it wraps only: a file that was opened on
    the first read must not be inherited by the worker processes, and a counter must not count our reads.
    What changes inside an attribute, as a list that is appended to, stays. Each reading takes the data set's
    own generators up where training has them.
    """
    found = list(_reachable(data))
    generators = [put_back for value in found if (put_back := _generator(value)) is not None]
    attributes = [(vars(value), dict(vars(value))) for value in found if isinstance(value, Dataset)]
    try:
        yield
    finally:
        for put_back in generators:
            put_back()
        for live, before in attributes:
            if live.keys() != before.keys() or any(live[name] is not value for name, value in before.items()):
                live.clear()
                live.update(before)


def _tensors(module: nn.Module) -> Iterator[Tensor]:
    return chain(module.parameters(), module.buffers())


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    modes = [(part, part.training) for part in module.modules()]
    try:
        for part, training in modes:
            if training:
                part.training = False
        yield
    finally:
        for part, training in modes:
            if part.training != training:
                part.training = training


@contextmanager
def _same_buffers(module: nn.Module) -> Iterator[None]:
    """Put back buffers that a module writes to even in eval mode, both the tensor and what is in it.

    What was not written stays untouched: a graph that waits for its backward pass may need it as it is.
    """
    kept = [
        (part._buffers, name, value, value._version, value.clone())
        for part in module.modules()
        for name, value in part._buffers.items()
        if value is not None and not value.is_inference()  # which nothing can write to in here
    ]
    try:
        yield
    finally:
        for buffers, name, value, version, copy in kept:
            # Batch normalization writes without counting it as a version.
            if value._version != version or not torch.equal(value, copy):
                value.copy_(copy)
            if buffers.get(name) is not value:
                buffers[name] = value


def _eager() -> AbstractContextManager[Any]:
    """Compile nothing: a graph for the probe alone would count against the limit of recompilations."""
    stance = getattr(torch.compiler, "set_stance", None)
    return stance("force_eager") if stance is not None and "torch._dynamo" in sys.modules else nullcontext()


def _device_states(kind: str) -> list[Tensor]:
    module = torch.get_device_module(kind)
    if not hasattr(module, "get_rng_state"):
        return []
    return [module.get_rng_state(*_index(kind, index)) for index in range(module.device_count())]


def _index(kind: str, index: int) -> tuple[int, ...]:
    return () if kind == "mps" else (index,)  # there is only one, and its functions take no number


def _reachable(data: Any) -> Iterator[Any]:
    """Yield the data set and what its attributes hold, nearest first."""
    seen: set[int] = set()
    level = [data]
    for _ in range(_DEEPEST):
        below: list[Any] = []
        for value in level:
            if id(value) in seen or len(seen) >= _MOST:
                continue
            seen.add(id(value))
            yield value
            below += _held(value)
        level = below


def _held(value: Any) -> list[Any]:
    if isinstance(value, (type, ModuleType, Tensor, np.ndarray, str, bytes)) or hasattr(value, "__code__"):
        return []
    if isinstance(value, dict):
        return list(value.values()) if len(value) <= _MOST else []
    if isinstance(value, (list, tuple)):
        return list(value) if len(value) <= _MOST else []
    return list(getattr(value, "__dict__", {}).values())


def _generator(value: Any) -> Callable[[], None] | None:
    """Return what puts a random number generator back to where it is now, None for anything else."""
    if isinstance(value, torch.Generator):
        state = value.get_state()
        return lambda: _discard(value.set_state(state))
    if isinstance(value, np.random.Generator):
        bits = value.bit_generator
        numbers = bits.state
        return lambda: setattr(bits, "state", numbers)
    if isinstance(value, np.random.RandomState):
        legacy = value.get_state()
        return lambda: value.set_state(legacy)
    if isinstance(value, random.Random):
        plain = value.getstate()
        return lambda: value.setstate(plain)
    return None


def _discard(_value: object) -> None:
    pass
