"""What was read of files that have not changed since."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import final

from overfit_monitor.following.files import Mark, mark, with_log
from overfit_monitor.readers import Reader, Run

Marks = tuple[Mark | None, ...]


@final
class Kept:
    """Reads files, and gives what they gave before where none of them has changed."""

    def __init__(self) -> None:
        self._before: dict[tuple[str, ...], tuple[Marks, list[Run]]] = {}
        self._now: dict[tuple[str, ...], tuple[Marks, list[Run]]] = {}

    def read(self, reader: Reader, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read files as `overfit_monitor.readers.read_runs` asks for it."""
        key = (reader.name, str(root), *map(str, paths))
        # Before the reading, so that what is written meanwhile is read the next time.
        marks = tuple(mark(file) for path in paths for file in with_log(path))
        kept = self._before.get(key)
        runs = kept[1] if kept is not None and kept[0] == marks else list(reader.read(paths, root))
        self._now[key] = marks, runs
        return runs

    def turn(self) -> None:
        """Forget what was not asked for since this was called before."""
        self._before, self._now = self._now, {}
