"""Whatever a training leaves behind, as diagnoses: objects of frameworks, tables, lists and files."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from os import PathLike, fspath
from typing import Any, NamedTuple, final

from overfit_monitor.errors import UnreadableError, UsageError
from overfit_monitor.examination import diagnose_run
from overfit_monitor.facts import Facts
from overfit_monitor.facts_file import completed
from overfit_monitor.readers import Run, read_runs
from overfit_monitor.readers.pairing import Names, is_rate
from overfit_monitor.readers.table import Table
from overfit_monitor.records import Diagnosis

Cells = Mapping[str, Sequence[Any]]

PANDAS_EMPTY = "NAType"
# Hugging Face ends its log with means over the whole run under the names of curves.
_SUMMARY = "train_runtime"
_WHAT_IS_TAKEN = (
    "a Keras History, a mapping of names to lists, a list of records, a table with columns, a path, a Diagnosis, "
    "or an object with a diagnosis"
)


@final
@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a history, beside what makes it fail.

    Attributes:
        train: Name of the train column, as in the history.
        val: Name of the validation column, None to go by the names.
        facts: What is known of model, optimizer and data.
        settings: Fields of `MonitorConfig`.
    """

    train: str | None = None
    val: str | None = None
    facts: Facts | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)

    def names(self) -> Names | None:
        """Return the columns that were named, None for none.

        Raises:
            UsageError: A train column is named alone, or a metric beside the columns.
        """
        if self.val is None and self.train is not None:
            raise UsageError("train needs val: the validation metric is what is judged.")
        if self.val is not None and self.settings.get("metric") is not None:
            raise UsageError("metric cannot go together with val, which names it already.")
        return None if self.val is None else Names(val=self.val, train=self.train)


class Answer(NamedTuple):
    """One run of a history.

    Attributes:
        diagnosis: What is said of it.
        hint: What to add where it had no validation metric.
    """

    diagnosis: Diagnosis
    hint: str = ""


def diagnosed(history: Any, question: Question) -> list[Answer]:
    """Return the diagnosis of each run in a history.

    Args:
        history: Anything that `overfit_monitor_pytest.assert_generalizes` takes.
        question: What is asked of it.

    Raises:
        UsageError: The history is none, or what is asked cannot be right.
        UnreadableError: A file could not be read; what else there is in a folder does not make up for it.
    """
    told = history if isinstance(history, Diagnosis) else getattr(history, "diagnosis", None)
    if told is not None or hasattr(history, "diagnosis"):
        return [Answer(_given(told, question))]
    if isinstance(history, str | PathLike):
        return [_answer(run, question) for run in _read(fspath(history), question)]
    cells = _cells(history, question)
    return [_answer(_run(cells, question), question, seen=cells)]


def _given(told: Any, question: Question) -> Diagnosis:
    if not isinstance(told, Diagnosis):
        raise UsageError(f"nothing was watched yet: diagnosis is {told!r}.")
    if question != Question():
        raise UsageError("a diagnosis is judged as it is: train, val, facts and settings go with a history.")
    return told


def _read(path: str, question: Question) -> list[Run]:
    runs, problems = read_runs([path], names=question.names())
    if problems:
        raise UnreadableError("; ".join(f"{problem.source}: {problem.message}" for problem in problems))
    return runs


def _answer(run: Run, question: Question, *, seen: Collection[str] = ()) -> Answer:
    known = Run(run.name, run.source, run.observations, run.settings, _facts(run, question), run.notes)
    diagnosis = diagnose_run(known, question.settings)
    named = {"run": run.name or None, "source": run.source or None}
    hint = f"; the history has {', '.join(map(repr, seen)) or 'no columns'}" if not run.source else ""
    return Answer(diagnosis.model_copy(update=named), hint)


def _facts(run: Run, question: Question) -> Facts:
    return run.facts if question.facts is None else completed(run.facts, question.facts)


def _cells(history: Any, question: Question) -> Cells:
    inner = getattr(history, "history", None)
    if isinstance(inner, Mapping):  # Keras
        return _lists(inner)
    if isinstance(history, Mapping):
        return _lists(history)
    records = getattr(getattr(history, "state", history), "log_history", history)  # Hugging Face
    if isinstance(records, Sequence) and records and all(isinstance(record, Mapping) for record in records):
        return _of_records(records)
    names = getattr(history, "column_names", getattr(history, "columns", None))
    if names is not None and hasattr(history, "__getitem__"):
        return _without_gaps({str(name): _plain(history[name]) for name in names}, question)
    raise UsageError(f"history must be {_WHAT_IS_TAKEN}, but got {type(history).__name__}.")


def _lists(mapping: Mapping[Any, Any]) -> Cells:
    return {str(name): _plain(values) for name, values in mapping.items() if _is_column(values)}


def _is_column(values: Any) -> bool:
    return hasattr(values, "__iter__") and not isinstance(values, str | bytes | Mapping)


def _plain(values: Any) -> list[Any]:
    """Return the cells of a column: pyarrow's are no numbers by themselves."""
    return list(values.to_pylist() if hasattr(values, "to_pylist") else values)


def _of_records(records: Iterable[Mapping[Any, Any]]) -> Cells:
    rows = [record for record in records if _SUMMARY not in record]
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return {name: [row.get(name) for row in rows] for name in names}


def _run(cells: Cells, question: Question) -> Run:
    table = Table(list(cells), question.names())
    columns = [[_number(cell, name) for cell in cells[name]] for name in table.wanted]
    for row in zip_longest(*columns):
        table.append(row)
    lengths = {name: len(cells[name]) for name in table.places}
    told = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
    notes = (f"the lists are not of one length: {told}.",) if len(set(lengths.values())) > 1 else ()
    return Run("", "", table.close() if table.wanted else (), notes=table.notes + notes)


def _number(cell: Any, name: str) -> float | None:
    if cell is None:
        return None
    try:
        return float(cell)
    except (TypeError, ValueError, RuntimeError):  # a tensor that is no number raises the last
        raise UsageError(f"column {name!r} must hold numbers but has {str(cell)[:60]!r}.") from None


def _without_gaps(cells: Cells, question: Question) -> Cells:
    """Return a table in which an empty cell is None: a table of floats holds NaN there.

    A split is logged as a whole or not at all. So NaN is an empty cell where its split has no number in that row,
    unless the row has none at all but its step: a run whose losses became NaN looks like that.
    """
    table = Table(list(cells), question.names())
    splits = {name: where.split for name, where in table.places.items()}
    rates = [name for name in cells if is_rate(name)]
    height = max((len(values) for values in cells.values()), default=0)
    if _SUMMARY in cells:
        kept = [row for row in range(height) if _empty(cells[_SUMMARY][row])]
        cells, height = {name: [values[row] for row in kept] for name, values in cells.items()}, len(kept)
    whole = {name: list(values) for name, values in cells.items()}
    for row in range(height):
        told = {splits[name] for name in splits if not _empty(cells[name][row])}
        blank = not told and all(_empty(cells[name][row]) for name in rates)
        for name, values in whole.items():
            if _empty(values[row]) and (name not in splits or (splits[name] not in told and not blank)):
                values[row] = None
    return whole


def _empty(cell: Any) -> bool:
    return cell is None or (isinstance(cell, float) and math.isnan(cell)) or type(cell).__name__ == PANDAS_EMPTY
