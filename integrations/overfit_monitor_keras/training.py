"""A training function for trials, made of a Keras model, its data and recommendations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, final

import keras
import numpy as np

from overfit_monitor.advice.asked import asked
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Diagnosis, Recommendation


class Parts(NamedTuple):
    """What a fit needs, under the names that the code of recommendations uses.

    Attributes:
        model: The compiled model.
        x_train: Training inputs, an array.
        y_train: Training targets, an array.
        x_val: Validation inputs, an array.
        y_val: Validation targets, an array.
        batch_size: Examples in a batch.
    """

    model: Any
    x_train: Any
    y_train: Any
    x_val: Any
    y_val: Any
    batch_size: int = 32


@final
class Training:
    """A training function for `overfit_monitor_trials.verify`: a fit, with the code of what is tried pasted in.

    Called with a configuration, it makes the parts anew, runs the code of every recommendation whose ``change`` is in
    the configuration, and fits ``epochs`` epochs. The code is that of the recommendation and runs in this process: hand
    over only recommendations that this program made. The validation loss is that of the loss the model is compiled
    with, so a change of the loss itself (label smoothing) cannot be judged by it and is refused.

    Args:
        make: Called with a seed, after ``keras.utils.set_random_seed(seed)``; returns the parts. Where trials run in
            other processes it must be picklable.
        advice: A diagnosis, or recommendations: those that may be tried.
        epochs: Epochs where the configuration does not say.
        also: Further inputs and targets to evaluate after every epoch, by name.

    Raises:
        UsageError: ``epochs`` is below 1.
    """

    def __init__(
        self,
        make: Callable[[int], Parts],
        advice: Diagnosis | Sequence[Recommendation] = (),
        *,
        epochs: int,
        also: Mapping[str, tuple[Any, Any]] | None = None,
    ) -> None:
        if epochs < 1:
            raise UsageError(f"epochs must be at least 1 but got {epochs!r}.")
        self._make, self._epochs, self._also = make, epochs, dict(also or {})
        self._known = advice.recommendations if isinstance(advice, Diagnosis) else tuple(advice)

    def __call__(self, config: Mapping[str, Any]) -> dict[str, list[float]]:
        """Fit with a configuration and return the losses of every epoch: ``train``, ``val``, and those of ``also``."""
        if "label_smoothing" in config:
            raise UsageError("label smoothing changes the validation loss that Keras computes; compare by accuracy.")
        seed = int(config.get("seed", 0))
        keras.utils.set_random_seed(seed)
        names: dict[str, Any] = {**self._make(seed)._asdict(), "epochs": int(config.get("epochs", self._epochs))}
        for recommendation in asked(self._known, config):
            exec(compile(recommendation.code, recommendation.id, "exec"), names)  # noqa: S102 - our own rules' code
        mixed = names.get("train_data")
        data = {"x": mixed} if mixed is not None else {"x": names["x_train"], "y": names["y_train"]}
        batches = {} if mixed is not None else {"batch_size": names["batch_size"]}
        more = {name: _Evaluated(x, _coded(y, names["y_val"])) for name, (x, y) in self._also.items()}
        history = names["model"].fit(
            **data,
            **batches,
            validation_data=(names["x_val"], names["y_val"]),
            epochs=names["epochs"],
            callbacks=[*names.get("callbacks", ()), *more.values()],
            verbose=0,
        )
        losses = {name: found.losses for name, found in more.items()}
        return {"train": history.history["loss"], "val": history.history["val_loss"], **losses}


def _coded(y: Any, like: Any) -> Any:
    """Return class numbers as one-hot rows where the validation targets have become such."""
    return np.eye(like.shape[1])[y] if np.ndim(y) == 1 and np.ndim(like) == 2 and like.shape[1] > 1 else y


class _Evaluated(keras.callbacks.Callback):  # type: ignore[misc]  # Keras is not typed
    def __init__(self, x: Any, y: Any) -> None:
        super().__init__()
        self.losses: list[float] = []
        self._data = x, y

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Evaluate in one batch."""
        x, y = self._data
        found = self.model.evaluate(x, y, batch_size=len(x), verbose=0, return_dict=True)
        self.losses.append(float(found["loss"]))
