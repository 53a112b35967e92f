"""The compiled loss of each example, computed beside the model's own steps and leaving no trace."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any, final

import keras
import numpy as np
import numpy.typing as npt

from overfit_monitor_keras.layers import sublayers

LossFunction = Callable[[Any, Any, Any], Any]


class UnknownLossError(Exception):
    """The loss of each example cannot be had, for a reason that is no fault."""


@final
class PointwiseLoss:
    """The validation loss of a compiled model, one value for each example.

    The loss objects are copied and asked for no reduction. Penalties that the model adds (regularizers,
    ``add_loss``) are in every value, as they are in ``val_loss``. Several outputs are summed with their
    ``loss_weights``.

    Args:
        model: The compiled model.
        loss_fn: Called with model, inputs and targets; returns the loss of each example, shape (n,). None takes the
            compiled loss.

    Raises:
        UnknownLossError: It cannot be had.
    """

    def __init__(self, model: Any, loss_fn: LossFunction | None = None) -> None:
        self._model = model
        self._loss_fn = loss_fn
        self._losses: list[Any] = [] if loss_fn is not None else _unreduced(model)
        self._weights = [1.0] * len(self._losses) if loss_fn is not None else _weights(model, len(self._losses))

    def __call__(self, x: Any, y: Any) -> npt.NDArray[np.float64]:
        """Return the losses of a batch, shape (n,).

        Raises:
            UnknownLossError: The loss gives no value for each example.
        """
        n = len(keras.tree.flatten(y)[0])
        if self._loss_fn is not None:
            return _flat(self._loss_fn(self._model, x, y), n)
        outputs = self._model(x, training=False)
        predictions, targets = keras.tree.flatten(outputs), _targets(self._model, y)
        if not len(predictions) == len(targets) == len(self._losses):
            raise UnknownLossError(f"{len(predictions)} outputs have {len(self._losses)} losses")
        total = np.full(n, _penalty(self._model))
        for weight, loss, target, prediction in zip(self._weights, self._losses, targets, predictions, strict=True):
            if loss is not None:
                total += weight * _flat(loss(target, prediction), n)
        return total


@contextmanager
def undisturbed(model: Any) -> Iterator[None]:
    """Put back what a call in inference mode may change: running statistics, states, seeds, and kept penalties."""
    variables = [*model.non_trainable_variables, *_states(model)]
    kept = [(variable, keras.ops.convert_to_numpy(variable).copy()) for variable in variables]
    no_gradients: Any = nullcontext()
    if keras.backend.backend() == "torch":
        import torch

        no_gradients = torch.no_grad()
    try:
        with no_gradients:
            yield
    finally:
        for variable, value in kept:
            if not np.array_equal(keras.ops.convert_to_numpy(variable), value, equal_nan=value.dtype.kind == "f"):
                variable.assign(value)


def _states(layer: Any) -> Iterator[Any]:
    """Yield what stateful recurrent layers carry from batch to batch; Keras does not count it among the variables."""
    yield from (state for state in keras.tree.flatten(getattr(layer, "states", None)) if hasattr(state, "assign"))
    for inner in sublayers(layer):
        yield from _states(inner)


def _unreduced(model: Any) -> list[Any]:
    own = type(model)
    if any(getattr(own, name) is not getattr(keras.Model, name) for name in ("compute_loss", "test_step")):
        raise UnknownLossError("the model computes its loss itself")
    if model.loss is None:
        raise UnknownLossError("the model was compiled without a loss")
    given = model.loss
    if isinstance(given, Mapping):
        given = [given.get(name) for name in model.output_names]
    many = isinstance(given, (list, tuple))
    return [None if loss is None else _without_reduction(loss) for loss in (given if many else [given])]


def _without_reduction(given: Any) -> Any:
    loss = keras.losses.get(given) if isinstance(given, str) else given
    if isinstance(loss, keras.losses.Loss):
        twin = copy.copy(loss)
        twin.reduction = None
        return twin
    return _Function(loss)


class _Function:
    """A loss function as Keras calls it, without a mean over the batch."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, target: Any, prediction: Any) -> Any:
        dtype = keras.config.floatx()
        prediction = keras.ops.convert_to_tensor(prediction, dtype=dtype)
        target = keras.ops.convert_to_tensor(target, dtype=dtype)
        if len(target.shape) == len(prediction.shape) - 1 and prediction.shape[-1] == 1:
            target = keras.ops.expand_dims(target, -1)
        return self._function(target, prediction)


def _weights(model: Any, n: int) -> list[float]:
    given = getattr(getattr(model, "_compile_loss", None), "_user_loss_weights", None)
    if given is None:
        return [1.0] * n
    if isinstance(given, Mapping):
        return [float(given.get(name, 1.0)) for name in model.output_names]
    flat = [float(weight) for weight in (given if isinstance(given, (list, tuple)) else [given])]
    return flat if len(flat) == n else flat * n


def _targets(model: Any, y: Any) -> list[Any]:
    if isinstance(y, Mapping):
        return [y[name] for name in model.output_names]
    return list(y) if isinstance(y, (list, tuple)) else [y]


def _penalty(model: Any) -> float:
    return float(sum(float(keras.ops.convert_to_numpy(loss)) for loss in model.losses))


def _flat(losses: Any, n: int) -> npt.NDArray[np.float64]:
    values = np.asarray(keras.ops.convert_to_numpy(losses), dtype=np.float64)
    if values.ndim == 0 or values.shape[0] != n:
        raise UnknownLossError("the loss gives no value for each example")
    means: npt.NDArray[np.float64] = values.reshape(n, -1).mean(axis=1)
    return means
