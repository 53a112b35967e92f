"""What is told of overfitting: the figures, and what speaks for it and against it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import NamedTuple

from overfit_monitor.facts import Facts
from overfit_monitor.records import Evidence, Finding
from overfit_monitor.stats.rise import MOST_CORRELATION, Rise


@dataclass(slots=True)
class State:
    """What changes with every evaluation."""

    alarm_step: int | None = None
    best_val: float = math.inf
    last_val: float = math.nan
    others_at_best: dict[str, float] = field(default_factory=dict)
    others_now: dict[str, float] = field(default_factory=dict)
    paired_in_a_row: int = 0
    change_error: float | None = None
    learning_rate: float | None = None


class Told(NamedTuple):
    """All that a finding is made of.

    Attributes:
        state: What the detector keeps.
        found: What was measured on validation.
        change: Change of the train level since validation was best, None where unknown.
        limit: Limit of the statistic.
        false_alarm_rate: What it was told.
        facts: What is known beside the curves.
    """

    state: State
    found: Rise
    change: float | None
    limit: float
    false_alarm_rate: float
    facts: Facts

    def finding(self, id: str, onset: int, onset_range: tuple[int, int], alarm: int) -> Finding:
        """Return the finding.

        Args:
            id: Of the detector.
            onset: Step at which it began.
            onset_range: First and last step at which it may have begun.
            alarm: Step at which it was raised.
        """
        return Finding(
            id=id,
            severity="error",
            message=f"validation is {self.found.rise:.4g}{_share(self.found)} worse than its best around step {onset}, "
            f"and has been rising since. {_about_train(self.change)}{self._about_others()}",
            onset_step=onset,
            onset_range=onset_range,
            alarm_step=alarm,
            evidence=self._evidence(),
            speaks_for=self._for(),
            speaks_against=self._against(),
            experiment=f"evaluate the checkpoint of step {onset} and the last one on data that neither has seen: "
            "overfitting leaves the earlier one better.",
        )

    def _evidence(self) -> dict[str, Evidence]:
        evidence: dict[str, Evidence] = {
            "rise": self.found.rise,
            "rise_relative": self.found.rise / abs(self.found.best) if self.found.best else None,
            "last_worse_than_best": self.state.last_val - self.state.best_val,
            "noise": self.found.noise,
            "autocorrelation": self.found.correlation,
            "statistic": self.found.statistic,
            "limit": self.limit,
            "false_alarm_rate": self.false_alarm_rate,
            "largest_recovered_rise": self.found.recovered,
            "train_change": self.change,
            "sampling_error": self.state.change_error,
        }
        for name, now in self._compared().items():
            evidence[f"{name}_lost"] = self.state.others_at_best[name] - now
        return evidence

    def _compared(self) -> dict[str, float]:
        return {name: now for name, now in self.state.others_now.items() if name in self.state.others_at_best}

    def _about_others(self) -> str:
        said = [
            f"{name} went from {self.state.others_at_best[name]:.4g} to {now:.4g}"
            for name, now in self._compared().items()
        ]
        return f" Since then {' and '.join(said[:3])}." if said else ""

    def _for(self) -> tuple[str, ...]:
        said = [
            f"the rise is {self.found.statistic:.3g} in units of its noise, the limit for {self.false_alarm_rate:g} "
            f"false alarms a run is {self.limit:.3g}"
        ]
        if self.state.change_error is not None and self.state.paired_in_a_row:
            said.append(
                f"on the same examples validation is worse by {self.state.last_val - self.state.best_val:.3g}, with a "
                f"standard error of {self.state.change_error:.2g}, {self.state.paired_in_a_row} times in a row"
            )
        if self.change is not None and self.change < 0.0:
            said.append(f"train improved by {-self.change:.4g} meanwhile")
        if self.found.recovered < 0.1 * self.found.rise:
            said.append("the run has not made good any comparable rise before")
        return tuple(said)

    def _against(self) -> tuple[str, ...]:
        said = []
        if self.change is None:
            said.append("the train metric is not known")
        if self.state.change_error is None:
            size = f" of {self.facts.data.n_val} examples" if self.facts.data.n_val else ""
            said.append(f"the sampling error of the validation set{size} is not known: no per-example losses")
        if self.found.correlation > MOST_CORRELATION:
            said.append(f"the noise is strongly correlated ({self.found.correlation:.2f}), or the curve very smooth")
        if self.found.recovered >= 0.1 * self.found.rise:
            said.append(f"a rise of {self.found.recovered:.4g} was made good earlier in this run")
        return tuple(said)


def _share(found: Rise) -> str:
    return f" ({found.rise / abs(found.best):.0%})" if found.best else ""


def _about_train(change: float | None) -> str:
    if change is None:
        return "The train metric is not known."
    if change < 0.0:
        return f"Train improved by {-change:.4g} meanwhile."
    return "Train is at its floor."
