"""What is known of the model, the optimizer, the loss and the data; unknown stays None."""

from __future__ import annotations

from typing import Literal

from overfit_monitor.records import NotJudged, Record

LayerKind = Literal["linear", "conv", "recurrent", "attention", "embedding", "norm", "dropout", "other"]
Framework = Literal["torch", "keras"]


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
    """

    name: str
    learning_rate: float | None = None
    weight_decay: float | None = None
    decoupled: bool | None = None


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
        applied: Ids of recommendations that were applied to this run already. Their rules stay silent; it is
            for changes that nothing else here shows, such as a width that was halved.
        unmeasured: What the integration could not measure, and why; told with what was not judged.
    """

    framework: Framework | None = None
    layers: tuple[LayerFacts, ...] = ()
    optimizer: OptimizerFacts | None = None
    loss: LossFacts | None = None
    data: DataFacts = DataFacts()
    like_for_like: bool | None = None
    early_stopping: bool | None = None
    applied: tuple[str, ...] = ()
    unmeasured: tuple[NotJudged, ...] = ()

    @property
    def parameters(self) -> int:
        """Number of trainable parameters, 0 where the model is unknown."""
        return sum(layer.parameters for layer in self.layers)

    def of_kind(self, *kinds: LayerKind) -> tuple[LayerFacts, ...]:
        """Return the layers of these kinds, in order."""
        return tuple(layer for layer in self.layers if layer.kind in kinds)
