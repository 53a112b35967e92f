"""Remote files and folders, through fsspec, copied into a private folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final, final

from overfit_monitor.readers.base import Problem
from overfit_monitor.readers.sources import LARGEST_INPUT, Source, split_pattern
from overfit_monitor.readers.walk import passed_over

NEEDS_FSSPEC: Final = 'a remote place: pip install "overfit-monitor[remote]" to read it'
MOST_FILES: Final = 10_000
# Weights, archives and pictures hold no curves, and fetching them may take hours.
_SUFFIXES: Final = (
    ".pt .pth .ckpt .safetensors .bin .onnx .h5 .hdf5 .keras .pkl .pickle .joblib .npy .npz .parquet .arrow .zip .tar "
    ".gz .tgz .bz2 .xz .zst .7z .png .jpg .jpeg .gif .svg .pdf .mp4 .wav .py .pyc .so .whl"
)
NO_LOGS: Final = frozenset(_SUFFIXES.split())
_NO_FILE_SYSTEM = frozenset(
    {"zip", "tar", "libarchive", "blockcache", "filecache", "simplecache", "cached", "reference"}
)
_BLOCK = 1 << 20


def fetch(url: str, folder: Path) -> Source | Problem:
    """Copy what is at a URL into a folder, and return the copy.

    Args:
        url: File, folder or pattern in any file system that fsspec knows (``s3://``, ``gs://``, ``memory://``).
        folder: Where to copy it, empty.

    Returns:
        The copy with what could not be fetched, or why there is none. Files of weights, archives and
        pictures below a folder are left where they are, and no more than 1 GiB is fetched in all.
    """
    if "::" in url or url.partition("://")[0] in _NO_FILE_SYSTEM:
        return Problem(url, "an archive or a chain of file systems, which is not opened: name the place of the files")
    try:
        from fsspec.core import url_to_fs
    except ImportError:
        return Problem(url, NEEDS_FSSPEC)
    base, wanted = split_pattern(url)
    try:
        system, path = url_to_fs(base)
        copy = _Copy(system, base, folder / _last(path))
        whole = copy.take(path)
    except ImportError as error:
        return Problem(url, f"fsspec cannot read this place: {_line(error)}")
    except Exception as error:  # noqa: BLE001 (every file system raises errors of its own)
        return Problem(url, f"it could not be fetched: {_line(error)}")
    return Source(copy.place, base, None if whole else wanted, tuple(copy.problems))


@final
class _Copy:
    def __init__(self, system: Any, shown: str, place: Path) -> None:
        self.system = system
        self.shown = shown
        self.place = place
        self.problems: list[Problem] = []
        self._left = LARGEST_INPUT

    def take(self, path: str) -> bool:
        """Copy a file, or all files below a folder; return whether it was a file."""
        if self.system.isfile(path):
            self._fetch(path, self.place)
            return True
        listed: Mapping[str, Any] = self.system.find(path, detail=True)
        if not listed:
            raise FileNotFoundError("no such file or folder")
        self.place.mkdir(parents=True)
        for number, name in enumerate(sorted(listed)):
            if number == MOST_FILES:
                self.problems.append(Problem(self.shown, f"more than {MOST_FILES} files; the others were not read"))
                break
            below = PurePosixPath(name.removeprefix(path).lstrip("/"))
            if _safe(below) and below.suffix.lower() not in NO_LOGS:
                self._try(name, below)
        return False

    def _try(self, name: str, below: PurePosixPath) -> None:
        try:
            self._fetch(name, self.place / below)
        except Exception as error:  # noqa: BLE001 (every file system raises errors of its own)
            (self.place / below).unlink(missing_ok=True)
            self.problems.append(
                Problem(f"{self.shown.rstrip('/')}/{below}", f"it could not be fetched: {_line(error)}")
            )

    def _fetch(self, name: str, to: Path) -> None:
        to.parent.mkdir(parents=True, exist_ok=True)
        with self.system.open(name, "rb") as source, to.open("wb") as file:
            while block := source.read(_BLOCK):
                self._left -= file.write(block)
                if self._left < 0:
                    raise ValueError(f"more than {LARGEST_INPUT} bytes in all")


def _safe(below: PurePosixPath) -> bool:
    parts = below.parts
    return bool(parts) and not below.is_absolute() and ".." not in parts and not any(map(passed_over, parts[:-1]))


def _last(path: str) -> str:
    name = PurePosixPath(path).name
    return name if name not in ("", ".", "..") else "remote"


def _line(error: Exception) -> str:
    lines = str(error).split("\n")
    return lines[0][:200].strip() or type(error).__name__
