"""When to stop. The catalogue of rules; the settings wrap them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from overfit_monitor.config import MonitorConfig
from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.records import Mode
from overfit_monitor.stopping.base import StoppingPolicy, own_units
from overfit_monitor.stopping.conditions import Conditions
from overfit_monitor.stopping.evidence import EvidenceStopping

__all__ = ["CATALOGUE", "Conditions", "EvidenceStopping", "StoppingPolicy", "build_policy", "own_units", "parse_policy"]


def _patience(value: float) -> StoppingPolicy:
    from overfit_monitor.stopping.patience import PatienceStopping

    return PatienceStopping(patience=_whole("patience", value, least=0))


def _generalization_loss(value: float) -> StoppingPolicy:
    from overfit_monitor.stopping.generalization_loss import GeneralizationLoss

    return GeneralizationLoss(percent=_positive("gl", value))


def _progress_quotient(value: float) -> StoppingPolicy:
    from overfit_monitor.stopping.progress_quotient import ProgressQuotient

    return ProgressQuotient(limit=_positive("pq", value))


def _rises_in_a_row(value: float) -> StoppingPolicy:
    from overfit_monitor.stopping.rises_in_a_row import RisesInARow

    return RisesInARow(strips=_whole("up", value, least=1))


def _never(_: float) -> StoppingPolicy:
    from overfit_monitor.stopping.never import NeverStopping

    return NeverStopping()


# Name, default value and how to make it; a rule without a default takes no value. All but the default one are imported
# when they are asked for.
CATALOGUE: Final[dict[str, tuple[float | None, Callable[[float], StoppingPolicy]]]] = {
    "evidence": (None, lambda _: EvidenceStopping()),
    "patience": (10.0, _patience),
    "gl": (5.0, _generalization_loss),
    "pq": (1.0, _progress_quotient),
    "up": (3.0, _rises_in_a_row),
    "never": (None, _never),
}


def parse_policy(text: str) -> Callable[[], StoppingPolicy]:
    """Return what makes the policy that a text names.

    Args:
        text: ``NAME`` or ``NAME:VALUE``, such as ``evidence``, ``patience:20`` or ``gl:5``.

    Raises:
        UsageError: The name is unknown, or the value cannot be right.

    Example:
        >>> parse_policy("patience:3")().patience
        3
    """
    name, colon, told = text.partition(":")
    if name not in CATALOGUE:
        raise UsageError(unknown_name("policy", name, CATALOGUE))
    default, make = CATALOGUE[name]
    if default is None:
        if colon:
            raise UsageError(f"policy {name!r} takes no value but got {told!r}.")
        return lambda: make(0.0)
    try:
        value = float(told) if colon else default
    except ValueError:
        raise UsageError(f"policy {name!r} takes a number but got {told!r}.") from None
    make(value)
    return lambda: make(value)


def build_policy(config: MonitorConfig, mode: Mode) -> StoppingPolicy:
    """Return the policy that the settings ask for.

    Without ``patience`` the rule is `EvidenceStopping`; ``min_delta``, ``start_from_epoch`` and
    ``stopping_threshold`` go with either.
    """
    policy: StoppingPolicy
    if config.patience is not None:
        from overfit_monitor.stopping.patience import PatienceStopping

        baseline = None if config.baseline is None else own_units(config.baseline, mode)
        policy = PatienceStopping(patience=config.patience, min_delta=config.min_delta, baseline=baseline)
    elif config.min_delta:
        from overfit_monitor.stopping.min_delta import MinDelta

        policy = MinDelta(EvidenceStopping(), min_delta=config.min_delta)
    else:
        policy = EvidenceStopping()
    threshold = None if config.stopping_threshold is None else own_units(config.stopping_threshold, mode)
    return Conditions(policy, start_from_epoch=config.start_from_epoch, stopping_threshold=threshold)


def _whole(name: str, value: float, *, least: int) -> int:
    if not math.isfinite(value) or value != int(value) or value < least:
        raise UsageError(f"policy {name!r} takes a whole number of at least {least} but got {value:g}.")
    return int(value)


def _positive(name: str, value: float) -> float:
    if not 0.0 < value < math.inf:
        raise UsageError(f"policy {name!r} takes a number above 0 but got {value:g}.")
    return value
