"""One call for a run that is over."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from overfit_monitor.errors import UsageError
from overfit_monitor.examples import as_losses
from overfit_monitor.facts import Facts
from overfit_monitor.monitor import Monitor
from overfit_monitor.records import Diagnosis, Observation


def diagnose(
    *,
    val: Sequence[float],
    train: Sequence[float] | None = None,
    steps: Sequence[int] | None = None,
    val_losses: Sequence[Any] | None = None,
    probe_losses: Sequence[Any] | None = None,
    facts: Facts | None = None,
    metric: str = "loss",
    mode: str = "min",
    **settings: Any,
) -> Diagnosis:
    """Diagnose a finished run from its curves.

    Args:
        val: Validation values, one for each evaluation.
        train: Train values, as many as ``val``; None where there are none.
        steps: Steps of the evaluations, as many as ``val``; None counts from 0.
        val_losses: Per-example values of the metric: as many rows as ``val``, each of the same examples
            in the same order.
        probe_losses: As many rows of a fixed part of the training set, measured as validation is.
        facts: What is known of model, optimizer and data.
        metric: Name of the metric, for messages.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        **settings: The other fields of `MonitorConfig`.

    Returns:
        The diagnosis, the very same as a `Monitor` that watched the run live.

    Raises:
        UsageError: The lengths differ, or a setting cannot be right.

    Example:
        >>> down, up = [1.0 / (1 + i) for i in range(30)], [0.1 + 0.01 * i for i in range(30)]
        >>> diagnose(train=down, val=down[:10] + up[:20]).verdict
        'overfitting'
    """
    examples = {"val_losses": val_losses, "probe_losses": probe_losses}
    for name, other in {"train": train, "steps": steps, **examples}.items():
        if other is not None and len(other) != len(val):
            raise UsageError(f"{name} must have as many values as val ({len(val)}) but has {len(other)}.")
    rows = {name: _rows(name, given, len(val)) for name, given in examples.items()}
    monitor = Monitor(facts=facts, metric=metric, mode=mode, **{**settings, "strict": True})

    def observe(i: int) -> Observation:
        observation = Observation(
            step=i if steps is None else int(steps[i]),
            train={} if train is None else {metric: float(train[i])},
            val={metric: float(val[i])},
        )
        return monitor.sampled(observation, rows["val_losses"][i], rows["probe_losses"][i])

    return monitor.replay(map(observe, range(len(val))))


def _rows(name: str, given: Sequence[Any] | None, n: int) -> Sequence[Any]:
    rows = [None] * n if given is None else [as_losses(row, name) for row in given]
    if len({len(row) for row in rows if row is not None}) > 1:
        raise UsageError(f"{name} must have as many values in each row.")
    return rows
