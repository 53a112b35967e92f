"""The picture of a diagnosis, drawn with matplotlib, which is imported when the first one is drawn."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

from overfit_monitor.deferred import Deferred
from overfit_monitor.diagnosis import decide
from overfit_monitor.errors import UsageError
from overfit_monitor.history import History
from overfit_monitor.records import Diagnosis

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    from matplotlib.axes import Axes

    Array = npt.NDArray[np.float64]
else:
    np = Deferred("numpy")


# Okabe and Ito 2008, Color Universal Design: told apart with every kind of colour vision.
TRAIN, VAL, BEST, ONSET, ALARM, INK = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#CC79A7", "#333333"
MOST_POINTS = 5000  # more than a picture has columns
MOST_ALARMS = 4
FEW, MANY = 50, 400  # evaluations: below, each is marked; from there on, the lines are thin and the level is drawn
LOG_RATIO = 50.0  # largest over smallest value from which a straight axis shows the largest only


@final
class Curves:
    """Where a diagnosis finds its curves, without being a part of what it says.

    Equal to everything, so that diagnoses are equal that say the same. Copied by reference and not pickled:
    the history goes on with its monitor.

    Args:
        history: History of the monitor, None where it was left behind.
    """

    __slots__ = ("history",)

    def __init__(self, history: History | None = None) -> None:
        self.history = history

    def __eq__(self, other: object) -> bool:
        return True

    def __hash__(self) -> int:
        return 0

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce__(self) -> tuple[type[Curves], tuple[()]]:
        return Curves, ()


class Drawn(NamedTuple):
    """What is drawn of the curves, in the metric's own units.

    Attributes:
        steps: Steps, at most 5,000 of them, the last one always.
        val: Validation values, NaN where not finite.
        train: Train values, NaN where not finite or unknown.
        level: Running median of ``val``.
        noise: Standard deviation of the single values around it, NaN while unknown.
        broken: Steps at which ``val`` was NaN or infinite.
    """

    steps: npt.NDArray[np.int64]
    val: Array
    train: Array
    level: Array
    noise: Array
    broken: npt.NDArray[np.int64]


def plot(diagnosis: Diagnosis, curves: Curves | None, ax: Axes | None = None) -> Axes:
    """Draw a diagnosis and return the axes; `Diagnosis.plot` is the same with its own curves.

    A run of more than 5,000 evaluations is drawn with as many of them. The values are on a logarithmic scale
    where the largest is 50 times the smallest, and none is negative.

    Args:
        diagnosis: What to draw.
        curves: Where its curves are.
        ax: Axes to draw on; None makes a figure of its own.

    Raises:
        UsageError: There are no curves.
        ImportError: matplotlib is not installed.
    """
    history = curves.history if curves else None
    if history is None:
        raise UsageError("this diagnosis has no curves to plot: only one that a Monitor gave in this process has.")
    axes = ax if ax is not None else _own_axes()
    if diagnosis.step is not None:
        drawn = _drawn(*history.curves(diagnosis.step))
        _draw_curves(axes, diagnosis, drawn)
        _draw_steps(axes, diagnosis)
        _scale(axes, drawn)
    _dress(axes, diagnosis)
    return axes


def _own_axes() -> Axes:
    try:
        from matplotlib import pyplot as plt
    except ImportError as error:
        raise ImportError("plotting needs matplotlib: pip install 'overfit-monitor[plot]'") from error
    return plt.subplots(figsize=(9.0, 4.5), layout="constrained")[1]


def _drawn(steps: npt.NDArray[np.int64], val: Array, train: Array) -> Drawn:
    from overfit_monitor.stats.envelope import level_at, noise_at

    broken = ~np.isfinite(val)
    kept = np.arange(len(steps) - 1, -1, -math.ceil(len(steps) / MOST_POINTS))[::-1]
    level, noise = np.full((2, len(steps)), math.nan)
    whole = np.flatnonzero(~broken)
    wanted = np.intersect1d(kept, whole)
    places = np.searchsorted(whole, wanted)
    finite = val[whole]
    level[wanted] = level_at(finite, places)
    noise[wanted] = noise_at(finite, places)
    train = np.where(np.isfinite(train), train, math.nan)
    val = np.where(broken, math.nan, val)
    return Drawn(steps[kept], val[kept], train[kept], level[kept], noise[kept], steps[broken][:MOST_POINTS])


def _draw_curves(ax: Axes, diagnosis: Diagnosis, drawn: Drawn) -> None:
    steps, marker, width = drawn.steps, "." if len(drawn.steps) < FEW else "", 1.6 if len(drawn.steps) < MANY else 0.6
    if np.isfinite(drawn.train).any():
        shown = np.isfinite(drawn.train)
        ax.plot(steps[shown], drawn.train[shown], color=TRAIN, lw=width, marker=marker, ls="--", label="train")
    alpha = 1.0 if len(steps) < MANY else 0.5
    ax.plot(steps, drawn.val, color=VAL, lw=width, alpha=alpha, marker=marker, label="validation", zorder=3)
    if len(steps) >= MANY:
        ax.plot(steps, drawn.level, color=VAL, lw=2.0, label="its level", zorder=3)
    if np.isfinite(drawn.noise).any():
        low, high = drawn.level - 2.0 * drawn.noise, drawn.level + 2.0 * drawn.noise
        label = "its level and two standard\ndeviations of its noise"
        ax.fill_between(steps, low, high, color=VAL, alpha=0.18, lw=0.0, label=label)
    if len(drawn.broken):
        ends = ax.get_xaxis_transform()
        at = np.full(len(drawn.broken), 0.03)
        ax.plot(drawn.broken, at, "x", color=INK, ms=5.0, ls="", transform=ends, label="not a finite number")
    if diagnosis.best_step is not None and diagnosis.best_value is not None:
        label = f"best: step {diagnosis.best_step} ({diagnosis.best_value:.4g})"
        ax.plot(
            [diagnosis.best_step], [diagnosis.best_value], "o", color=BEST, ms=8.0, mec="white", label=label, zorder=4
        )


def _draw_steps(ax: Axes, diagnosis: Diagnosis) -> None:
    decisive = decide(diagnosis.findings, diagnosis.not_judged)[1]
    if diagnosis.onset_step is not None:
        ax.axvline(diagnosis.onset_step, color=ONSET, lw=1.6, label=f"onset: step {diagnosis.onset_step}", zorder=1)
    if decisive is not None and decisive.onset_range is not None:
        first, last = decisive.onset_range
        ax.axvspan(first, last, color=ONSET, alpha=0.15, lw=0.0, label=f"onset between {first} and {last}", zorder=0)
    told = [f for f in diagnosis.findings if f.severity != "info" and f.alarm_step is not None]
    for finding in told[:MOST_ALARMS]:
        step, name = finding.alarm_step or 0, finding.id.replace("_", " ")
        style = "--" if finding.severity == "error" else (0, (2.0, 3.0))
        ax.axvline(step, color=ALARM, lw=1.6, ls=style, label=f"alarm: step {step}\n({name})", zorder=1)
    if diagnosis.stop_step is not None:
        ax.axvline(diagnosis.stop_step, color=INK, lw=1.4, ls=":", label=f"stop: step {diagnosis.stop_step}", zorder=1)


def _scale(ax: Axes, drawn: Drawn) -> None:
    values = np.concatenate([drawn.val, drawn.train])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0.0 and values.max() > LOG_RATIO * values.min():
        ax.set_yscale("log")


def _dress(ax: Axes, diagnosis: Diagnosis) -> None:
    name = f"{diagnosis.run}: " if diagnosis.run else ""
    ax.set_title(f"{name}{diagnosis.verdict}", loc="left", color=INK, fontweight="bold")
    ax.set_xlabel("step", color=INK)
    ax.set_ylabel(diagnosis.metrics.val or "", color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(axis="y", color="#dddddd", lw=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.02)
    if ax.get_legend_handles_labels()[0]:
        ax.legend(loc="upper left", bbox_to_anchor=(1.01, 1.0), frameon=False, fontsize="small", borderaxespad=0.0)
