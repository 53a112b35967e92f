"""What each column of a log is taken for, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from overfit_monitor.readers.conventions import current
from overfit_monitor.readers.pairing import (
    Names,
    Place,
    heads,
    is_rate,
    is_whole_run,
    mode_of,
    pair,
    place,
    train_only,
    words_of,
)
from overfit_monitor.readers.table import plain_name
from overfit_monitor.records import Mode

Role = Literal["step", "train", "val", "rate", "split", "ignored", "unused"]


@dataclass(frozen=True, slots=True)
class Explained:
    """What one name was taken for.

    Attributes:
        name: Name of the column, key or tag.
        role: ``step``, ``train``, ``val``, ``rate``, ``split`` (says which split a row belongs to),
            ``ignored`` (known to be no curve) or ``unused``.
        metric: Metric it stands for, None where it stands for none.
        mode: ``min`` or ``max``, None where nothing tells.
        why: One sentence.
    """

    name: str
    role: Role
    metric: str | None
    mode: Mode | None
    why: str


def explain_names(names: Sequence[str], chosen: Names | None = None) -> tuple[Explained, ...]:
    """Return for each name what it is taken for and why, in the order given.

    Args:
        names: Names of columns, keys or tags as a log has them.
        chosen: What the user says is compared with what, None to go by the names.

    Raises:
        UsageError: A chosen name is not among them.

    Example:
        >>> [(one.name, one.role, one.metric) for one in explain_names(["epoch", "loss", "val_loss", "lr"])]
        [('epoch', 'step', None), ('loss', 'train', 'loss'), ('val_loss', 'val', 'loss'), ('lr', 'rate', None)]
    """
    places = chosen.places(names) if chosen else pair(names) or train_only(names)
    return tuple(_explained(name, places, chosen) for name in names)


def _explained(name: str, places: Mapping[str, Place], chosen: Names | None) -> Explained:
    where = places.get(name)
    if where is not None:
        return Explained(name, where.split, where.metric, mode_of(where.metric), _why(name, where, places, chosen))
    role, why = _left(name, places, chosen)
    return Explained(name, role, None, None, why)


def _why(name: str, where: Place, places: Mapping[str, Place], chosen: Names | None) -> str:
    if chosen is not None:
        return "chosen by --val or --train."
    other = next((n for n, p in places.items() if p.metric == where.metric and p.split != where.split), None)
    partner = f"compared with {other!r}" if other else "nothing to compare it with"
    known = current()
    word = next((word for word in (known.val if where.split == "val" else known.train) if word in words_of(name)), None)
    told = "a bare name, which is train" if where.split == "train" else f"matches {known.validated(name)!r}"
    partner = f"{told if word is None else f'{word!r} says so'}; {partner}"
    if where.metric in heads(places):
        partner += "; a part of the total 'loss'"
    return partner + ("." if mode_of(where.metric) else "; its name does not tell whether lower or higher is better.")


def _left(name: str, places: Mapping[str, Place], chosen: Names | None) -> tuple[Role, str]:
    known = current()
    if plain_name(name) in known.steps:
        return "step", "counts the rows, if its numbers are whole and tell the validation values apart."
    if plain_name(name) in known.index:
        return "step", "the index of a table; counts the rows if no other column does."
    if is_rate(name):
        return "rate", "called as a learning rate is."
    if plain_name(name) in known.splits:
        return "split", "says which split a row belongs to, if its cells do."
    return _no_curve(name, places, chosen)


def _no_curve(name: str, places: Mapping[str, Place], chosen: Names | None) -> tuple[Role, str]:
    pattern = current().ignored(name)
    if pattern is not None:
        return "ignored", f"matches {pattern!r}, which is no curve to compare."
    if chosen is not None:
        return "unused", "--val and --train name others."
    if is_whole_run(name):
        return "ignored", "Hugging Face's mean over the whole run, no curve."
    where = place(name)
    if where is not None:
        taken = next(n for n, p in places.items() if (p.split, p.metric) == (where.split, where.metric))
        return "unused", f"{taken!r} goes before it as {where.split} {where.metric}."
    return "unused", "no word in it says train or validation, and no validation metric has its name."
