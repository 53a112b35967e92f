"""Standard input as a file that grows, so that it is followed as any other."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO, Final, final

NAME: Final = "stdin"


@final
class Spool:
    """Copies a stream to a file in a thread of its own.

    Args:
        stream: Its number.
        path: The file.
    """

    def __init__(self, stream: int, path: Path) -> None:
        self.path = path
        self._stream = stream
        self._file: BinaryIO = path.open("wb")
        self._thread = threading.Thread(target=self._copy, name="overfit-monitor stdin", daemon=True)
        self._thread.start()

    def over(self) -> str | None:
        """Return that the stream has ended, None where it has not."""
        return None if self._thread.is_alive() else "standard input has ended"

    def _copy(self) -> None:
        with self._file as file:
            while block := os.read(self._stream, 1 << 16):
                file.write(block)
                file.flush()


@contextmanager
def spooled(stream: int) -> Iterator[Spool]:
    """Give a stream as a file that grows; the file is removed at the end."""
    with TemporaryDirectory(prefix="overfit-monitor-", ignore_cleanup_errors=True) as folder:
        yield Spool(stream, Path(folder, NAME))
