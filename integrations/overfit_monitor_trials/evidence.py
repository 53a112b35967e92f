"""How much better a change is, from trainings paired by seed and from what it did elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from overfit_monitor.records import Effect, Mode
from overfit_monitor_trials.verification import Outcome

CONFIDENCE: Final = 0.9
USUAL_NOISE: Final = 0.02
NOISE_WEIGHT: Final = 2.0
PRIOR_SPREAD: Final = 0.06
SURE: Final = 0.75
LEAST: Final = 0.003


class Evidence(NamedTuple):
    """What is known of one change; ratios are of the change to the baseline, below 1 is better.

    Attributes:
        ratio: Mean over the seeds, None without a finished pair.
        low: Lower end of its 90 % interval.
        high: Upper end.
        expected: The ratio with the benchmark taken into account.
        worth: Whether it is to be kept: better with a probability of 75 %, by 0.3 % at least.
        noise: Standard deviation of the logarithm of a ratio from seed to seed.
        outcome: What the interval says.
    """

    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    worth: bool = False
    noise: float = 0.0
    outcome: Outcome = "failed"


Values = Mapping[int, float]
Losses = Sequence[float]


def estimates(
    pairs: Mapping[str, tuple[Values, Values]],
    effects: Mapping[str, Effect | None],
    *,
    sampling: Mapping[str, float] | None = None,
    mode: Mode = "min",
) -> dict[str, Evidence]:
    """Judge every change by its differences to the baseline, paired by seed.

    A difference is the logarithm of the ratio of the best validation values (for ``max`` turned round). Its noise is
    the standard deviation over seeds, pooled over all changes because few seeds tell little of each, together with
    a usual value of 2 % that counts as two degrees of freedom; the interval is Student's. All seeds are judged by the
    same validation examples, so the error that comes from those is added, where it is known, and more seeds do not make
    it smaller. The expected ratio is the mean of the measured one and of the benchmark's median for this change,
    weighted by their precision, with the benchmark's spread over tasks (6 % where unknown): normal prior, normal
    likelihood. For two changes together the prior is the better of both, with the spread of both.

    Args:
        pairs: For each change the best validation values of the baseline and of the change by seed.
        effects: What the benchmark measured, by change.
        sampling: Standard error of the logarithm of the ratio from the validation examples, by change; see
            `sampling_error`.
        mode: ``min`` where lower values are better, ``max`` where higher are.
    """
    from scipy.special import stdtrit

    differences = {id: _differences(base, changed, mode) for id, (base, changed) in pairs.items()}
    noise, freedom = _noise(differences)
    quantile = float(stdtrit(freedom, 0.5 + CONFIDENCE / 2.0))
    errors = sampling or {}
    return {id: _judged(d, _prior(id, effects), noise, errors.get(id, 0.0), quantile) for id, d in differences.items()}


def sampling_error(pairs: Sequence[tuple[Losses, Losses]]) -> float:
    """Return the standard error of a log ratio of mean losses that comes from the choice of validation examples.

    From the paired differences on the same examples, each averaged over the seeds, over the baseline's mean; 0 where
    the losses are not known.

    Args:
        pairs: For each seed the per-example losses of the baseline and of the change, the same examples in the same
            order; empty where they are not known.
    """
    known = [(np.asarray(a), np.asarray(b)) for a, b in pairs if len(a) == len(b) and len(a) > 1]
    if not known or len({len(a) for a, _ in known}) > 1:
        return 0.0
    difference = np.mean([b - a for a, b in known], axis=0)
    level = abs(float(np.mean([a.mean() for a, _ in known])))
    return float(difference.std(ddof=1)) / math.sqrt(len(difference)) / level if level > 0.0 else 0.0


def _differences(base: Values, changed: Values, mode: Mode) -> list[float]:
    both = [(base[seed], changed[seed]) for seed in changed if seed in base]
    sign = 1.0 if mode == "min" else -1.0
    return [sign * math.log(after / before) for before, after in both if before > 0.0 and after > 0.0]


def _noise(differences: Mapping[str, list[float]]) -> tuple[float, float]:
    squares, freedom = NOISE_WEIGHT * USUAL_NOISE**2, NOISE_WEIGHT
    for found in differences.values():
        if len(found) > 1:
            squares += float(np.var(found)) * len(found)
            freedom += len(found) - 1
    return math.sqrt(squares / freedom), freedom


def _prior(id: str, effects: Mapping[str, Effect | None]) -> tuple[float, float]:
    means, variance = [], 0.0
    for part in id.split(" + "):
        effect = effects.get(part)
        spread = PRIOR_SPREAD if effect is None else max(0.01, math.log(effect.high / effect.low) / 2.563)
        means.append(0.0 if effect is None else math.log(effect.ratio))
        variance += spread**2
    return min(means), variance


def _judged(
    differences: list[float], prior: tuple[float, float], noise: float, sampling: float, quantile: float
) -> Evidence:
    if not differences:
        return Evidence(noise=noise)
    from scipy.special import ndtr

    measured, error = float(np.mean(differences)), math.hypot(noise / math.sqrt(len(differences)), sampling)
    low, high = measured - quantile * error, measured + quantile * error
    mean, variance = prior
    weight = variance / (variance + error**2)
    expected = weight * measured + (1.0 - weight) * mean
    sure = float(ndtr(-expected / math.sqrt(weight * error**2)))
    return Evidence(
        ratio=math.exp(measured),
        low=math.exp(low),
        high=math.exp(high),
        expected=math.exp(expected),
        worth=sure >= SURE and expected <= -LEAST,
        noise=noise,
        outcome="helps" if high < 0.0 else "harms" if low > 0.0 else "no better than noise",
    )
