"""One evaluation on its way to the monitor: what the caller gave, what was measured, and what other ranks have."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor

from overfit_monitor import Monitor
from overfit_monitor.examples import as_losses
from overfit_monitor_torch.distributed import Ranks, Share, Weighted
from overfit_monitor_torch.losses import LossSummary, Split
from overfit_monitor_torch.measuring import Measured

SPLITS: tuple[Split, ...] = ("train", "val")


class Evaluation(NamedTuple):
    """The arguments of `overfit_monitor.Monitor.log`, and how many examples are behind the means.

    Attributes:
        step: Index of the evaluation.
        train: Train metrics by name.
        val: Validation metrics by name.
        learning_rate: Learning rate in force.
        learning_rates: Lowest and highest learning rate since the evaluation before.
        val_losses: Per-example validation losses.
        probe_losses: Per-example losses of the train probe.
    """

    step: int
    train: dict[str, Any]
    val: dict[str, Any]
    learning_rate: float | None
    learning_rates: tuple[float, float] | None
    val_losses: Any
    probe_losses: Any

    @property
    def validated(self) -> bool:
        """Whether there is anything of validation."""
        return bool(self.val) or self.val_losses is not None


def evaluated(
    step: int,
    metrics: Mapping[Split, Mapping[str, Any] | None],
    measured: Measured,
    given: Mapping[str, Any],
) -> Evaluation:
    """Return the evaluation; what the caller gave goes before what was measured.

    Args:
        step: Index of the evaluation.
        metrics: Metrics that the caller gave, by split.
        measured: What hooks and probe measured.
        given: ``learning_rate``, ``val_losses`` and ``probe_losses`` as the caller gave them; None where not.
    """
    train, val = (_merged(metrics.get(split), measured.summaries.get(split)) for split in SPLITS)
    read: dict[str, Any] = {
        "learning_rate": measured.rate,
        "val_losses": measured.val_losses,
        "probe_losses": measured.probe_losses,
    }
    read |= {name: value for name, value in given.items() if value is not None}
    return Evaluation(step, train, val, learning_rates=measured.rates, **read)


def together(evaluation: Evaluation, measured: Measured, ranks: Ranks, monitor: Monitor) -> Evaluation:
    """Return the evaluation over the examples of all ranks, the same on each of them.

    What is no number is left out. The monitor takes over the history of that of the first rank, which alone
    reads what an earlier training wrote.

    Args:
        evaluation: What this rank has.
        measured: What its hooks measured; it tells how many examples are behind the means.
        ranks: This process among the others.
        monitor: The monitor of this rank.
    """
    first = ranks.evaluations == 0
    share = ranks.exchange(
        Share(
            evaluation.step,
            _weighted(evaluation.train, measured.summaries.get("train")),
            _weighted(evaluation.val, measured.summaries.get("val")),
            evaluation.learning_rate,
            evaluation.learning_rates,
            _numbers(evaluation.val_losses),
            _numbers(evaluation.probe_losses),
            monitor.state_dict() if first and ranks.rank == 0 else None,
        )
    )
    if share.history is not None and ranks.rank != 0:
        monitor.load_state_dict(share.history)
    return Evaluation(
        share.step,
        {name: value for name, (value, _) in share.train.items()},
        {name: value for name, (value, _) in share.val.items()},
        share.rate,
        share.rates,
        share.val_losses,
        share.probe_losses,
    )


def _merged(metrics: Mapping[str, Any] | None, summary: LossSummary | None) -> dict[str, Any]:
    # Turning a tensor that requires a gradient into a number makes PyTorch warn.
    values = {name: v.detach() if isinstance(v, Tensor) else v for name, v in (metrics or {}).items()}
    return values if summary is None else summary.metrics | values


def _weighted(metrics: Mapping[str, Any], summary: LossSummary | None) -> dict[str, Weighted]:
    weight = 1.0 if summary is None else float(summary.examples)
    found = {}
    for name, value in metrics.items():
        try:
            found[name] = (float(value), weight)
        except (TypeError, ValueError, RuntimeError):
            continue
    return found


def _numbers(losses: Any) -> npt.NDArray[np.float64] | None:
    return None if losses is None else as_losses(losses)
