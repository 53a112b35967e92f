"""A list of records: Hugging Face's ``trainer_state.json`` and ``log_history``, one object an epoch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from overfit_monitor.readers.base import Run
from overfit_monitor.readers.json_file import beginning, load
from overfit_monitor.readers.json_runs import runs_in
from overfit_monitor.readers.json_shapes import LOG_HISTORY, holds_log
from overfit_monitor.readers.long_form import LongForm
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.table import looks_like_log

NUMBER = re.compile(r'"([^"\\]{1,200})"\s*:\s*(?:-?\d|NaN|-?Infinity)')
_KEY = re.compile(r'"([^"\\]{1,200})"\s*:\s*["\d\-NI]')


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
        if path.name == "trainer_state.json":
            return True
        text = beginning(path, head)
        if text.startswith("{"):
            return f'"{LOG_HISTORY}"' in text
        if not re.match(r"\[\s*{", text):
            return False
        told = looks_like_log(NUMBER.findall(text), self.names) or LongForm(_KEY.findall(text)).by_metric
        return told or holds_log(text)

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read each file as one run, or as one for each run that its records name.

        Raises:
            UnreadableError: Nothing of the file could be read, or it holds no records with numbers.
        """
        for path in paths:
            content, notes = load(path)
            none = "no list of records with numbers"
            yield from runs_in(content, notes, path=path, root=root, names=self.names, none=none)
