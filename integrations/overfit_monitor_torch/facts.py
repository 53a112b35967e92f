"""Reads the facts that advice needs from the real model, optimizer, loss and data loaders.

Nothing here runs the model or draws from the data: a data set that augments at
random would give the training other random numbers. What cannot be read stays None.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import torch
from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.dropout import _DropoutNd
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader, IterableDataset, SubsetRandomSampler, TensorDataset

from overfit_monitor import Facts
from overfit_monitor.facts import DataFacts, LayerFacts, LayerKind, LossFacts, OptimizerFacts, class_count
from overfit_monitor_torch.averaging import is_averaged
from overfit_monitor_torch.hooks import InputSeen
from overfit_monitor_torch.losses import LossSummary

# Kind of layer -> its classes and the attribute that holds its width.
_KINDS: Final[tuple[tuple[LayerKind, tuple[type[nn.Module], ...], str], ...]] = (
    ("linear", (nn.Linear, nn.Bilinear), "out_features"),
    ("conv", (_ConvNd,), "out_channels"),
    ("recurrent", (nn.RNNBase, nn.RNNCellBase), "hidden_size"),
    ("attention", (nn.MultiheadAttention,), "embed_dim"),
    ("embedding", (nn.Embedding, nn.EmbeddingBag), "embedding_dim"),
    ("norm", (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm), ""),
    ("dropout", (_DropoutNd,), ""),
)
_IMAGE_FIRST = (nn.Conv2d, nn.Conv3d)
_OTHER_FIRST = (nn.Conv1d, nn.RNNBase, nn.Embedding, nn.EmbeddingBag)

_RESIDUAL = re.compile(r"Residual|ResBlock|BasicBlock|Bottleneck|EncoderLayer$|DecoderLayer$")
_AUGMENTS = re.compile(r"Random|Augment|Jitter|Mix|Erasing|Noise|Elastic", re.IGNORECASE)
NESTED = 5  # a loader of a subset of a subset of a data set
_CLASSIFICATION = (
    nn.CrossEntropyLoss,
    nn.NLLLoss,
    nn.BCELoss,
    nn.BCEWithLogitsLoss,
    nn.MultiMarginLoss,
    nn.MultiLabelMarginLoss,
    nn.MultiLabelSoftMarginLoss,
    nn.SoftMarginLoss,
    nn.AdaptiveLogSoftmaxWithLoss,
)
_REGRESSION = (nn.MSELoss, nn.L1Loss, nn.SmoothL1Loss, nn.HuberLoss, nn.PoissonNLLLoss, nn.GaussianNLLLoss)
_FUNCTIONS: Final[dict[str, bool]] = {
    "cross_entropy": True,
    "nll_loss": True,
    "binary_cross_entropy": True,
    "binary_cross_entropy_with_logits": True,
    "mse_loss": False,
    "l1_loss": False,
    "smooth_l1_loss": False,
    "huber_loss": False,
}

# Optimizers whose weight decay does not pass through the gradient's moments, and those where it does.
_DECOUPLED = ("AdamW", "Adafactor", "Muon")
_COUPLED = ("SGD", "Adam", "NAdam", "RAdam", "Adamax", "Adagrad", "Adadelta", "RMSprop", "ASGD")


def read_facts(
    model: nn.Module,
    *,
    optimizer: Any = None,
    criterion: Callable[..., Any] | None = None,
    train_data: Any = None,
    val_data: Any = None,
    early_stopping: bool | None = None,
    counted: Mapping[Any, LossSummary] | None = None,
    seen: InputSeen | None = None,
) -> Facts:
    """Read what advice needs to know; what cannot be read stays None.

    Args:
        model: The model.
        optimizer: A ``torch.optim.Optimizer``, None where unknown.
        criterion: Loss module or function, None where unknown.
        train_data: Training ``DataLoader`` or data set, None where unknown.
        val_data: The same for validation.
        early_stopping: Whether something stops the run and restores its best weights already.
        counted: What the loss hook counted in one whole epoch, by split; used where the loaders do not tell.
        seen: What a look at a batch of inputs told, None where there was none.

    Returns:
        The facts, with ``framework="torch"``.
    """
    layers = _layers(model)
    loss = None if criterion is None else _loss(criterion)
    data = _data(train_data, val_data, counted or {})
    told: dict[str, Any] = {} if seen is None else seen._asdict()
    told["image"] = looks_at_images(model, told.pop("dim", None))
    told |= {"classes": class_count(loss, layers), "augmented": augmented(train_data)}
    told["smallest_class"] = _smallest_class(train_data) if told["classes"] else None
    return Facts(
        framework="torch",
        layers=layers,
        optimizer=None if optimizer is None else _optimizer(optimizer),
        loss=loss,
        data=data.model_copy(update=told),
        early_stopping=early_stopping,
        residual_blocks=residual_blocks(model),
        pretrained=_pretrained(model),
        averaged=True if is_averaged(model) else None,
    )


def residual_blocks(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the blocks that are known, by their class, to add their output to their input."""
    return tuple(
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.TransformerEncoderLayer) or _RESIDUAL.search(type(module).__name__)
    )


def augmented(data: Any) -> bool | None:
    """Return whether a data set has a transform that augments at random, by the names of its parts.

    None where it has no ``transform``, as nobody can tell then; a collate function is not looked into.
    """
    for _ in range(NESTED):
        transform = getattr(data, "transform", None) or getattr(data, "transforms", None)
        if transform is not None:
            return bool(_AUGMENTS.search(repr(transform)))
        data = getattr(data, "dataset", None)
    return None


