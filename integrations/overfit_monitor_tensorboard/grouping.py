"""Which folders of a log form one run, and which of its curves are compared.

TensorBoard calls every folder with an event file a run. Some writers spread one
training run over several:

| written by | folders | names here |
|---|---|---|
| Keras | ``exp/train``, ``exp/validation`` | ``train/epoch_loss``, ``validation/epoch_loss`` |
| torch ``add_scalars("Loss", …)`` | ``exp/Loss_train``, ``exp/Loss_val`` | ``Loss_train/Loss``, ``Loss_val/Loss`` |
| this package | ``exp``, ``exp/overfit-monitor`` | as they are, ``overfit-monitor/overfit/val`` |
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any, NamedTuple

from overfit_monitor.metrics import direction
from overfit_monitor.readers.pairing import (
    Names,
    Place,
    heads,
    heads_note,
    pair,
    place,
    split_of,
    words_of,
)
from overfit_monitor_tensorboard.alerts import AlertState
from overfit_monitor_tensorboard.names import PREFIX, SUB_FOLDER, TRAIN_TAG, VAL_TAG

ROOT = "."
_UNNAMED = "loss"
_ITSELF = "/."  # what TensorBoard appends to the name of a folder of --logdir_spec for the files right in it


class Curve(NamedTuple):
    """One scalar curve of a run.

    Attributes:
        folder: The folder TensorBoard calls a run.
        tag: Its tag there.
        label: Its name in the run as a whole; what pairing goes by.
    """

    folder: str
    tag: str
    label: str


class Group(NamedTuple):
    """One training run: its name, its curves sorted by label, and the folders it is spread over."""

    name: str
    curves: tuple[Curve, ...]
    folders: tuple[str, ...]


class Choice(NamedTuple):
    """Which curves are compared.

    Attributes:
        places: Split and metric by label.
        settings: Settings for the monitor, where our own records tell them.
        notes: Remarks on how the curves were understood.
    """

    places: dict[str, Place]
    settings: dict[str, Any]
    notes: tuple[str, ...] = ()


def group(tags: Mapping[str, Iterable[str]]) -> list[Group]:
    """Return the runs that these folders form, sorted by name.

    Args:
        tags: Tags of the scalar curves by folder, relative to the log's root (``.``), with ``/``.
    """
    known = {folder: sorted(names) for folder, names in tags.items()}
    folders: dict[str, list[str]] = {}
    members: dict[str, dict[str, Curve]] = {}
    for folder in sorted(known):
        home = _home(folder, known)
        folders.setdefault(home, []).append(folder)
        curves = members.setdefault(home, {})
        for tag in known[folder]:
            label = _label(folder, home, tag, curves)
            curves[label] = Curve(folder, tag, label)
    return [
        Group(name, tuple(curves[label] for label in sorted(curves)), tuple(folders[name]))
        for name, curves in sorted(members.items())
    ]


def apart(folders: Iterable[str]) -> list[list[str]]:
    """Return folders in lists of which each gives runs of its own, by their names alone: those of all in their order.

    Args:
        folders: Folders as in `group`.
    """
    below: dict[str, list[str]] = {}
    for folder in sorted(folders):
        below.setdefault(folder.partition("/")[0], []).append(folder)
    if any(map(_may_be_part, below)):
        return [[folder for found in below.values() for folder in found]]
    lists: list[list[str]] = []
    before: list[str] = []
    for top in sorted(below):
        # Of `a`, `a-b` and `a/c`, the runs in `a` lie on both sides of the one in `a-b`.
        if any(top.startswith(other) and top[len(other)] < "/" for other in before):
            lists[-1] += below[top]
            before.append(top)
        else:
            lists.append(below[top])
            before = [top]
    return lists


def choose_curves(curves: Iterable[Curve], state: AlertState | None, names: Names | None = None) -> Choice:
    """Choose what is compared: the run's own train and validation curves, or else those that we wrote.

    Args:
        curves: The curves of one run.
        state: Its alert state, None where there is none.
        names: The user's own choice of labels, which goes before everything.

    Raises:
        UsageError: A chosen label is not in the run.
    """
    given = list(curves)
    metric = state.metrics.val if state else None
    settings: dict[str, Any] = {}
    if state is not None and metric is not None:
        settings = {"metric": metric, "mode": state.metrics.mode} | state.replayed_with()
    tags = {curve.label: curve.tag for curve in given}
    if names is not None:
        places = names.places(tags)
        if tags[names.val] != VAL_TAG:
            return Choice(places, {})
        return Choice(_called(places, metric or _UNNAMED), settings)
    others = [label for label, tag in tags.items() if not tag.startswith(PREFIX)]
    chosen = pair(others) or _train_only(others)
    metrics = {split: {p.metric for p in chosen.values() if p.split == split} for split in ("train", "val")}
    if metrics["train"] & metrics["val"] or VAL_TAG not in tags.values():
        parts = heads(chosen)
        known = metric in metrics["val"] or (metric == "loss" and parts)
        return Choice(chosen, settings if known else {}, (heads_note(parts),) if parts else ())
    ours = {label: Place("train", "", 0) for label, tag in tags.items() if tag == TRAIN_TAG}
    ours |= {label: Place("val", "", 0) for label, tag in tags.items() if tag == VAL_TAG}
    return Choice(_called(ours, metric or _UNNAMED), settings)


def _train_only(labels: Iterable[str]) -> dict[str, Place]:
    """Return the first curve with a metric's name, so that a run without validation can be shown."""
    named = (label for label in labels if direction("_".join(words_of(label))))
    return {label: Place("train", label, 0) for label in islice(named, 1)}


def _called(places: Mapping[str, Place], metric: str) -> dict[str, Place]:
    return {label: where._replace(metric=metric) for label, where in places.items()}


def _home(folder: str, tags: Mapping[str, list[str]]) -> str:
    if folder.endswith(_ITSELF):
        return folder.removesuffix(_ITSELF)
    parent, _, last = folder.rpartition("/")
    if folder == ROOT or not (last == SUB_FOLDER or _is_part(last, tags[folder])):
        return folder
    parent = parent or ROOT
    return _home(parent, tags) if tags.get(parent) else parent


def _is_part(folder: str, tags: list[str]) -> bool:
    split = split_of(folder)
    if split is not None:
        # A folder that holds both splits is a run that happens to be called `train` or `test`.
        return all(where is None or where.split == split for where in map(place, tags))
    heads = (tag.replace("/", "_") + "_" for tag in tags)
    return any(folder.startswith(head) and place(folder.removeprefix(head)) is not None for head in heads)


def _may_be_part(folder: str) -> bool:
    """Return whether a folder can be a part of the run above it, whatever tags it holds; see `_is_part`."""
    ends = (folder[at + 1 :] for at, letter in enumerate(folder) if letter == "_")
    return folder == SUB_FOLDER or split_of(folder) is not None or any(place(end) is not None for end in ends)


def _label(folder: str, home: str, tag: str, taken: Mapping[str, Curve]) -> str:
    if folder.removesuffix(_ITSELF) == home:
        return tag
    below = folder if home == ROOT else folder.removeprefix(home + "/")
    # `train/train_loss` would read as Hugging Face's mean over a whole run; the tag alone says it all.
    plain = place(tag) is not None and split_of(below) is not None and tag not in taken
    return tag if plain else f"{below}/{tag}"
