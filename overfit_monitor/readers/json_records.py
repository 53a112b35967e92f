"""A list of records: Hugging Face's ``trainer_state.json`` and ``log_history``, one object an epoch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.json_file import clean_name, load, number
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.table import Table, looks_like_log

_NUMBER = re.compile(r'"([^"\\]{1,200})"\s*:\s*(?:-?\d|NaN|-?Infinity)')
_LOG_HISTORY = "log_history"
# Hugging Face ends its log with means over the whole run under the names of curves.
_SUMMARY = "train_runtime"


@final
@dataclass(frozen=True, slots=True)
class JsonRecords:
    """Reads ``[{"epoch": 1, "loss": 0.5, "eval_loss": 0.6}, ...]``, alone or under ``log_history``.

    Attributes:
        names: What the user says is compared with what, None to go by the keys.
    """

    names: Names | None = None
    name: str = "json-records"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether it is a trainer's state, or a list of objects with metrics begins in the head."""
        text = head.decode("utf-8-sig", "replace").lstrip()
        if path.name == "trainer_state.json" or (text.startswith("{") and f'"{_LOG_HISTORY}"' in text):
            return True
        return re.match(r"\[\s*{", text) is not None and looks_like_log(_NUMBER.findall(text), self.names)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run.

        Raises:
            UnreadableError: The file is cut off, or holds no records with numbers.
        """
        for path in paths:
            content = load(path)
            records = content.get(_LOG_HISTORY) if isinstance(content, dict) else content
            rows = (
                [_flat(record) for record in records if isinstance(record, dict) and _SUMMARY not in record]
                if isinstance(records, list)
                else []
            )
            names = list(dict.fromkeys(name for row in rows for name in row))
            if not names:
                raise UnreadableError(f"{path}: no list of records with numbers")
            table = Table(names, self.names)
            for row in rows:
                table.append([row.get(name) for name in table.wanted])
            yield Run(run_name(path, root), printable(path), table.close(), notes=table.notes)


def _records(content: Any) -> list[dict[str, Any]]:
    listed = content.get(_LOG_HISTORY) if isinstance(content, dict) else content
    return [record for record in listed if isinstance(record, dict)] if isinstance(listed, list) else []


def _flat(record: Mapping[str, Any], prefix: str = "") -> dict[str, float | None]:
    flat: dict[str, float | None] = {}
    for key, value in record.items():
        name = prefix + clean_name(key)
        if isinstance(value, dict) and not prefix:
            flat |= _flat(value, f"{name}/")
        elif (cell := number(value)) is not None:
            flat[name] = cell
    return flat
