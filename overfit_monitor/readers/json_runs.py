"""From what a JSON file holds to the runs in it, whatever its shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from overfit_monitor.errors import UnreadableError
from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.json_file import holds_none
from overfit_monitor.readers.json_shapes import parts_of
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.rows import run_of_rows


def runs_in(
    content: Any, notes: tuple[str, ...], *, path: Path, root: Path, names: Names | None, none: str
) -> Iterator[Run]:
    """Yield a run for each part of the content.

    Args:
        content: What the file holds.
        notes: What was wrong with the file.
        path: The file.
        root: Folder that was named.
        names: What the user says is compared with what, None to go by the keys.
        none: What to say where no part holds a number.

    Raises:
        UnreadableError: There is no such part.
    """
    parts = parts_of(content)
    if not parts:
        raise UnreadableError(f"{path}: {holds_none(none, notes)}")
    for part in parts:
        yield run_of_rows(
            part.rows,
            names,
            name=run_name(path, root) + part.name,
            source=printable(path),
            notes=part.notes + notes,
        )
