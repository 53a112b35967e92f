"""What a training function is asked and what it may answer."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from pydantic import ConfigDict

from overfit_monitor.errors import UsageError
from overfit_monitor.records import Mode, Record

Config = Mapping[str, Any]
Train = Callable[[dict[str, Any]], Any]
_VAL, _TRAIN = ("val", "val_loss", "validation", "valid_loss"), ("train", "loss", "train_loss")


class Trained(Record):
    """The curves of one training.

    Attributes:
        val: Validation values, one for each epoch.
        train: Train values, empty where there were none.
        val_losses: Per-example validation losses at the best epoch, in an order of their own that is always the same;
            empty where there were none.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    val: tuple[float, ...]
    train: tuple[float, ...] = ()
    val_losses: tuple[float, ...] = ()

    def best(self, mode: Mode, epochs: int | None = None) -> tuple[int, float] | None:
        """Return the epoch with the best finite value among the first ``epochs``, and that value; None without one."""
        sign = 1.0 if mode == "min" else -1.0
        finite = [(sign * v, i) for i, v in enumerate(self.val[:epochs]) if math.isfinite(v)]
        if not finite:
            return None
        value, epoch = min(finite)
        return epoch, sign * value


def as_trained(answer: Any) -> Trained:
    """Read what a training function returned.

    Args:
        answer: A mapping with ``val`` and, if there are any, ``train`` values by epoch and ``val_losses`` of the best
            epoch (``val_loss`` and ``loss`` are understood as well); an object with such a mapping as ``history``, as
            Keras returns it; or the validation values alone.

    Raises:
        UsageError: It is none of these, or there is no validation value.
    """
    answer = getattr(answer, "history", answer)
    if isinstance(answer, Mapping):
        val = _first(answer, _VAL)
        if val is None:
            known = ", ".join(map(repr, answer)) or "nothing"
            raise UsageError(f"train must return validation values as 'val' or 'val_loss' but returned {known}.")
        return Trained(
            val=_values("val", val),
            train=_values("train", _first(answer, _TRAIN) or ()),
            val_losses=_values("val_losses", answer.get("val_losses", ())),
        )
    if isinstance(answer, Sequence | np.ndarray) and not isinstance(answer, str):
        return Trained(val=_values("val", answer))
    raise UsageError(
        f"train must return a mapping with 'val', a Keras history, or the values, but returned {answer!r}."
    )


def described(config: Config) -> str:
    """Return the configuration as text that is the same for the same settings.

    Raises:
        UsageError: A setting is no plain value.
    """
    try:
        return json.dumps(config, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise UsageError(f"a configuration must hold plain values only but got {dict(config)!r}: {error}.") from None


def _first(answer: Mapping[str, Any], names: Sequence[str]) -> Any:
    return next((answer[name] for name in names if name in answer), None)


def _values(name: str, values: Any) -> tuple[float, ...]:
    try:
        found = tuple(float(value) for value in values)
    except (TypeError, ValueError):
        raise UsageError(f"train must return {name} as numbers but returned {values!r}.") from None
    if name == "val" and not found:
        raise UsageError("train must return at least one validation value but returned none.")
    return found
