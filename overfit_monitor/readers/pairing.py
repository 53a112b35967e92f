"""Which names are train and which are validation, and of which metric.

For columns and tags alike, by the table of `overfit_monitor.readers.conventions`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache
from typing import Literal, NamedTuple

from overfit_monitor.columns import Column, Columns, as_points, merged, over, summed
from overfit_monitor.errors import UsageError, unknown_name
from overfit_monitor.metrics import direction
from overfit_monitor.readers.conventions import Conventions, current
from overfit_monitor.records import Mode

Split = Literal["train", "val"]
Points = Iterable[tuple[int, float]]

# A log may have a million columns; only names met again and again are worth keeping.
_KEPT_NAMES = 4096


class Place(NamedTuple):
    """What a name stands for.

    Attributes:
        split: ``train`` or ``val``.
        metric: Name of the metric, the same for both splits.
        rank: Lower is preferred where several names claim the same place.
    """

    split: Split
    metric: str
    rank: int


def place(name: str) -> Place | None:
    """Return what a name stands for by itself, None where it does not name a split.

    Example:
        >>> place("val_loss"), place("Loss/train"), place("train/epoch_loss")
        (Place(split='val', metric='loss', rank=0), Place(split='train', metric='loss', rank=0), \
Place(split='train', metric='loss', rank=0))
        >>> place("loss") is None
        True
    """
    return None if is_whole_run(name) else _place(name, current())


@lru_cache(_KEPT_NAMES)
def _place(name: str, known: Conventions) -> Place | None:
    if known.ignored(name):
        return None
    words = words_of(name)
    found = _split_of(words, known)
    if found is None:
        return Place("val", metric_of(words[1:], known), 0) if known.validated(name) else None
    split, rank = found
    return Place(split, metric_of(words, known) or "loss", 2 * rank + ("step" in words))


def metric_of(words: Iterable[str], known: Conventions | None = None) -> str:
    """Return the metric that words name, without those that say a split or nothing."""
    known = known or current()
    split = {*known.train, *known.val}
    metric = "_".join(dict.fromkeys(word for word in words if word not in split and word not in known.fillers))
    for pattern, alias in known.phrases:
        metric = pattern.sub(alias, metric)
    return metric


def is_whole_run(name: str) -> bool:
    """Return whether it is Hugging Face's mean over the whole run, ``train/train_loss``, and not a curve."""
    return name.strip().lower() == "train/train_loss"


def words_of(name: str) -> list[str]:
    """Return the words a name is made of, in lower case and in the singular.

    Example:
        >>> words_of("trainLoss"), words_of("Val Losses"), words_of("metrics/mAP50")
        (['train', 'loss'], ['val', 'loss'], ['metrics', 'map50'])
    """
    aliases = current().aliases
    # Two lower-case letters before the capital, so that mAP and rMSE stay one word.
    spread = re.sub(r"(?<=[a-z]{2})(?=[A-Z])", " ", name.strip())
    return [aliases.get(word, word) for word in re.split(r"[\s/_.\-|:()]+", spread.lower()) if word]


def split_of(word: str) -> Split | None:
    """Return the split that a word alone names, as a folder or a cell may be called."""
    known, plain = current(), word.strip().lower()
    return "val" if plain in known.val else "train" if plain in known.train else None


def is_rate(name: str) -> bool:
    """Return whether a name is that of a learning rate (``lr``, ``lr-Adam``, ``lr/pg0``, ``Learning Rate``)."""
    known = current()
    words = [word for word in words_of(name) if word not in known.train]
    return any(rate <= set(words[: len(rate)]) for rate in known.rate_words)


def mode_of(metric: str) -> Mode | None:
    """Return the direction of a metric as the project says it, or else as its name tells it."""
    return current().directions.get(metric.lower()) or direction(metric)


class Names(NamedTuple):
    """The user's own choice of what is compared with what, instead of `pair`.

    Attributes:
        val: Name of the validation column or tag.
        train: Name of the train column or tag, None for none.
    """

    val: str
    train: str | None = None

    def places(self, seen: Collection[str]) -> dict[str, Place]:
        """Return the places of the chosen names, as `pair` does for all.

        Raises:
            UsageError: A name is not among those seen.
        """
        for name in (self.val, self.train):
            if name is not None and name not in seen:
                raise UsageError(unknown_name("name", name, seen))
        told = place(self.val)
        metric = told.metric if told else self.val
        places = {} if self.train is None else {self.train: Place("train", metric, 0)}
        return places | {self.val: Place("val", metric, 0)}


