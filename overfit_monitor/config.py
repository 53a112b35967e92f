"""What a user may set, validated once, at construction."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from overfit_monitor.errors import from_validation


class Settings(BaseModel):
    """The settings that can be given one by one, each checked by itself.

    Attributes:
        metric: Metric to compare between train and validation. None chooses ``loss``, or else the
            first metric whose direction is known by its name.
        mode: ``min`` where lower is better, ``max`` where higher is better, ``auto`` to go by the name.
        patience: Stop after this many evaluations without improvement, as in Keras. None, the
            default, stops on evidence instead of on a count.
        min_delta: Smallest change of the validation metric that counts as improvement when
            it is decided whether to stop, in its own units, at least 0.
        false_alarm_rate: Largest share of healthy runs that may be called overfitting at any time in the
            run, looked at after every evaluation; between 0.01 and 0.2.
        start_from_epoch: First step at which a stopping decision may be taken, as in Keras.
        stopping_threshold: Stop as soon as the validation metric is this good, as in Lightning. None never does.
        strict: Raise errors of the monitor itself instead of warning once and training on.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    metric: str | None = None
    mode: Literal["min", "max", "auto"] = "auto"
    patience: int | None = Field(default=None, ge=0)
    min_delta: float = Field(default=0.0, ge=0.0, allow_inf_nan=False)
    false_alarm_rate: float = Field(default=0.05, ge=0.01, le=0.2)
    start_from_epoch: int = Field(default=0, ge=0)
    stopping_threshold: float | None = Field(default=None, allow_inf_nan=False)
    strict: bool = False


class MonitorConfig(Settings):
    """The settings of a monitor, those of `Settings` among them. `Monitor` takes the same names as keywords.

    Attributes:
        baseline: With ``patience``: value the metric must beat before an improvement counts, as in Keras.
    """

    baseline: float | None = Field(default=None, allow_inf_nan=False)

    @model_validator(mode="after")
    def _baseline_needs_patience(self) -> Self:
        if self.patience is None and self.baseline is not None:
            raise ValueError(f"baseline must be given together with patience but got {self.baseline!r} without it.")
        return self

    @classmethod
    def build(cls, settings: dict[str, Any]) -> MonitorConfig:
        """Validate settings by keyword.

        Raises:
            UsageError: Names the parameter, the value and what would be right.
        """
        try:
            return cls(**settings)
        except ValidationError as error:
            raise from_validation(error, cls.model_fields) from None
