"""Curves whose truth is known, seeded, for testing detectors against: ours and yours.

Every function returns a `Curve`: what was made, the verdict and the finding that a perfect analyzer would
reach, and where the phenomenon began. The same arguments give the same curve. All of them stand in `CATALOGUE`;
each there takes ``(n, sd=..., seed=...)``.

A detector of yours, held against every curve that shows what it looks for, and every one that is healthy:

    >>> from overfit_monitor.detectors import Overfitting
    >>> from overfit_monitor.testing import curves
    >>> from overfit_monitor.testing.detector_checks import raised, results, signals_of
    >>> found = {}
    >>> for make in curves.CATALOGUE:
    ...     curve = make(100)
    ...     found[curve.name] = raised(results(Overfitting(), signals_of(curve), facts=curve.facts)[-1:])
    >>> found["overfit"], found["plateau"], found["double_descent"]
    (True, False, False)

And a whole analysis, with further metrics, learning rates and facts:

    >>> from overfit_monitor import Monitor
    >>> curve = curves.overconfident(100)
    >>> diagnosis = Monitor(facts=curve.facts).replay(curve.observations())
    >>> diagnosis.verdict == curve.verdict, diagnosis.finding(curve.finding) is not None
    (True, True)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any

from overfit_monitor.testing.curves.made import Curve, noise
from overfit_monitor.testing.curves.ordinary import diverging, falling, overfit, plateau, step_schedule
from overfit_monitor.testing.curves.phenomena import (
    artefact,
    cut_short,
    double_descent,
    grokking,
    head_disagreement,
    instability,
    leak,
    memorization,
    noisy,
    overconfident,
    shift,
    standstill,
    underfit,
)

__all__ = [
    "CATALOGUE",
    "NULLS",
    "Curve",
    "Make",
    "artefact",
    "cut_short",
    "diverging",
    "double_descent",
    "falling",
    "grokking",
    "head_disagreement",
    "instability",
    "leak",
    "memorization",
    "noise",
    "noisy",
    "overconfident",
    "overfit",
    "plateau",
    "shift",
    "standstill",
    "step_schedule",
    "underfit",
]

Make = Callable[..., Curve]

CATALOGUE: tuple[Make, ...] = (
    plateau,
    falling,
    step_schedule,
    overfit,
    diverging,
    double_descent,
    grokking,
    noisy,
    leak,
    shift,
    underfit,
    cut_short,
    overconfident,
    memorization,
    instability,
    head_disagreement,
    artefact,
    standstill,
)

_KINDS: Mapping[str, Mapping[str, Any]] = {
    "independent": {},
    "AR 0.5": {"correlation": 0.5},
    "AR 0.7": {"correlation": 0.7},
    "AR 0.9": {"correlation": 0.9},
    "heavy tails": {"tails": 3.0},
    "shrinking": {"uneven": 10.0},
}
NULLS: Mapping[str, Make] = MappingProxyType(
    {
        f"{make.__name__}, {kind}": partial(make, **options)
        for make in (plateau, falling, step_schedule)
        for kind, options in _KINDS.items()
    }
)
"""Healthy runs by the shape of validation and the kind of its noise: whatever is raised on them is a false alarm."""
