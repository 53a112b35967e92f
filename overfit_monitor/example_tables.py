"""Which examples and which classes are behind a validation value, and which look mislabelled."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal, final

from pydantic import ConfigDict

from overfit_monitor.deferred import Deferred
from overfit_monitor.errors import UsageError
from overfit_monitor.examples import Examples, Losses
from overfit_monitor.records import Membership, Record

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from overfit_monitor.examples import Array

    Labels = npt.NDArray[np.int64]
else:
    np = Deferred("numpy")

MOST: Final = 10
FAR_OUT: Final = 3.0  # Tukey 1977, Exploratory Data Analysis: beyond three interquartile ranges a value is far out
FEWEST_IN_CLASS: Final = 20


class Example(Record):
    """One example and its loss.

    Attributes:
        split: Where it comes from; those of ``train`` are of the train probe.
        index: Its place in the losses that were given.
        name: What the caller calls it, such as its index in the data set; None where unknown.
        label: Its class number, None where unknown.
        loss: Its loss at the latest evaluation.
        best_loss: Its loss at the evaluation with the best mean, None where it was not measured.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    split: Literal["train", "val"]
    index: int
    name: str | None = None
    label: int | None = None
    loss: float
    best_loss: float | None = None


class ClassRow(Record):
    """The validation loss of one class.

    Attributes:
        label: Class number.
        n: Number of its validation examples.
        loss: Their mean loss at the latest evaluation.
        change: Mean change since the best evaluation, None at the best one.
        change_error: Standard error of ``change`` from the differences; None where it is not known.
    """

    model_config = ConfigDict(ser_json_inf_nan="strings")

    label: int
    n: int
    loss: float
    change: float | None = None
    change_error: float | None = None


class ExampleTables(Record):
    """What the per-example losses of the best and of the latest evaluation show.

    Attributes:
        step: Step of the latest losses, None where there were none.
        best_step: Step of the losses with the best mean.
        worst: Validation examples with the highest loss now, highest first.
        risen: Validation examples whose loss rose most since the best evaluation, largest rise first.
        classes: Classes by the change of their mean loss, largest rise first; empty without class numbers.
        mislabelled: Examples that look mislabelled, highest loss first. See `find_mislabelled`.
        membership: Whether losses tell train from validation at the latest evaluation.
    """

    step: int | None = None
    best_step: int | None = None
    worst: tuple[Example, ...] = ()
    risen: tuple[Example, ...] = ()
    classes: tuple[ClassRow, ...] = ()
    mislabelled: tuple[Example, ...] = ()
    membership: Membership | None = None


@final
class ExampleNames:
    """Class numbers and names of the examples, as far as somebody gave them.

    Attributes:
        labels: Class numbers by split.
        names: Names by split.
    """

    def __init__(self) -> None:
        self.labels: dict[str, Labels] = {}
        self.names: dict[str, tuple[str, ...]] = {}

    def describe(self, split: str, labels: Any, names: Iterable[object] | None) -> None:
        """Take in class numbers and names of a split, in the order of its losses; None leaves what is known.

        Raises:
            UsageError: The class numbers are no whole numbers.
        """
        if labels is not None:
            self.labels[split] = _labels(labels)
        if names is not None:
            self.names[split] = tuple(map(str, names))

    def labels_of(self, split: str, n: int) -> Labels | None:
        """Return the class numbers of the first n examples, None where they are not all known."""
        labels = self.labels.get(split)
        fitting = labels is not None and (len(labels) == n or (split == "train" and len(labels) > n))
        return labels[:n] if labels is not None and fitting else None

    def name(self, split: str, index: int) -> str | None:
        """Return the name of an example, None where it has none."""
        names = self.names.get(split, ())
        return names[index] if index < len(names) else None


def example_tables(
    examples: Examples, names: ExampleNames, *, membership: Membership | None = None, cross_entropy: bool = True
) -> ExampleTables:
    """Return the tables of what is kept.

    Args:
        examples: Losses of the best and of the latest evaluation.
        names: Class numbers and names.
        membership: What the latest losses tell about membership.
        cross_entropy: Whether the losses may be cross-entropies; if not, no example looks mislabelled.
    """
    latest, best = examples.latest, examples.best
    if latest is None or best is None:
        return ExampleTables()
    sign = -1.0 if examples.mode == "max" else 1.0
    now, before = sign * latest.val.astype(np.float64), None
    if latest is not best and len(latest.val) == len(best.val):
        before = sign * best.val.astype(np.float64)
    table = _Table(latest, best, names)
    labels = names.labels_of("val", len(now))
    return ExampleTables(
        step=latest.step,
        best_step=best.step,
        worst=table.rows("val", _highest(now)),
        risen=() if before is None else table.rows("val", _highest(now - before, above=0.0)),
        classes=() if labels is None else _classes(labels, now, before, sign),
        mislabelled=table.mislabelled() if cross_entropy and examples.mode == "min" else (),
        membership=membership,
    )