def _smallest_class(data: Any) -> float | None:
    """Return the share of the rarest class, where the targets lie in memory as one tensor of numbers."""
    data = getattr(data, "dataset", data)
    targets = data.tensors[-1] if isinstance(data, TensorDataset) and len(data.tensors) > 1 else None
    if targets is None or targets.dim() != 1 or targets.is_floating_point() or not len(targets):
        return None
    counts = torch.bincount(targets.detach().cpu() - int(targets.min()))
    return float(counts[counts > 0].min()) / len(targets)


def _pretrained(model: nn.Module) -> bool | None:
    """Whether transformers tells where the weights came from, or a part of them is frozen."""
    if getattr(getattr(model, "config", None), "_name_or_path", ""):
        return True
    learning = {p.requires_grad for p in model.parameters()}
    return True if learning == {True, False} else None


def looks_at_images(model: nn.Module, input_dim: int | None = None) -> bool | None:
    """Return whether the inputs are images, by the first layer with parameters or the input's dimensions."""
    kinds = (*_IMAGE_FIRST, *_OTHER_FIRST)
    for module in model.modules():
        if isinstance(module, kinds):
            return isinstance(module, _IMAGE_FIRST)
        if any(True for _ in module.parameters(recurse=False)):
            break
    return None if input_dim is None else input_dim >= 4


def _layers(model: nn.Module) -> tuple[LayerFacts, ...]:
    layers: list[LayerFacts] = []
    inside: set[nn.Module] = set()
    counted: set[nn.Parameter] = set()
    for name, module in model.named_modules():
        if module in inside:
            continue
        kind, width = _kind(module)
        owned = list(module.parameters(recurse=kind != "other"))
        if kind != "other":
            inside.update(module.modules())
        if owned or kind == "dropout":
            layers.append(
                LayerFacts(
                    name=name or type(module).__name__,
                    kind=kind,
                    parameters=_count(owned, counted),
                    width=width,
                    rate=float(module.p) if isinstance(module, _DropoutNd) else None,
                )
            )
        if isinstance(module, (nn.RNNBase, nn.MultiheadAttention)) and module.dropout:
            layers.append(LayerFacts(name=f"{name}.dropout", kind="dropout", rate=float(module.dropout)))
    return tuple(layers)


def _kind(module: nn.Module) -> tuple[LayerKind, int | None]:
    for kind, classes, width in _KINDS:
        if isinstance(module, classes):
            return kind, int(getattr(module, width)) if width else None
    return "other", None


def _count(parameters: Iterable[nn.Parameter], counted: set[nn.Parameter]) -> int:
    new = [p for p in parameters if p.requires_grad and p not in counted and not is_lazy(p)]
    counted.update(new)
    return sum(p.numel() for p in new)


def _optimizer(optimizer: Any) -> OptimizerFacts:
    groups = optimizer.param_groups
    decays = [float(group["weight_decay"]) for group in groups if "weight_decay" in group]
    return OptimizerFacts(
        name=type(optimizer).__name__,
        learning_rate=float(groups[0]["lr"]) if "lr" in groups[0] else None,
        weight_decay=max(decays, default=None),
        decoupled=_decoupled(optimizer) if decays else None,
        momentum=float(groups[0]["momentum"]) if isinstance(optimizer, torch.optim.SGD) else None,
        # A scheduler leaves this behind in the groups it sets.
        schedule="set by a scheduler" if "initial_lr" in groups[0] else "none",
    )


def _decoupled(optimizer: Any) -> bool | None:
    flag = optimizer.param_groups[0].get("decoupled_weight_decay")
    if flag is not None:
        return bool(flag)
    for names, answer in ((_DECOUPLED, True), (_COUPLED, False)):
        known = tuple(getattr(torch.optim, name) for name in names if hasattr(torch.optim, name))
        if isinstance(optimizer, known):
            return answer
    return None


def _loss(criterion: Callable[..., Any]) -> LossFacts:
    smoothing = getattr(criterion, "label_smoothing", None)
    while isinstance(criterion, functools.partial):
        smoothing = criterion.keywords.get("label_smoothing", smoothing)
        criterion = criterion.func
    name = getattr(criterion, "__name__", type(criterion).__name__)
    classification = _FUNCTIONS.get(name)
    if isinstance(criterion, _CLASSIFICATION):
        classification = True
    elif isinstance(criterion, _REGRESSION):
        classification = False
    return LossFacts(
        name=name,
        classification=classification,
        label_smoothing=None if smoothing is None else float(smoothing),
    )


def _data(train_data: Any, val_data: Any, counted: Mapping[Any, LossSummary]) -> DataFacts:
    train, val = counted.get("train"), counted.get("val")
    batch_size, steps = _batches(train_data)
    n_train, n_val = _examples(train_data), _examples(val_data)
    return DataFacts(
        n_train=n_train if n_train is not None or train is None else train.examples,
        n_val=n_val if n_val is not None or val is None else val.examples,
        batch_size=batch_size if batch_size is not None or train is None else train.largest_batch,
        steps_per_epoch=steps if steps is not None or train is None else train.calls,
    )


def _examples(data: Any) -> int | None:
    if isinstance(data, DataLoader):
        sampler = data.sampler
        data = sampler if isinstance(sampler, SubsetRandomSampler) else data.dataset
    return _length(data)


def _batches(loader: Any) -> tuple[int | None, int | None]:
    if not isinstance(loader, DataLoader):
        return None, None
    batch_size = loader.batch_size
    if batch_size is None:
        batch_size = getattr(loader.batch_sampler, "batch_size", None)
    # PyTorch remembers that a streaming loader was asked for its length and warns later if it differs.
    return batch_size, None if isinstance(loader.dataset, IterableDataset) else _length(loader)


def _length(data: Any) -> int | None:
    if isinstance(data, IterableDataset):
        return None
    try:
        return len(data)
    except (TypeError, NotImplementedError):
        return None
