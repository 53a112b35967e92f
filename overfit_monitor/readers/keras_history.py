"""A history of lists by name, as ``json.dump(history.history, file)`` writes it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.json_file import clean_name, load, number
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.table import Table, names_metric

_LIST_OF_NUMBERS = re.compile(r'"([^"\\]{1,200})"\s*:\s*\[\s*(?:-?\d|NaN|-?Infinity|null)')


@final
@dataclass(frozen=True, slots=True)
class KerasHistory:
    """Reads ``{"loss": [...], "val_loss": [...]}``, the lists possibly one level down: each such part is a run.

    Attributes:
        names: What the user says is compared with what, None to go by the keys.
    """

    names: Names | None = None
    name: str = "keras-history"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether a list of numbers under the name of a metric begins in the head."""
        text = head.decode("utf-8-sig", "replace").lstrip()
        if not text:
            return path.suffix.lower() == ".json"
        lists = _LIST_OF_NUMBERS.findall(text)
        chosen = self.names is not None and self.names.val in lists
        return text.startswith("{") and (chosen or any(names_metric(name) for name in lists))

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run, or as one for each part.

        Raises:
            UnreadableError: The file is cut off, or holds no list of numbers.
        """
        for path in paths:
            content = load(path)
            if not isinstance(content, dict):
                raise UnreadableError(f"{path}: line 1: no object with lists of numbers")
            parts = {"": content} | {f"/{clean_name(k)}": v for k, v in content.items() if isinstance(v, dict)}
            series = {key: lists for key, part in parts.items() if (lists := _lists(part))}
            if not series:
                raise UnreadableError(f"{path}: no list in it holds a number")
            for key, lists in series.items():
                yield self._run(run_name(path, root) + key, path, lists)

    def _run(self, name: str, path: Path, lists: Mapping[str, list[float | None]]) -> Run:
        table = Table(list(lists), self.names)
        for row in zip_longest(*(lists[name] for name in table.wanted)):
            table.append(row)
        lengths = {name: len(lists[name]) for name in table.places}
        uneven = ", ".join(f"{name!r} {length}" for name, length in lengths.items())
        notes = (f"the lists are not of one length: {uneven}.",) if len(set(lengths.values())) > 1 else ()
        return Run(name, printable(path), table.close(), notes=table.notes + notes)


def _lists(part: Mapping[str, Any]) -> dict[str, list[float | None]]:
    lists = {clean_name(name): values for name, values in part.items() if isinstance(values, list)}
    numbers = {name: [number(value) for value in values] for name, values in lists.items()}
    return {name: values for name, values in numbers.items() if any(value is not None for value in values)}
