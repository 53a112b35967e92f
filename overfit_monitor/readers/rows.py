"""From rows of numbers by name to a run: what every reader of records shares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from overfit_monitor.readers.base import Run
from overfit_monitor.readers.pairing import Names, Place
from overfit_monitor.readers.table import Table

Row = Mapping[str, float | None]


def run_of_rows(
    rows: Sequence[Row], names: Names | None, *, name: str, source: str, notes: tuple[str, ...] = ()
) -> Run:
    """Return the run that rows of numbers make.

    Args:
        rows: Numbers by name; a name need not be in every row.
        names: What the user says is compared with what, None to go by the names in the rows.
        name: Name of the run.
        source: File it was read from.
        notes: What was wrong with the file.

    Raises:
        UnreadableError: More names look like metrics than anyone logs.
        UsageError: A chosen name is in no row.
    """
    labels = tuple(dict.fromkeys(key for row in rows for key in row))
    table = Table(labels, names)
    for row in rows:
        table.append([row.get(key) for key in table.wanted])
    table.close()
    notes = table.notes + lonely(table.places) + notes
    return Run(name, source, table, notes=notes, places=table.places, labels=labels)


def lonely(places: Mapping[str, Place]) -> tuple[str, ...]:
    """Return a remark where train and validation share no metric, so that nothing is compared, or only one of many."""
    if "loss" in places and (metric := places["loss"].metric) != "loss":
        sets = [name for name, where in places.items() if where.split == "val" and where.metric.endswith("_loss")]
        first = next(name for name in sets if places[name].metric == metric)
        return (f"'loss' is compared with {first!r}, the first of {len(sets)} validation set(s); --val takes another.",)
    by_split = {split: {w.metric: n for n, w in places.items() if w.split == split} for split in ("train", "val")}
    train, val = by_split["train"], by_split["val"]
    if not train or not val or train.keys() & val.keys():
        return ()
    alone = next(iter(train.values())), next(iter(val.values()))
    return (f"no metric has both sides: {alone[0]!r} is train only, {alone[1]!r} validation only.",)
