"""The shapes in which a history is kept in JSON, each brought to rows of numbers by name."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.json_file import clean_name, loads, number
from overfit_monitor.readers.long_form import LongForm
from overfit_monitor.readers.pairing import split_of
from overfit_monitor.readers.rows import Row
from overfit_monitor.readers.table import looks_like_log

LOG_HISTORY = "log_history"
# Hugging Face ends its log with means over the whole run under the names of curves.
_SUMMARY = "train_runtime"
_COUNTED = re.compile(r"(?:epoch|step|iter)?[ _-]?(\d{1,15})", re.IGNORECASE)
_DEEPEST = 3
_OBJECTS = re.compile(r'"([^"\\]{1,40})"\s*:\s*{')


class Part(NamedTuple):
    """One run in a JSON file.

    Attributes:
        name: What is added to the name of the file; empty where the file is one run.
        rows: Numbers by name.
        notes: What is odd about it.
    """

    name: str
    rows: Sequence[Row]
    notes: tuple[str, ...] = ()


def parts_of(content: Any) -> list[Part]:
    """Return the runs in the content of a JSON file, none where it holds no history."""
    return [part for part in _parts(content, "", 0) if part.rows]


def holds_log(text: str) -> bool:
    """Return whether the beginning of a JSON file holds a history whose names say their split one level up.

    Only text in which both splits are the names of objects is looked at.
    """
    if not {"train", "val"} <= {split_of(name) for name in _OBJECTS.findall(text)}:
        return False
    try:
        content, _ = loads(text, parts=True)
    except UnreadableError:
        return False
    return any(map(_is_log, parts_of(content)))


def _parts(content: Any, name: str, depth: int) -> Iterator[Part]:
    if isinstance(content, list):
        yield from _records(content, name)
    elif isinstance(content, dict):
        yield from _of_object(content, name, depth)


def _of_object(content: Mapping[str, Any], name: str, depth: int) -> Iterator[Part]:
    if isinstance(content.get(LOG_HISTORY), list):
        yield from _records(content[LOG_HISTORY], name)
        return
    if isinstance(content.get("columns"), list) and isinstance(content.get("data"), list):
        yield Part(name, _framed(content["columns"], content["data"]))
        return
    inner = {clean_name(key): value for key, value in content.items() if isinstance(value, dict)}
    splits = {key for key in inner if split_of(key)}
    if {split_of(key) for key in splits} == {"train", "val"}:
        lists = {f"{key}/{name}": v for key in splits for name, v in inner.pop(key).items() if isinstance(v, list)}
        content = {**content, **lists}
    told = _lists(content)
    if told:
        yield _of_lists(content, told, name)
    elif (rows := _counted(inner)) is not None:
        yield Part(name, rows)
        return
    for key, value in content.items():
        if isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield from (part for part in _records(value, f"{name}/{clean_name(key)}") if _is_log(part))
    if depth < _DEEPEST:
        for key, part in inner.items():
            yield from _parts(part, f"{name}/{key}", depth + 1)


def _is_log(part: Part) -> bool:
    return looks_like_log({name for row in part.rows for name in row})


def _of_lists(content: Mapping[str, Any], lists: Mapping[str, list[float | None]], name: str) -> Part:
    rows = [dict(zip(lists, row, strict=True)) for row in zip_longest(*lists.values())]
    lengths = {key: len(values) for key, values in lists.items()}
    lengths |= {clean_name(key): 0 for key, value in content.items() if value == []}
    if len(set(lengths.values())) == 1:
        return Part(name, rows)
    uneven = ", ".join(f"{key!r} {length}" for key, length in lengths.items())
    return Part(name, rows, (f"the lists are not of one length: {uneven}.",))


def _lists(part: Mapping[str, Any]) -> dict[str, list[float | None]]:
    lists = {clean_name(name): values for name, values in part.items() if isinstance(values, list)}
    numbers = {name: [number(value) for value in values] for name, values in lists.items()}
    return {name: values for name, values in numbers.items() if any(value is not None for value in values)}


def _records(listed: Sequence[Any], name: str) -> Iterator[Part]:
    """Yield the run that a list of objects is, or one for each run that they name."""
    flat = [_flat(record) for record in listed if isinstance(record, dict) and _SUMMARY not in record]
    form = LongForm(dict.fromkeys(key for record in flat for key in record))
    if not any(map(form.tells, flat)):
        rows: list[Row] = [
            {key: n for key, value in record.items() if (n := number(value)) is not None} for record in flat
        ]
        yield Part(name, [row for row in rows if row])
        return
    by_run: dict[str, list[Row]] = {}
    for record in flat:
        run = record.get(form.run) if form.run else None
        by_run.setdefault("" if run is None else str(run), []).append(form.row(record))
    for run, told in by_run.items():
        yield Part(f"{name}/{run}" if run and len(by_run) > 1 else name, [row for row in told if row])


def flat_record(record: Mapping[str, Any]) -> Row:
    """Return the numbers of one record by name, with what it says it is about in the names.

    Empty for the means over a whole run with which Hugging Face ends its log.
    """
    if _SUMMARY in record:
        return {}
    flat = _flat(record)
    form = LongForm(flat)
    if form.tells(flat):
        return form.row(flat)
    return {key: n for key, value in flat.items() if (n := number(value)) is not None}


def _flat(record: Mapping[str, Any], prefix: str = "", depth: int = 0) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = prefix + clean_name(key)
        if isinstance(value, dict):
            flat |= _flat(value, f"{name}/", depth + 1) if depth < _DEEPEST else {}
        elif isinstance(value, str) or number(value) is not None:
            flat[name] = clean_name(value) if isinstance(value, str) else value
    return flat


def _framed(columns: Sequence[Any], data: Sequence[Any]) -> list[Row]:
    """Return the rows of a data frame written with its columns apart (pandas, W&B)."""
    names = [clean_name(str(name)) for name in columns]
    rows = [dict(zip(names, row, strict=False)) for row in data if isinstance(row, list)]
    return [row for record in rows if (row := flat_record(record))]


def _counted(inner: Mapping[str, Mapping[str, Any]]) -> list[Row] | None:
    """Return the rows of ``{"1": {"loss": …}}`` and of ``{"loss": {"1": …}}``, None for anything else."""
    if not inner:
        return None
    if (steps := _steps(inner)) is not None:
        return [{"epoch": float(step), **flat_record(inner[key])} for key, step in steps.items()]
    by_step: dict[int, dict[str, float | None]] = {}
    for name, values in inner.items():
        steps = _steps(values)
        if steps is None or not values:
            return None
        for key, step in steps.items():
            by_step.setdefault(step, {"epoch": float(step)})[name] = number(values[key])
    return [by_step[step] for step in sorted(by_step)]


def _steps(keys: Mapping[str, Any]) -> dict[str, int] | None:
    told = {key: _COUNTED.fullmatch(key) for key in keys}
    return {key: int(match[1]) for key, match in told.items() if match} if all(told.values()) else None
