"""Records of which each tells in a cell what it is about: the split, or the name of the metric."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, final

from overfit_monitor.readers.conventions import current
from overfit_monitor.readers.json_file import number
from overfit_monitor.readers.lines import number_of
from overfit_monitor.readers.pairing import is_rate, place, split_of
from overfit_monitor.readers.table import plain_name

# Comet, Aim, TensorBoard's data frames and pandas' melt; compared as `plain_name` writes them.
NAME_COLUMNS: Final = ("metricname", "metric_name", "metric.name", "metric", "tag", "variable", "name", "key")
VALUE_COLUMNS: Final = ("metricvalue", "metric_value", "metric.value", "value")
RUN_COLUMNS: Final = (
    "run",
    "run_name",
    "run.name",
    "run_id",
    "run.hash",
    "run_hash",
    "experimentkey",
    "experiment_key",
)


@final
class LongForm:
    """Which columns of a record tell what the others are about.

    Args:
        names: Names of the columns.
    """

    def __init__(self, names: Collection[str]) -> None:
        plain = {plain_name(name): name for name in names}
        self.split = _of(current().splits, plain)
        self.name = _of(NAME_COLUMNS, plain)
        self.value = _of(VALUE_COLUMNS, plain)
        self.run = _of(RUN_COLUMNS, plain) if self.by_metric else None
        self._steps = {plain[step] for step in (*current().steps, *current().index) if step in plain}

    @property
    def by_metric(self) -> bool:
        """Whether the name of a metric stands in a cell and its value in another."""
        return self.name is not None and self.value is not None

    def tells(self, record: Mapping[str, Any]) -> bool:
        """Return whether this record is one that says what it is about."""
        told = self.split is not None and _split(record.get(self.split)) is not None
        return told or (self.by_metric and isinstance(record.get(self.name or ""), str))

    def row(self, record: Mapping[str, Any]) -> dict[str, float]:
        """Return the numbers of a record under names that say split and metric (``train/loss``)."""
        split = _split(record.get(self.split)) if self.split is not None else None
        row: dict[str, float] = {}
        for name, cell in record.items():
            value = _number(cell)
            if value is None or (self.by_metric and name not in (self.value, *self._steps)):
                continue
            if self.by_metric and name == self.value:
                told = str(record.get(self.name or ""))
                row[_under(split, told)] = value
            elif name in self._steps or is_rate(name):
                row[name] = value
            else:
                row[_under(split, name)] = value
        return row


def _under(split: str | None, name: str) -> str:
    return f"{split}/{name}" if split and place(name) is None else name


def _of(wanted: Collection[str], plain: Mapping[str, str]) -> str | None:
    return next((plain[name] for name in wanted if name in plain), None)


def _split(cell: Any) -> str | None:
    return split_of(cell) if isinstance(cell, str) else None


def _number(cell: Any) -> float | None:
    if not isinstance(cell, str):
        return number(cell)
    return number_of(cell.strip().removesuffix("%"))
