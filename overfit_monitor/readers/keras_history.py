"""A history by name, as ``json.dump(history.history, file)`` writes it, and other objects of numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run
from overfit_monitor.readers.json_file import beginning, load
from overfit_monitor.readers.json_records import NUMBER
from overfit_monitor.readers.json_runs import runs_in
from overfit_monitor.readers.json_shapes import holds_log
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.table import looks_like_log, names_metric

_LIST_OF_NUMBERS = re.compile(r'"([^"\\]{1,200})"\s*:\s*\[\s*(?:-?\d|NaN|-?Infinity|null)')
_BY_STEP = re.compile(r'"([^"\\]{1,200})"\s*:\s*{\s*"\d{1,15}"\s*:\s*(?:-?\d|NaN|null)')
_STEPS = re.compile(r'{\s*"(?:epoch|step|iter)?[ _-]?\d{1,15}"\s*:\s*{', re.IGNORECASE)
_RECORDS = re.compile(r'"[^"\\]{1,200}"\s*:\s*\[\s*{')
_FRAME = re.compile(r'"columns"\s*:\s*\[([^\]]{1,20000})\]')


@final
@dataclass(frozen=True, slots=True)
class KerasHistory:
    """Reads ``{"loss": [...], "val_loss": [...]}``, the lists possibly one level down: each such part is a run.

    Also read: ``{"train": {"loss": [...]}, "val": {...}}``, ``{"1": {"loss": …}}``, ``{"loss": {"1": …}}``,
    ``{"epochs": [{"loss": …}]}`` and data frames of pandas and W&B.

    Attributes:
        names: What the user says is compared with what, None to go by the keys.
    """

    names: Names | None = None
    name: str = "keras-history"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether an object begins with numbers under the name of a metric."""
        if not head.strip():
            return path.suffix.lower() == ".json"
        text = beginning(path, head)
        if not text.startswith("{"):
            return False
        listed = _LIST_OF_NUMBERS.findall(text) + _BY_STEP.findall(text)
        if (self.names is not None and self.names.val in listed) or any(map(names_metric, listed)):
            return True
        frame = _FRAME.search(text)
        if frame:
            return looks_like_log(re.findall(r'"([^"\\]{1,200})"', frame[1]), self.names)
        shaped = _STEPS.match(text) or _RECORDS.search(text)
        told = shaped is not None and looks_like_log(NUMBER.findall(text), self.names)
        return told or holds_log(text)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run, or as one for each part.

        Raises:
            UnreadableError: Nothing of the file could be read, or it holds no numbers.
        """
        for path in paths:
            content, notes = load(path)
            if not isinstance(content, dict):
                raise UnreadableError(f"{path}: line 1: no object with lists of numbers")
            yield from runs_in(content, notes, path=path, root=root, names=self.names, none="no list holds a number")
