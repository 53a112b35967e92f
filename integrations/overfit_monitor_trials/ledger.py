"""How often one validation set was used to choose, and how much of the best of N is luck."""

from __future__ import annotations

import json
import math
from os import PathLike
from pathlib import Path
from typing import final

import numpy as np

from overfit_monitor.errors import UsageError
from overfit_monitor.journal import Journal, read_journal
from overfit_monitor.records import Mode, Record

FILE_NAME = "validation-ledger.jsonl"


class Luck(Record):
    """What choosing the best of N on one validation set brings when all N are equally good.

    Attributes:
        n: Number of different configurations that were judged by the validation set.
        gain: How much better the best looked than the first, in the metric's own units, 0 or more.
        by_luck: How much better the best of so many equally good ones is expected to look than one of them.
        noise: Standard deviation of the validation value among equally good ones that this was reckoned with.
    """

    n: int
    gain: float
    by_luck: float
    noise: float

    @property
    def share(self) -> float | None:
        """Share of the gain that luck alone explains, at most 1; None without a gain."""
        return min(1.0, self.by_luck / self.gain) if self.gain > 0.0 else None

    def __str__(self) -> str:
        used = f"This validation set has judged {self.n} configurations"
        if self.share is None:
            return f"{used}; none looks better than the first."
        return (
            f"{used}; the best looks {self.gain:.3g} better than the first. The best of {self.n} equally good ones "
            f"would look {self.by_luck:.3g} better by luck alone: {self.share:.0%} of the gain."
        )


@final
class Ledger:
    """Counts how often a validation set was used to choose.

    Args:
        path: Folder whose ``validation-ledger.jsonl`` keeps the count between programs; None keeps it in memory.
        name: Name of the validation set, where one folder counts for several.
        mode: ``min`` where lower is better, ``max`` where higher is better.
    """

    def __init__(self, path: str | PathLike[str] | None = None, *, name: str = "val", mode: Mode = "min") -> None:
        self.name, self.mode = name, mode
        self._path = None if path is None else Path(path)
        self._values: dict[str, float] = {}
        file = None if self._path is None else self._path / FILE_NAME
        if file is not None and file.exists():
            for entry in read_journal(file):
                if entry.kind == "judged" and entry.record.get("set") == name:
                    self._values[str(entry.record["what"])] = float(entry.record["value"])

    @property
    def n(self) -> int:
        """Number of different configurations judged so far."""
        return len(self._values)

    def note(self, what: object, value: float) -> None:
        """Note that a configuration was judged; the same one again, such as with another seed, counts once.

        Args:
            what: The configuration, a mapping of plain values or a name.
            value: Its validation value.

        Raises:
            UsageError: The configuration is no plain value.
        """
        try:
            key = what if isinstance(what, str) else json.dumps(what, sort_keys=True)
        except TypeError:
            raise UsageError(f"what must be a name or plain values but got {what!r}.") from None
        if key in self._values or not math.isfinite(value):
            return
        self._values[key] = float(value)
        if self._path is not None:
            journal = Journal(self._path, name=FILE_NAME)
            journal.write("judged", {"set": self.name, "what": key, "value": float(value)})
            journal.close()

    def luck(self, noise: float) -> Luck | None:
        """Return how much of the gain of the best over the first luck alone explains; None before the second.

        Args:
            noise: Standard deviation of the validation value among configurations that are equally good, such as the
                spread over seeds; in the metric's own units, at least 0.

        Raises:
            UsageError: The noise is negative or not finite.
        """
        if not (math.isfinite(noise) and noise >= 0.0):
            raise UsageError(f"noise must be a finite number of at least 0 but got {noise!r}.")
        if self.n < 2:
            return None
        values = np.array(list(self._values.values())) * (1.0 if self.mode == "min" else -1.0)
        gain = float(values[0] - values.min())
        return Luck(n=self.n, gain=gain, by_luck=noise * expected_best(self.n), noise=noise)


def expected_best(n: int) -> float:
    """Return how far the best of n independent standard normal values is expected to lie from their mean.

    The mean of the largest order statistic, ``∫ z n φ(z) Φ(z)^(n-1) dz``, by the trapezoidal rule; 0 for one value.
    """
    from scipy.special import ndtr

    z = np.linspace(-10.0, 10.0, 20_001)
    density = np.exp(-0.5 * z**2) / math.sqrt(2.0 * math.pi)
    return float(np.trapezoid(z * n * density * ndtr(z) ** (n - 1), z))
