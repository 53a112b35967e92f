"""What of a recommendation can be changed on a live Keras model and its optimizer.

What the compiled training step has taken in as a constant (rates, decay, smoothing) makes it be built anew, once, at
the next step.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import keras

from overfit_monitor.errors import UsageError
from overfit_monitor.live import Setting, Undo, needed
from overfit_monitor_keras.layers import sublayers


def settings_of(model: Any) -> dict[str, Setting]:
    """Return what can be changed on a live Keras model."""
    return {name: Setting(partial(set_, model), partial(read, model)) for name, (set_, read) in _SETTINGS.items()}


def _set_rate(model: Any, value: float) -> Undo:
    optimizer = needed(model.optimizer, "optimizer")
    if isinstance(optimizer._learning_rate, keras.optimizers.schedules.LearningRateSchedule):
        raise UsageError("the learning rate is set by a schedule, which would overrule a new value.")
    kept = float(optimizer.learning_rate)
    optimizer.learning_rate = float(value)
    return partial(setattr, optimizer, "learning_rate", kept)


def _set_decay(model: Any, value: float) -> Undo:
    """Decay the matrices only, unless the user has excluded something already."""
    optimizer = needed(model.optimizer, "optimizer")
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    names = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
    if not any(getattr(inner, name, None) for name in names):
        # `exclude_from_weight_decay` does this, too, but only before the first step.
        vectors = {inner._var_key(v) for v in model.trainable_variables if len(v.shape) < 2}
        inner._exclude_from_weight_decay, inner._exclude_from_weight_decay_cache = vectors, {}
    return _set_and_rebuild(model, inner, "weight_decay", float(value), inner.weight_decay)


def _decay(model: Any) -> float:
    optimizer = needed(model.optimizer, "optimizer")
    return float(getattr(optimizer, "inner_optimizer", optimizer).weight_decay or 0.0)


def _set_dropout(model: Any, rate: float) -> Undo:
    layers = _dropouts(model)
    if not layers:
        raise UsageError("dropout cannot be added to a live Keras model; paste its code before the training.")
    undone = [_set_and_rebuild(model, layer, "rate", max(layer.rate, float(rate)), layer.rate) for layer in layers]

    def undo() -> None:
        for one in undone:
            one()

    return undo


def _dropout(model: Any) -> float:
    return max((float(layer.rate) for layer in _dropouts(model)), default=0.0)


def _dropouts(layer: Any) -> list[Any]:
    if isinstance(layer, keras.layers.Dropout):
        return [layer]
    return [found for inner in sublayers(layer) for found in _dropouts(inner)]


def _set_and_rebuild(model: Any, holder: Any, name: str, value: Any, kept: Any) -> Undo:
    def put(new: Any) -> None:
        setattr(holder, name, new)
        model.make_train_function(force=True)

    put(value)
    return partial(put, kept)


_SETTINGS: Final[dict[str, tuple[Callable[[Any, Any], Undo], Callable[[Any], Any]]]] = {
    "learning_rate": (_set_rate, lambda model: float(needed(model.optimizer, "optimizer").learning_rate)),
    "weight_decay": (_set_decay, _decay),
    "dropout": (_set_dropout, _dropout),
}
KNOWN: Final = frozenset(_SETTINGS)
