"""What the rules of advice may know, read from the real Keras model and the call of ``fit``."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from overfit_monitor.facts import DataFacts, Facts, InputKind, LayerFacts, LossFacts, OptimizerFacts, class_count
from overfit_monitor_keras.layers import augments, layer_facts

# Names without case and underscores, so that the class and the function are one entry.
CLASSIFICATION = frozenset(
    [
        "binarycrossentropy",
        "binaryfocalcrossentropy",
        "categoricalcrossentropy",
        "categoricalfocalcrossentropy",
        "categoricalgeneralizedcrossentropy",
        "categoricalhinge",
        "hinge",
        "sparsecategoricalcrossentropy",
        "squaredhinge",
    ]
)
REGRESSION = frozenset(
    [
        "cosinesimilarity",
        "huber",
        "logcosh",
        "meanabsoluteerror",
        "meanabsolutepercentageerror",
        "meansquarederror",
        "meansquaredlogarithmicerror",
        "poisson",
    ]
)
DEFAULT_BATCH_SIZE = 32  # of `fit`, for arrays
FEWEST_ROWS = 16  # fewer say nothing of a column
_KINDS: dict[int, InputKind] = {3: "sequence", 4: "image", 5: "image"}
IMAGE_RANK = 4  # the batch, two axes of space and the channels


def read_facts(model: Any, arguments: Mapping[str, Any], *, steps: int | None, early_stopping: bool) -> Facts:
    """Read everything that can be read.

    Args:
        model: The built and compiled model.
        arguments: Arguments of ``fit`` by name; empty where the call is not known.
        steps: Steps of an epoch as Keras tells callbacks, None where it does not.
        early_stopping: Whether the best weights come back at the end.

    Returns:
        The facts; what is not known exactly is None.
    """
    layers, loss = layer_facts(model), _loss(getattr(model, "loss", None))
    data = _data(model, arguments, steps)
    return Facts(
        framework="keras",
        layers=layers,
        optimizer=_optimizer(getattr(model, "optimizer", None)),
        loss=loss,
        data=data.model_copy(update=_labels(loss, layers, arguments.get("y"))),
        early_stopping=early_stopping,
        averaged=True if getattr(getattr(model, "optimizer", None), "use_ema", False) else None,
    )


def _labels(loss: LossFacts | None, layers: tuple[LayerFacts, ...], y: Any) -> dict[str, Any]:
    classes = class_count(loss, layers)
    if not classes or not isinstance(y, np.ndarray) or y.size != len(y) or not len(y):
        return {"classes": classes}
    counts = np.unique(y, return_counts=True)[1]
    return {"classes": classes, "smallest_class": float(counts.min()) / len(y) if len(counts) <= classes else None}


def learning_rate(model: Any) -> float | None:
    """Return the learning rate in force, that of the schedule at this step where there is one; None if unknown."""
    return _rate(getattr(model, "optimizer", None))


def metric_direction(model: Any, name: str) -> str | None:
    """Return ``min`` or ``max`` as the compiled metric object has it, None where it does not say."""
    for holder in getattr(model, "metrics", ()):
        for metric in getattr(holder, "metrics", (holder,)):
            told = getattr(metric, "_direction", None)
            if metric.name == name and told is not None:
                return "max" if told == "up" else "min"
    return None


def _optimizer(optimizer: Any) -> OptimizerFacts | None:
    if optimizer is None:
        return None
    inner = getattr(optimizer, "inner_optimizer", optimizer)
    ours = isinstance(inner, keras.optimizers.Optimizer)
    decay = getattr(inner, "weight_decay", None)
    return OptimizerFacts(
        name=type(inner).__name__,
        learning_rate=_rate(inner),
        weight_decay=float(decay or 0.0) if ours else None,
        # Every Keras 3 optimizer shrinks the weights by learning rate x decay outside the gradient.
        decoupled=True if ours else None,
        momentum=_number(getattr(inner, "momentum", None)) if isinstance(inner, keras.optimizers.SGD) else None,
        schedule=_schedule(inner) if ours else None,
    )


def _schedule(optimizer: Any) -> str:
    rate = optimizer._learning_rate
    return type(rate).__name__ if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule) else "none"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _rate(optimizer: Any) -> float | None:
    rate = getattr(optimizer, "learning_rate", None)
    try:
        return None if rate is None else float(rate)
    except (TypeError, ValueError):
        return None


def _loss(loss: Any) -> LossFacts | None:
    losses = [_one_loss(one) for one in _flat(loss) if one is not None]
    if len(losses) <= 1:
        return losses[0] if losses else None
    return LossFacts(
        name=", ".join(dict.fromkeys(one.name for one in losses)),
        classification=_agreed([one.classification for one in losses]),
        label_smoothing=_agreed([one.label_smoothing for one in losses]),
    )


def _one_loss(loss: Any) -> LossFacts:
    known = keras.losses.get(loss) if isinstance(loss, str) else loss
    name = getattr(known, "__name__", type(known).__name__)
    bare = name.replace("_", "").lower()
    builtin = bare in CLASSIFICATION | REGRESSION
    config = known.get_config() if isinstance(known, keras.losses.Loss) else {}
    smoothing = config.get("label_smoothing", 0.0 if builtin else None)
    return LossFacts(
        name=name,
        classification=bare in CLASSIFICATION if builtin else None,
        label_smoothing=None if smoothing is None else float(smoothing),
    )


def _data(model: Any, arguments: Mapping[str, Any], steps: int | None) -> DataFacts:
    given = _examples(arguments.get("x"))
    n_train, n_val = given, _examples(_first(arguments.get("validation_data")))
    split = arguments.get("validation_split") or 0.0
    if given is not None and split and arguments.get("validation_data") is None:
        n_train = math.floor(given * (1.0 - split))
        n_val = given - n_train
    batch_size = arguments.get("batch_size")
    if batch_size is None and n_train is not None:
        asked = arguments.get("steps_per_epoch")
        batch_size = math.ceil(n_train / asked) if asked else DEFAULT_BATCH_SIZE
    return DataFacts(
        n_train=n_train,
        n_val=n_val,
        batch_size=batch_size if n_train is not None else None,
        steps_per_epoch=steps,
        image=_image(model, arguments.get("x")),
        augmented=True if augments(model) else None,
        **_seen(arguments.get("x")),
    )


def _seen(x: Any) -> dict[str, Any]:
    """What the first rows of the inputs tell, where they are an array."""
    if not isinstance(x, np.ndarray) or x.ndim < 2:
        return {}
    if not np.issubdtype(x.dtype, np.floating):
        return {"kind": "text"} if x.ndim == 2 and np.issubdtype(x.dtype, np.integer) else {}
    if x.ndim != 2:
        return {"kind": _KINDS.get(x.ndim)}
    rows = x[:1024].astype(float)
    mean, deviation, constant = rows.mean(0), rows.std(0), (rows == rows[0]).all(0)
    far = (np.abs(mean) > 5.0) | (deviation > 5.0)
    known = {"kind": "tabular", "features": rows.shape[1]}
    if len(rows) < FEWEST_ROWS:
        return known
    return {**known, "unscaled": int((far & ~constant).sum()), "constant": int(constant.sum())}


def _examples(x: Any) -> int | None:
    arrays = [one for one in _flat(x) if one is not None]
    if not arrays or not all(getattr(one, "shape", None) for one in arrays):
        return None
    count = arrays[0].shape[0]
    return None if count is None else int(count)


def _image(model: Any, x: Any) -> bool | None:
    inputs = getattr(model, "inputs", None) or _flat(x)
    ranks = [len(one.shape) for one in inputs if getattr(one, "shape", None) is not None]
    return max(ranks) >= IMAGE_RANK if ranks else None


def _first(validation_data: Any) -> Any:
    return validation_data[0] if isinstance(validation_data, (tuple, list)) and validation_data else None


def _flat(structure: Any) -> list[Any]:
    if structure is None:
        return []
    return list(keras.tree.flatten(structure))


def _agreed(values: list[Any]) -> Any:
    return values[0] if all(value == values[0] for value in values) else None
