"""Per-example losses of the best evaluation and of the latest one, and what they tell."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple, final

from overfit_monitor.deferred import Deferred
from overfit_monitor.errors import UsageError
from overfit_monitor.records import Membership, Mode, Probe, Sampling
from overfit_monitor.stats.membership import membership
from overfit_monitor.stats.paired import paired_change, standard_error

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Compact = npt.NDArray[np.float32]
else:
    np = Deferred("numpy")


FEWEST = 2


class Losses(NamedTuple):
    """Per-example losses of one evaluation, 4 bytes an example.

    Attributes:
        step: Step of the evaluation.
        mean: Mean of the validation losses.
        val: Validation losses, shape (n,).
        probe: Losses of the train probe, shape (m,); None where it was not measured.
    """

    step: int
    mean: float
    val: Compact
    probe: Compact | None


@final
class Examples:
    """Keeps the per-example losses of the best evaluation so far and of the latest, and compares the two.

    8 bytes a validation example and 8 bytes a probe example are kept in all. A comparison takes time in proportion
    to their number.

    Args:
        mode: ``min`` keeps the losses of the lowest validation mean; ``max``, for per-example values of a
            metric that grows, those of the highest.

    Attributes:
        best: Losses of the lowest validation mean so far, None before the first.
        latest: Losses of the latest evaluation, None before the first.

    Example:
        >>> import numpy as np
        >>> examples = Examples()
        >>> sampling, probe = examples.update(0, np.array([1.0, 2.0, 3.0]))
        >>> sampling, probe = examples.update(1, np.array([1.5, 2.5, 3.5]))
        >>> sampling.compared_to, sampling.change, sampling.change_error
        (0, 0.5, 0.0)
    """

    def __init__(self, *, mode: Mode = "min") -> None:
        self.mode = mode
        self.best: Losses | None = None
        self.latest: Losses | None = None

    @property
    def n(self) -> int | None:
        """Number of validation examples that are kept, None while there are none."""
        return None if self.best is None else len(self.best.val)

    def update(self, step: int, val: Array | None, probe: Array | None = None) -> tuple[Sampling | None, Probe | None]:
        """Take in the losses of an evaluation and return what they tell.

        Args:
            step: Step of the evaluation.
            val: One value for each validation example, the same examples in the same order each time, shape (n,);
                None where they are not known. Those of another number than before are compared with nothing.
            probe: The same for the train probe, shape (m,); a shorter one is the beginning of the longer ones.

        Returns:
            What is told of validation and of the probe; None where a value is not finite, or too large.
        """
        val, probe = _usable(val, least=FEWEST), _usable(probe, least=1)
        best = self.best
        sampling = None if val is None else _sampling(val, _same(best and best.val, val), best and best.step)
        found = None if probe is None else self._probe(probe, val)
        if val is not None and sampling is not None:
            self.latest = Losses(step, mean_of(val), _compact(val), None if probe is None else _compact(probe))
            if best is None or (len(best.val) == len(val) and self._better(self.latest.mean, best.mean)):
                self.best = self.latest
        return sampling, found

    def rewind(self, step: int) -> None:
        """Forget what comes from this step or a later one."""
        if self.best is not None and self.best.step >= step:
            self.best = None
        if self.latest is not None and self.latest.step >= step:
            self.latest = None

    def state_dict(self) -> dict[str, Any]:
        """Return what is kept as plain values."""
        return {"mode": self.mode, "best": _plain(self.best), "latest": _plain(self.latest)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a state that `state_dict` returned."""
        self.mode = state["mode"]
        self.best, self.latest = _losses(state["best"]), _losses(state["latest"])

    def _better(self, mean: float, best: float) -> bool:
        return mean > best if self.mode == "max" else mean < best

    def _probe(self, probe: Array, val: Array | None) -> Probe | None:
        value, best = mean_of(probe), self.best
        if not math.isfinite(value):
            return None
        before = None if best is None or best.probe is None else best.probe
        n = len(probe) if before is None else min(len(probe), len(before))
        sampling = None
        if len(probe) >= FEWEST:
            kept = None if before is None or n < FEWEST else before[:n]
            sampling = _sampling(probe, kept, best and best.step)
        return Probe(value=value, sampling=sampling, membership=None if val is None else self._membership(probe, val))

    def _membership(self, probe: Array, val: Array) -> Membership | None:
        sign = -1.0 if self.mode == "max" else 1.0
        return membership(sign * probe, sign * val)


def as_losses(given: Any, name: str = "val_losses") -> Array:
    """Return per-example losses as one flat array, also those of a tensor on another device.

    Raises:
        UsageError: They are not numbers.
    """
    try:
        plain = given.detach().cpu().double() if hasattr(given, "detach") else given
        return np.asarray(plain, dtype=np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be numbers, one for each example, but: {error}") from None


def mean_of(losses: Array) -> float:
    """Return the mean, NaN where there is no loss, without a warning where it is not finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return float(np.mean(losses)) if len(losses) else math.nan


def _usable(losses: Array | None, *, least: int) -> Array | None:
    return losses if losses is not None and len(losses) >= least and np.isfinite(_compact(losses)).all() else None


def _same(kept: Compact | None, now: Array) -> Compact | None:
    return kept if kept is not None and len(kept) == len(now) else None


def _sampling(losses: Array, kept: Compact | None, step: int | None) -> Sampling | None:
    error = standard_error(losses)
    if not math.isfinite(error):
        return None
    if kept is not None:
        # Both as they are kept, so that losses that did not change differ by nothing.
        now, before = _compact(losses[: len(kept)]).astype(np.float64), kept.astype(np.float64)
        change, change_error = paired_change(now, before)
        if math.isfinite(change) and math.isfinite(change_error):
            return Sampling(
                n=len(losses), standard_error=error, compared_to=step, change=change, change_error=change_error
            )
    return Sampling(n=len(losses), standard_error=error)


def _compact(losses: Array) -> Compact:
    with np.errstate(over="ignore"):
        return losses.astype(np.float32)


def _plain(losses: Losses | None) -> dict[str, Any] | None:
    if losses is None:
        return None
    probe = None if losses.probe is None else losses.probe.tolist()
    return losses._asdict() | {"val": losses.val.tolist(), "probe": probe}


def _losses(state: dict[str, Any] | None) -> Losses | None:
    if state is None:
        return None
    probe = None if state["probe"] is None else np.array(state["probe"], dtype=np.float32)
    return Losses(state["step"], state["mean"], np.array(state["val"], dtype=np.float32), probe)
