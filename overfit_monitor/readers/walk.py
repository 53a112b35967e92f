"""Which files there are to read below a path."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from overfit_monitor.journal import FILE_NAME
from overfit_monitor.readers.base import HEAD_BYTES, Problem, printable
from overfit_monitor.readers.csv_table import LFS_POINTER, SUFFIXES, metrics_in

SKIPPED_FOLDERS = frozenset({"__pycache__", "node_modules", "site-packages"})
# W&B keeps copies of its summary and of the console beside the file that holds the curves.
_WANDB_FILES = re.compile(r"/(?:offline-)?run-\d{8}_\d{6}-[^/]+/(?:files|logs|tmp)$")
_CONSOLE = frozenset({".txt", ".log", ".out", ".err"})
_ONE_CURVE = r'(?m)"?Wall time"?,"?Step"?,"?Value"?\s*$'
_MLFLOW_FILE = "meta.yaml"
_BESIDE_METRICS = frozenset({"artifacts", "inputs", "outputs", "params", "tags"})
_OUR_REPORT = r'\{\s*"schema_version"'
_FIRST_LINE_SHOWN = 60


class Found(NamedTuple):
    """A file that may hold runs.

    Attributes:
        path: The file.
        root: Folder that was named, or the folder of a file that was.
        head: Its first ``HEAD_BYTES`` bytes.
        named: Whether the file itself was named.
        journaled: Whether a journal lies in its folder or in one above it, up to ``root``.
    """

    path: Path
    root: Path
    head: bytes
    named: bool = False
    journaled: bool = False

    @property
    def looks_like_events(self) -> bool:
        """Whether it is a TensorBoard event file by its name or its first record."""
        return "tfevents" in self.path.name or b"brain.Event:" in self.head[:64]


def find(path: Path, wanted: re.Pattern[str] | None = None) -> Iterator[Found | Problem]:
    """Yield the file, or every file below the folder in the order of their names.

    Hidden folders and those of installed packages are passed over. Below a folder, links to
    folders are not followed, nor are links to files that lie outside it.

    Args:
        path: File or folder.
        wanted: What the place of a file below the folder must match, None for all.
    """
    try:
        if path.is_dir():
            yield from _below(path, wanted)
        elif path.is_file():
            yield Found(path, path.parent, _head(path), named=True)
        else:
            what = "neither a file nor a folder" if path.exists() else "no such file or folder"
            yield Problem(printable(path), what)
    except (OSError, ValueError) as error:
        yield Problem(printable(path), getattr(error, "strerror", None) or str(error))


def why_unknown(found: Found) -> str:
    """Return why no reader took the file, in one line."""
    text = found.head.decode("utf-8-sig", "replace").strip()
    if not text:
        return "line 1: the file is empty"
    if found.head.startswith(LFS_POINTER):
        return "line 1: a git-lfs pointer, not the file itself: run 'git lfs pull'"
    from overfit_monitor.readers.refused import why_refused

    refused = why_refused(found.path, found.head)
    if refused is not None:
        return refused
    if b"\0" in found.head:
        return "binary data that no reader knows"
    return _why_text(text, found.path.suffix)


def _why_text(text: str, suffix: str) -> str:
    if re.match(_ONE_CURVE, text):
        return "one curve without a name, as TensorBoard's page exports it: name the event files instead"
    if re.match(_OUR_REPORT, text):
        return "a report or a baseline of this package, and no log"
    if suffix.lower() in SUFFIXES and (columns := metrics_in(text)):
        named = ", ".join(map(repr, columns[:3]))
        return f"no column says train or validation, and none counts steps; --val takes one of them ({named}) by name"
    told = ", and fewer than two lines tell a metric" if suffix.lower() in _CONSOLE else ""
    return f"no reader knows this format{told}; line 1 begins {text.splitlines()[0][:_FIRST_LINE_SHOWN]!r}"


def passed_over(folder: str) -> bool:
    """Return whether the name of a folder says that no runs are in it."""
    return folder.startswith(".") or folder in SKIPPED_FOLDERS


def _below(root: Path, wanted: re.Pattern[str] | None) -> Iterator[Found | Problem]:
    home = root.resolve()
    journaled: set[Path] = set()
    errors: list[OSError] = []
    for folder, folders, files in os.walk(root, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not passed_over(name))
        if _MLFLOW_FILE in files:  # what a run of MLflow keeps beside its metrics is no log of it
            folders[:] = [name for name in folders if name not in _BESIDE_METRICS]
        here = Path(folder)
        if _WANDB_FILES.search(here.as_posix()):
            folders.clear()
            continue
        if FILE_NAME in files or (here != root and here.parent in journaled):
            journaled.add(here)
        for name in sorted(files):
            path = here / name
            if wanted is not None and not wanted.match(path.relative_to(root).as_posix()):
                continue
            try:
                if path.is_file() and not _leads_out(path, home):
                    yield Found(path, root, _head(path), journaled=here in journaled)
            except OSError as error:
                errors.append(error)
    yield from (Problem(printable(error.filename or root), error.strerror or str(error)) for error in errors)


def _leads_out(path: Path, home: Path) -> bool:
    return path.is_symlink() and not path.resolve().is_relative_to(home)


def _head(path: Path) -> bytes:
    with path.open("rb", buffering=0) as file:
        return file.read(HEAD_BYTES)