def pair(names: Iterable[str]) -> dict[str, Place]:
    """Return the places of all names that take part in a train/validation comparison.

    A bare name (``loss``) is the train side of a metric whose validation side is
    there. Where several names claim the same place, the one with the lowest rank
    has it. Of the several validation sets of Hugging Face (`several_sets`), the first
    is compared with the one training loss.
    """
    known = current()
    seen = list(names)
    placed = {name: where for name in seen if (where := place(name))}
    val_metrics = {where.metric for where in placed.values() if where.split == "val"}
    trained = {where.metric for where in placed.values() if where.split == "train"}
    for name in seen:
        if name in placed or known.ignored(name):
            continue
        bare = metric_of(words_of(name), known)
        if bare in val_metrics - trained and (not is_whole_run(name) or _doubled(placed)):
            placed[name] = Place("train", bare, 0)
    if "loss" in seen and "loss" not in placed and (sets := several_sets(seen)):
        first = placed[sets[0]]
        placed = {sets[0]: first, "loss": Place("train", first.metric, 0)} | placed
    best: dict[tuple[Split, str], str] = {}
    for name, where in placed.items():
        key = (where.split, where.metric)
        if key not in best or where.rank < placed[best[key]].rank:
            best[key] = name
    return {name: placed[name] for name in best.values()}


def several_sets(names: Collection[str]) -> list[str]:
    """Return the losses on each validation set where Hugging Face's trainer had several: ``eval_NAME_loss``.

    It writes how long each took beside it, which tells them from the parts of one loss
    (https://huggingface.co/docs/transformers/main_classes/trainer, ``eval_dataset``).
    """
    taken = (name.removesuffix("_loss") for name in names if name.startswith("eval_") and name.endswith("_loss"))
    return [f"{one}_loss" for one in taken if one != "eval" and f"{one}_runtime" in names]


def train_only(names: Iterable[str]) -> dict[str, Place]:
    """Return the metrics of known direction as train, for a log in which nothing says train or validation."""
    known = current()
    named = {name: metric_of(words_of(name), known) for name in names if not known.ignored(name) and not is_rate(name)}
    return {name: Place("train", metric, 0) for name, metric in named.items() if metric and mode_of(metric)}


def heads(places: Mapping[str, Place]) -> tuple[str, ...]:
    """Return the metrics whose sum is the loss, where a run logs several losses and no total.

    YOLO does: ``box_loss``, ``cls_loss``, ``dfl_loss``. Empty where there is a total, fewer
    than two parts, or a part that is not on both sides.
    """
    parts: dict[Split, list[str]] = {"train": [], "val": []}
    for where in places.values():
        if where.metric == "loss" or where.metric.endswith("_loss"):
            parts[where.split].append(where.metric)
    together = parts["val"]
    same = set(together) == set(parts["train"]) and "loss" not in together
    return tuple(together) if same and len(together) > 1 else ()


def heads_note(parts: Collection[str]) -> str:
    """Return the remark that belongs to a loss made by `with_total`."""
    *others, last = parts
    return f"no total loss was logged: 'loss' is the sum of {', '.join(others)} and {last}."


def with_total(metrics: dict[str, float], parts: Collection[str]) -> dict[str, float]:
    """Return the metrics with ``loss`` added, where all parts of it are there."""
    if parts and all(name in metrics for name in parts):
        return metrics | {"loss": sum(metrics[name] for name in parts)}
    return metrics


def merge(series: Mapping[str, Points], *, places: Mapping[str, Place] | None = None) -> Columns:
    """Merge named series of (step, value) into observations in the order of their steps.

    Args:
        series: Points by column or tag; steps of one series in the order in which they were logged.
        places: What the names stand for; None asks `pair`.

    Returns:
        One observation for each step, holding what was logged at that step, with the total of
        the `heads` of a loss. A restart inside the series (the step goes back) preempts what
        was logged at or after that step before.
    """
    chosen = pair(series) if places is None else places
    steps, columns = merged({name: as_points(series[name]) for name in chosen})
    rate = next((name for name in series if is_rate(name)), None)
    parts = heads(chosen)
    return Columns(
        steps,
        with_total_column(_of("train", chosen, columns), parts),
        with_total_column(_of("val", chosen, columns), parts),
        None if rate is None else over(steps, as_points(series[rate])),
    )


def with_total_column(columns: dict[str, Column], parts: Collection[str]) -> dict[str, Column]:
    """Return columns by metric with ``loss`` added, the sum of all its parts where they are there."""
    if parts and all(name in columns for name in parts):
        return columns | {"loss": summed([columns[name] for name in parts])}
    return columns


def _of(split: Split, places: Mapping[str, Place], columns: Mapping[str, Column]) -> dict[str, Column]:
    return {where.metric: columns[name] for name, where in places.items() if where.split == split}


def _split_of(words: Collection[str], known: Conventions) -> tuple[Split, int] | None:
    for rank, word in enumerate(known.val):
        if word in words:
            return "val", rank
    return None if set(known.train).isdisjoint(words) else ("train", 0)


def _doubled(names: Iterable[str]) -> bool:
    """Return whether validation is grouped twice too (``val/val_loss``), and so no whole run's mean."""
    known = set(current().val)
    return any(len(words := words_of(name)) > 2 and words[0] == words[1] in known for name in names)
