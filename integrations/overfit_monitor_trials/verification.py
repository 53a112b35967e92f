"""What a trial of recommendations found."""

from __future__ import annotations

from typing import Any, Literal

from overfit_monitor.records import Record

Outcome = Literal["helps", "no better than noise", "harms", "not applied", "failed", "left out"]


class Tried(Record):
    """One change beside the baseline.

    Attributes:
        id: The recommendation, or the names of two that were tried together, joined by `` + ``.
        change: Its settings.
        outcome: What the trial says of it: ``helps`` and ``harms`` where the interval leaves 1 out. ``not
            applied`` where the training was the baseline's to the last bit.
        ratio: Best validation value over that of the baseline, mean over the seeds on a logarithmic scale; below 1 is
            better for a loss. None where nothing was finished.
        low: Lower end of its 90 % interval.
        high: Upper end.
        expected: The ratio with what is known of the change from the benchmark taken into account.
        seeds: Seeds that were finished.
        reason: Why it failed or was left out.
    """

    id: str
    change: dict[str, Any]
    outcome: Outcome
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    expected: float | None = None
    seeds: tuple[int, ...] = ()
    reason: str = ""


class Verification(Record):
    """What `verify` found.

    Attributes:
        best: Id of the change to keep; None where none is better than the baseline by more than noise allows to say.
        change: Its settings, empty for none.
        tried: All changes, best expected first.
        baseline: Best validation values of the baseline by seed.
        epochs: Epochs of a trial.
        cost: Epochs trained in all over the epochs of the original training.
        noise: Standard deviation of the logarithm of a ratio between trainings that differ by the seed alone.
        luck: What choosing the best of so many explains, as a sentence; empty without a ledger.
    """

    best: str | None
    change: dict[str, Any]
    tried: tuple[Tried, ...]
    baseline: dict[int, float]
    epochs: int
    cost: float
    noise: float
    luck: str = ""

    def summary(self) -> str:
        """Return a table of all changes and what to keep, in lines of at most 100 characters."""
        rows = [f"{'change':<36} {'ratio':>6}  {'90 % interval':<16} {'expected':>8}  outcome"]
        rows += [_row(tried) for tried in self.tried]
        seeds = ", ".join(str(seed) for seed in self.baseline)
        rows.append(
            f"seeds {seeds}; {self.epochs} epochs each; {self.cost:.1f} trainings of the original length in all"
        )
        kept = "keep none: no change is better by more than noise" if self.best is None else f"keep {self.best}"
        rows.append(f"{kept}{f': {self.change}' if self.change else ''}")
        return "\n".join([*rows, *([self.luck] if self.luck else [])])


def _row(tried: Tried) -> str:
    if tried.ratio is None or tried.low is None or tried.high is None:
        reason = f": {tried.reason}" if tried.reason else ""
        return f"{tried.id[:36]:<36} {'':>6}  {'':<16} {'':>8}  {tried.outcome}{reason}"
    interval = f"{tried.low:.3f} to {tried.high:.3f}"
    expected = "" if tried.expected is None else f"{tried.expected:.3f}"
    return f"{tried.id[:36]:<36} {tried.ratio:>6.3f}  {interval:<16} {expected:>8}  {tried.outcome}"
