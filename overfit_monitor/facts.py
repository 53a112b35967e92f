"""What is known of the model, the optimizer, the loss and the data; unknown stays None."""

from __future__ import annotations

from typing import Literal

from overfit_monitor.records import AppliedChange, NotJudged, Record

LayerKind = Literal["linear", "conv", "recurrent", "attention", "embedding", "norm", "dropout", "other"]
Framework = Literal["torch", "keras"]
InputKind = Literal["tabular", "image", "text", "sequence"]


_KIND_BY_LAYER: dict[LayerKind, InputKind] = {"linear": "tabular", "recurrent": "sequence"}


class LayerFacts(Record):
    """One layer of the model that has parameters or drops units.

    Attributes:
        name: Name in the model (``encoder.0``).
        kind: What it does.
        parameters: Number of trainable parameters.
        width: Output units or channels, None where that means nothing.
        rate: Dropout rate, for ``dropout`` only.
    """

    name: str
    kind: LayerKind
    parameters: int = 0
    width: int | None = None
    rate: float | None = None


class OptimizerFacts(Record):
    """The optimizer as it is set now.

    Attributes:
        name: Class name (``AdamW``).
        learning_rate: Learning rate of the first parameter group.
        weight_decay: Largest weight decay of any parameter group; 0 is none.
        decoupled: Whether the decay is decoupled (AdamW) and not an L2 term in the gradient.
        momentum: Momentum of plain SGD, None where unknown or where that means nothing.
        schedule: Name of the schedule of its learning rate, ``none`` where there is none; None where unknown.
    """

    name: str
    learning_rate: float | None = None
    weight_decay: float | None = None
    decoupled: bool | None = None
    momentum: float | None = None
    schedule: str | None = None


class LossFacts(Record):
    """The loss that is minimized.

    Attributes:
        name: Class or function name.
        classification: Whether it is a classification loss.
        label_smoothing: Its label smoothing; 0 is none.
        penalty: Whether the train loss that is logged has penalty terms in it that the validation loss has not.
    """

    name: str
    classification: bool | None = None
    label_smoothing: float | None = None
    penalty: bool | None = None


class DataFacts(Record):
    """Sizes of the data.

    Attributes:
        n_train: Number of training examples.
        n_val: Number of validation examples.
        batch_size: Examples in a training batch.
        steps_per_epoch: Optimizer steps in an epoch.
        image: Whether the inputs are images (three or more axes beside the batch, or told so).
        augmented: Whether the training data is augmented.
        classes: Number of classes, None where unknown or where that means nothing.
        label_noise: Share of training labels known or estimated to be wrong.
        duplicates: Validation examples that are in the training set as well, None where nobody has looked.
        kind: What an example is: a row of numbers, an image, token ids, or a series of numbers.
        features: Columns of a row of numbers.
        unscaled: Columns of the first batch whose mean is further than 5 from 0 or whose standard deviation is above
            5, those with one value left out; None where nobody has looked. Small deviations do not count: a pixel
            that is seldom lit has one as well.
        constant: Columns with one value only in the first batch, None where nobody has looked.
        smallest_class: Share of the rarest class among the training examples.
    """

    n_train: int | None = None
    n_val: int | None = None
    batch_size: int | None = None
    steps_per_epoch: int | None = None
    image: bool | None = None
    augmented: bool | None = None
    classes: int | None = None
    label_noise: float | None = None
    duplicates: int | None = None
    kind: InputKind | None = None
    features: int | None = None
    unscaled: int | None = None
    constant: int | None = None
    smallest_class: float | None = None


class Facts(Record):
    """Everything that detectors and rules of advice may know beside the curves.

    Attributes:
        framework: Whose code the recommendations are written in; None for both unknown.
        layers: Layers in the order of the model; empty where the model is unknown.
        optimizer: The optimizer, None where unknown.
        loss: The loss, None where unknown.
        data: What is known of the data.
        like_for_like: Whether train is measured as validation is: eval mode, end of epoch, the same terms.
        early_stopping: Whether something stops the run and restores its best weights already.
        residual_blocks: Names of the blocks whose output is added to their input, in order.
        pretrained: Whether the weights come from another training, so that this one is a fine-tuning.
        averaged: Whether a moving average of the weights is what is validated.
        applied: Ids of recommendations that were applied to this run already. Their rules stay silent; it is
            for changes that nothing else here shows, such as a width that was halved.
        changes: What was applied to the live training, as it was read back, undone changes included.
        unmeasured: What the integration could not measure, and why; told with what was not judged.
    """

    framework: Framework | None = None
    layers: tuple[LayerFacts, ...] = ()
    optimizer: OptimizerFacts | None = None
    loss: LossFacts | None = None
    data: DataFacts = DataFacts()
    like_for_like: bool | None = None
    early_stopping: bool | None = None
    residual_blocks: tuple[str, ...] = ()
    pretrained: bool | None = None
    averaged: bool | None = None
    applied: tuple[str, ...] = ()
    changes: tuple[AppliedChange, ...] = ()
    unmeasured: tuple[NotJudged, ...] = ()

    @property
    def input_kind(self) -> InputKind | None:
        """What an example is, by the data, or else by the first layer; None where neither tells."""
        if self.data.kind is not None:
            return self.data.kind
        if self.data.image or any(layer.kind == "embedding" for layer in self.layers):
            return "image" if self.data.image else "text"
        first = next((layer.kind for layer in self.layers if layer.parameters), None)
        return _KIND_BY_LAYER.get(first or "other") if self.data.image is False else None

    @property
    def steps_per_epoch(self) -> int | None:
        """Optimizer steps in an epoch, counted or from the sizes; None where neither is known."""
        data = self.data
        if data.steps_per_epoch is None and data.n_train and data.batch_size:
            return -(-data.n_train // data.batch_size)
        return data.steps_per_epoch

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, 0 where the model is unknown."""
        return sum(layer.parameters for layer in self.layers)

    def of_kind(self, *kinds: LayerKind) -> tuple[LayerFacts, ...]:
        """Return the layers of these kinds, in order."""
        return tuple(layer for layer in self.layers if layer.kind in kinds)


def class_count(loss: LossFacts | None, layers: tuple[LayerFacts, ...]) -> int | None:
    """Return the number of classes, by the width of the last dense or convolutional layer of a classifier."""
    if loss is None or not loss.classification:
        return None
    width = next((layer.width for layer in reversed(layers) if layer.kind in ("linear", "conv")), None)
    return 2 if width == 1 else width
