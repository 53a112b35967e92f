"""The layers of a Keras model as the rules of advice see them; nested models are flattened."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import keras

from overfit_monitor.facts import LayerFacts, LayerKind

# By exported name, as older Keras versions lack some of them.
_KINDS: dict[LayerKind, str] = {
    "linear": "Dense EinsumDense",
    "conv": "Conv1D Conv2D Conv3D Conv1DTranspose Conv2DTranspose Conv3DTranspose DepthwiseConv1D DepthwiseConv2D "
    "SeparableConv1D SeparableConv2D",
    "recurrent": "RNN Bidirectional",
    "attention": "MultiHeadAttention GroupQueryAttention Attention",
    "embedding": "Embedding",
    "norm": "BatchNormalization LayerNormalization GroupNormalization RMSNormalization",
    "dropout": "Dropout SpatialDropout1D SpatialDropout2D SpatialDropout3D GaussianDropout AlphaDropout",
}
_MIXING = ("AugMix", "CutMix", "MixUp", "RandAugment")


def _exported(*names: str) -> tuple[type, ...]:
    return tuple(getattr(keras.layers, name) for name in names if hasattr(keras.layers, name))


KINDS: tuple[tuple[LayerKind, tuple[type, ...]], ...] = tuple(
    (kind, _exported(*names.split())) for kind, names in _KINDS.items()
)
AUGMENTATION = _exported(*_MIXING, *(name for name in dir(keras.layers) if name.startswith("Random")))


def layer_facts(model: Any) -> tuple[LayerFacts, ...]:
    """Return the layers that have parameters or drop units, in the order of the model.

    A layer used twice counts once. Dropout inside a recurrent or attention layer is a
    layer of its own, named ``<layer>.dropout``.
    """
    return tuple(_walk(model, "", set()))


def augments(model: Any) -> bool:
    """Return whether the model itself has a layer that augments its inputs."""
    return isinstance(model, AUGMENTATION) or any(augments(layer) for layer in sublayers(model))


def _walk(layer: Any, path: str, seen: set[int]) -> Iterator[LayerFacts]:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    kind = _kind(layer)
    inner = sublayers(layer) if kind == "other" else []
    for child in inner:
        yield from _walk(child, f"{path}/{child.name}" if path else child.name, seen)
    theirs = {id(weight) for child in inner for weight in child.weights}
    own = [weight for weight in layer.weights if id(weight) not in theirs]
    name = path or layer.name
    if own or kind == "dropout":
        parameters = sum(math.prod(weight.shape) for weight in own if weight.trainable)
        rate = float(layer.rate) if kind == "dropout" else None
        yield LayerFacts(name=name, kind=kind, parameters=parameters, width=_width(layer), rate=rate)
    if kind in ("recurrent", "attention") and (dropped := _dropout_inside(layer)):
        yield LayerFacts(name=f"{name}.dropout", kind="dropout", rate=dropped)


def _kind(layer: Any) -> LayerKind:
    for kind, classes in KINDS:
        if isinstance(layer, classes):
            return kind
    return "other"


def sublayers(layer: Any) -> list[Any]:
    """Return the layers that a layer or model holds, one level deep."""
    # Only models have a public list; any layer may hold others (TimeDistributed, a user's block).
    if isinstance(layer, keras.Model):
        return list(layer.layers)
    return list(layer._flatten_layers(include_self=False, recursive=False))


def _width(layer: Any) -> int | None:
    sized = getattr(layer, "forward_layer", layer)
    for name in ("units", "filters", "output_dim"):
        value = getattr(sized, name, None)
        if isinstance(value, int):
            return value
    return None


def _dropout_inside(layer: Any) -> float:
    sized = getattr(layer, "forward_layer", layer)
    return float(getattr(sized, "dropout", 0.0) or 0.0)