def find_mislabelled(losses: Array, labels: Labels) -> npt.NDArray[np.int64]:
    """Return the indices of the examples that look mislabelled, the highest loss first.

    Two things must hold of a cross-entropy measured when the model was best: it is above ``ln(classes)``, so that
    another class is more probable than the given one (as in confident learning, Northcutt, Jiang and Chuang 2021,
    JAIR 70), and it is far out among the losses of its class (more than three interquartile ranges above the upper
    quartile; Tukey 1977), so that it is not merely a hard class. Classes with fewer than 20 examples are compared
    with all examples. The fence holds while less than a quarter of a class is mislabelled. How many of those
    found are wrong, and how many of the wrong ones are found: docs/examples.md.

    Args:
        losses: Loss of each example, shape (n,).
        labels: Class number of each example, shape (n,).
    """
    classes, which = np.unique(labels, return_inverse=True)
    if len(classes) < 2 or len(losses) < FEWEST_IN_CLASS:
        return np.zeros(0, dtype=np.int64)
    fence = np.full(len(classes), _fence(losses))
    for number in np.flatnonzero(np.bincount(which) >= FEWEST_IN_CLASS):
        fence[number] = _fence(losses[which == number])
    found = np.flatnonzero(losses > np.maximum(fence[which], math.log(len(classes))))
    return found[np.argsort(-losses[found], kind="stable")]


@final
class _Table:
    def __init__(self, latest: Losses, best: Losses, names: ExampleNames) -> None:
        self._names = names
        self._latest = {"val": latest.val, "train": latest.probe}
        self._best = {"val": best.val, "train": best.probe}

    def rows(self, split: Literal["train", "val"], indices: Sequence[int]) -> tuple[Example, ...]:
        latest, best = self._latest[split], self._best[split]
        n = 0 if latest is None else len(latest)
        labels = self._names.labels_of(split, n)
        comparable = best is not None and (len(best) == n or split == "train")
        return tuple(
            Example(
                split=split,
                index=index,
                name=self._names.name(split, index),
                label=None if labels is None else int(labels[index]),
                loss=float(latest[index]),
                best_loss=float(best[index]) if best is not None and comparable and index < len(best) else None,
            )
            for index in indices
            if latest is not None and index < n
        )

    def mislabelled(self) -> tuple[Example, ...]:
        found: list[Example] = []
        splits: tuple[Literal["train", "val"], ...] = ("train", "val")
        for split in splits:
            losses = self._best[split]
            labels = None if losses is None else self._names.labels_of(split, len(losses))
            if losses is not None and labels is not None:
                found += self.rows(split, find_mislabelled(losses.astype(np.float64), labels).tolist())
        return tuple(sorted(found, key=lambda row: -(row.best_loss or row.loss))[: 2 * MOST])


def _highest(values: Array, *, above: float = -math.inf) -> list[int]:
    order = np.argsort(-values, kind="stable")[:MOST]
    return [int(index) for index in order if values[index] > above]


def _fence(losses: Array) -> float:
    lower, upper = np.quantile(losses, (0.25, 0.75))
    return float(upper + FAR_OUT * (upper - lower))


def _classes(labels: Labels, now: Array, before: Array | None, sign: float) -> tuple[ClassRow, ...]:
    classes, which = np.unique(labels, return_inverse=True)
    n = np.bincount(which)
    means = np.bincount(which, now) / n
    differences = np.zeros(len(now)) if before is None else now - before
    changes = np.bincount(which, differences) / n
    squares = np.bincount(which, (differences - changes[which]) ** 2)
    rows = []
    for number in np.lexsort((-means, -changes))[: 2 * MOST]:
        known = before is not None
        error = math.sqrt(squares[number] / (n[number] - 1) / n[number]) if known and n[number] > 1 else None
        rows.append(
            ClassRow(
                label=int(classes[number]),
                n=int(n[number]),
                loss=float(sign * means[number]),
                change=float(sign * changes[number]) if known else None,
                change_error=error,
            )
        )
    return tuple(rows)


def _labels(given: Any) -> Labels:
    try:
        plain = given.detach().cpu() if hasattr(given, "detach") else given
        labels = np.asarray(plain).reshape(-1)
        if labels.dtype.kind in "iub":
            return labels.astype(np.int64)
        with np.errstate(invalid="ignore"):  # NaN is no whole number either
            whole = labels.astype(np.int64)
        if np.array_equal(whole, labels):
            return whole
    except (TypeError, ValueError):
        pass
    raise UsageError(f"labels must be class numbers, one for each example, but got {str(given)[:60]!r}.")
