"""Whether one group of runs is worse than another by more than the noise.

A group is one configuration, trained with one seed or with several. What is compared is the best
validation value of each run. How much it would differ with another seed is told by the seeds, where
there are several; a single run tells only how much its own curve moves, which is less than that, so the
noise between seeds is then taken as usual (`USUAL_NOISE`), and the result says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from statistics import stdev
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from pydantic import Field

from overfit_monitor.columns import columns_of, rising
from overfit_monitor.records import Diagnosis, Mode, Observation, Record, Sampling

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]

FALSE_ALARM_RATE: Final = 0.05
# Standard deviation from seed to seed of the best validation value, as a share of it, and how many degrees of freedom
# this is worth as a guess for a configuration that nobody trained twice. On the nets of benchmarks/comparing.py it is
# 0.4 to 14 % (5 and 95 of 100), and 12 times (up to 450 times) what the curve itself moves by.
USUAL_NOISE: Final = 0.05
USUAL_FREEDOM: Final = 4.0
LEAST_CURVE: Final = 5  # values below which a noise is no more than a guess
WINDOW: Final = 32  # evaluations on each side of the best
NEAR: Final = 3.0  # standard deviations above the best within which a value could as well have been the best

NoiseFrom = Literal["examples", "curve"]


class Measured(Record):
    """What one run tells about how good it is.

    Attributes:
        metric: Name of the validation metric, None where there was none.
        mode: ``min`` where lower is better, ``max`` where higher is better.
        value: Best validation value in the metric's own units, None without a finite one.
        noise: Standard deviation that the run itself tells of this value, in the same units; None where unknown.
        noise_from: What tells it: ``examples`` is the standard error of the mean over the validation examples,
            ``curve`` the variation from one evaluation to the next around the best.
        near: Number of evaluations that could as well have been the best; the best of many noisy values is too good.
    """

    metric: str | None = None
    mode: Mode = "min"
    value: float | None = Field(default=None, allow_inf_nan=False)
    noise: float | None = Field(default=None, ge=0.0, allow_inf_nan=False)
    noise_from: NoiseFrom | None = None
    near: int = Field(default=1, ge=1)


class Comparison(Record):
    """How much worse one group of runs is than another, and whether that is more than noise.

    Attributes:
        difference: Mean of the other's best validation values minus that of the base, oriented: above 0, the other is
            worse; None where they cannot be compared.
        relative: The difference as a share of the base's mean; None where that is 0 or unknown.
        standard_error: Standard error of the difference, None where unknown.
        limit: Size of the difference from which on it is sure, None where the noise is unknown.
        sure: Whether the difference is more than noise; None where nothing tells the noise, or they cannot be
            compared.
        reason: Why, in one sentence.
    """

    difference: float | None = None
    relative: float | None = None
    standard_error: float | None = None
    limit: float | None = None
    sure: bool | None = None
    reason: str


class _Noise(NamedTuple):
    """Standard error of the difference, degrees of freedom, what selection adds to the limit, and where from."""

    error: float
    freedom: float
    selection: float
    told: str


def measure(diagnosis: Diagnosis, observations: Iterable[Observation]) -> Measured:
    """Return what a run tells about how good it is.

    Args:
        diagnosis: Diagnosis of the run.
        observations: What it was judged by.
    """
    metric, mode, value = diagnosis.metrics.val, diagnosis.metrics.mode, diagnosis.best_value
    if metric is None or value is None:
        return Measured(metric=metric, mode=mode)
    import numpy as np

    every, curve, sampling = _evaluations(observations, metric, diagnosis.best_step)
    steps = every[np.isfinite(curve)]
    curve = curve[np.isfinite(curve)] * (-1.0 if mode == "max" else 1.0)
    moves = _noise_around(curve, int(np.searchsorted(steps, diagnosis.best_step or 0)))
    near = 1 if moves is None else max(1, int(np.count_nonzero(curve <= curve.min() + NEAR * moves)))
    noise = moves if sampling is None else sampling.standard_error
    noise_from: NoiseFrom | None = "examples" if sampling is not None else None if moves is None else "curve"
    return Measured(metric=metric, mode=mode, value=value, noise=noise, noise_from=noise_from, near=near)


def compare(
    base: Sequence[Measured], other: Sequence[Measured], *, false_alarm_rate: float = FALSE_ALARM_RATE
) -> Comparison:
    """Compare two groups of runs, each one configuration with one seed or several.

    - Several seeds on both sides: the test of Welch (1947, Biometrika 34), Student's t with unequal variances.
    - Several on one side: the spread there is taken for both (the prediction interval of Student).
    - One run a side: what the runs themselves tell of their noise, and a usual noise between seeds (`USUAL_NOISE` of
      the value). The best of many noisy values is too good by their expected minimum (Blom 1958); what two runs
      differ in that is added to the limit.

    The validation set is taken as the same for all; that another one would give other values is not in the noise,
    except where a single run tells its standard error over the examples.

    Args:
        base: What is compared with.
        other: What is judged.
        false_alarm_rate: Largest share of equally good pairs of groups that may be called surely different.
    """
    known = [[run for run in group if run.value is not None] for group in (base, other)]
    problem = _incomparable(known[0], known[1])
    if problem is not None:
        return Comparison(reason=f"not comparable, because {problem}.")
    sign = -1.0 if known[0][0].mode == "max" else 1.0
    a, b = ([sign * run.value for run in group if run.value is not None] for group in known)
    difference = _mean(b) - _mean(a)
    noise = _noise(a, b, known[0], known[1])
    relative = difference / abs(_mean(a)) if _mean(a) else None
    if isinstance(noise, str):
        return Comparison(difference=difference, relative=relative, reason=f"{_told(difference)}; {noise}.")
    limit = _quantile(noise.freedom, false_alarm_rate) * noise.error + noise.selection
    sure = abs(difference) > limit
    return Comparison(
        difference=difference,
        relative=relative,
        standard_error=noise.error,
        limit=limit,
        sure=sure,
        reason=f"{_verdict(difference, limit, sure)}; {noise.told}.",
    )


def _evaluations(
    observations: Iterable[Observation], metric: str, best_step: int | None
) -> tuple[npt.NDArray[np.int64], Array, Sampling | None]:
    """Return steps and values of the metric, and what per-example losses tell at the best step."""
    import numpy as np

    columns = columns_of(observations)
    if columns is not None and rising(columns.steps):
        column = columns.val[metric]
        known = np.frombuffer(column.known, dtype=np.uint8) != 0
        return np.array(columns.steps)[known], np.array(column.values)[known], None
    kept = _kept(observations, metric)
    best = next((o for o in kept if o.step == best_step), None)
    steps = np.array([o.step for o in kept], dtype=np.int64)
    return steps, np.array([o.val[metric] for o in kept], dtype=np.float64), None if best is None else best.sampling


def _kept(observations: Iterable[Observation], metric: str) -> list[Observation]:
    """Return the evaluations of the metric in the order of their steps; a step back forgets what came after it."""
    kept: list[Observation] = []
    for observation in observations:
        if metric in observation.val:
            while kept and kept[-1].step >= observation.step:
                kept.pop()
            kept.append(observation)
    return kept


def _noise_around(curve: Array, place: int) -> float | None:
    first = max(0, min(place - WINDOW, len(curve) - 2 * WINDOW))
    window: list[float] = curve[first : first + 2 * WINDOW + 1].tolist()
    if len(window) < LEAST_CURVE:
        return None
    from overfit_monitor.stats.autocorrelation import first_difference_scale, second_difference_scale

    scales = first_difference_scale(window), second_difference_scale(window, 1)  # a trend enlarges the first
    found = min(scales)
    return found if math.isfinite(found) else None


def _incomparable(base: Sequence[Measured], other: Sequence[Measured]) -> str | None:
    if not base or not other:
        return "there is no finite validation value on one side" if base or other else "there is no finite value at all"
    metrics = {(run.metric, run.mode) for run in (*base, *other)}
    if len(metrics) > 1:
        named = " and ".join(f"{name!r} ({mode})" for name, mode in sorted(metrics, key=str))
        return f"the runs were judged by different metrics: {named}"
    return None


def _noise(a: Sequence[float], b: Sequence[float], base: Sequence[Measured], other: Sequence[Measured]) -> _Noise | str:
    if len(a) == len(b) == 1:
        return _noise_of_single(base[0], other[0])
    if _spread(a) == _spread(b) == 0.0:
        return "the values of all seeds are the same, so nothing tells the noise between them"
    if len(a) > 1 and len(b) > 1:
        of_a, of_b = _spread(a) / math.sqrt(len(a)), _spread(b) / math.sqrt(len(b))
        error = math.hypot(of_a, of_b)
        # Welch 1947, by shares of the error, since squares of tiny variances are 0.
        freedom = 1.0 / ((of_a / error) ** 4 / (len(a) - 1) + (of_b / error) ** 4 / (len(b) - 1))
        return _Noise(error, freedom, 0.0, f"noise between {len(a)} and {len(b)} seeds")
    several = a if len(a) > 1 else b
    error = _spread(several) * math.sqrt(1.0 + 1.0 / len(several))
    told = f"noise between {len(several)} seeds of one side, taken for both, since the other is one run"
    return _Noise(error, len(several) - 1.0, 0.0, told)


def _noise_of_single(base: Measured, other: Measured) -> _Noise | str:
    if base.noise is None or other.noise is None or base.value is None or other.value is None:
        return "one run a side, with too few evaluations to see how much they move: nothing tells the noise"
    if base.value <= 0.0 or other.value <= 0.0:
        return (
            "one run a side, and no usual noise is known of values of 0 or below: nothing tells the noise between seeds"
        )
    within = math.hypot(base.noise, other.noise)
    between = USUAL_NOISE * math.hypot(base.value, other.value)
    selection = abs(_too_good(base) - _too_good(other))
    kinds = {"examples": "that of the validation examples", "curve": "that of the curves", None: "none"}
    beside = " and ".join(dict.fromkeys(kinds[run.noise_from] for run in (base, other)))
    told = f"one run a side, so the noise between seeds was taken as the usual {USUAL_NOISE:.0%}, with {beside}"
    return _Noise(math.hypot(within, between), USUAL_FREEDOM, selection, told)


def _too_good(run: Measured) -> float:
    """Return by how much the lowest of ``near`` Gaussian values lies below their mean (Blom 1958)."""
    from scipy.special import ndtri

    if run.noise_from != "curve" or run.noise is None:
        return 0.0
    return -run.noise * float(ndtri((1.0 - 0.375) / (run.near + 0.25)))


def _quantile(freedom: float, false_alarm_rate: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 1.0 - false_alarm_rate / 2.0))


def _verdict(difference: float, limit: float, sure: bool) -> str:
    if difference == 0.0:
        return _told(difference)
    return f"{_told(difference)}, {'more than' if sure else 'within'} the {limit:.2g} that noise explains"


def _told(difference: float) -> str:
    if difference == 0.0:
        return "as good"
    return f"{'worse' if difference > 0.0 else 'better'} by {abs(difference):.3g}"


def _mean(values: Sequence[float]) -> float:
    return math.fsum(value / len(values) for value in values)


def _spread(values: Sequence[float]) -> float:
    return stdev(values) if len(values) > 1 else 0.0
