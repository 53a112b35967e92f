"""A bar on standard error for what takes more than a second; nothing where nobody looks."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final, TextIO

AFTER: Final = 1.0
EVERY: Final = 0.1

Step = Callable[[int, int | None, str], None]


@contextmanager
def bar(what: str, *, quiet: bool = False, stream: TextIO | None = None, after: float = AFTER) -> Iterator[Step]:
    """Show how far something is, from the second second on, where standard error is a terminal.

    tqdm draws it where it is installed, or else one line of ours does.

    Args:
        what: What is done, one word or two.
        quiet: Show nothing at all.
        stream: Where to; None is standard error.
        after: Seconds before anything is shown.

    Yields:
        What is called with the number that are done, their number in all or None, and the name of the latest.

    Example:
        >>> with bar("runs") as step:
        ...     for number in range(3):
        ...         step(number + 1, 3, f"run {number}")
    """
    where = sys.stderr if stream is None else stream
    if quiet or not where.isatty():
        yield _nothing
        return
    try:
        from tqdm import tqdm
    except ImportError:
        shown: Any = _Line(what, where, after)
    else:
        # Without a thread of its own, with which processes could not be started as copies of this one.
        alone = type("tqdm", (tqdm,), {"monitor_interval": 0})
        shown = _Tqdm(alone(desc=what, file=where, delay=after, leave=False, mininterval=EVERY, dynamic_ncols=True))
    try:
        yield shown.step
    finally:
        with suppress(OSError, ValueError):  # the terminal may be gone
            shown.close()


def _nothing(done: int, total: int | None, name: str) -> None:
    """Show nothing."""


class _Tqdm:
    def __init__(self, drawn: Any) -> None:
        self._drawn = drawn

    def step(self, done: int, total: int | None, name: str) -> None:
        self._drawn.total = total
        self._drawn.set_postfix_str(_printable(name)[-30:], refresh=False)
        self._drawn.update(done - self._drawn.n)

    def close(self) -> None:
        self._drawn.close()


class _Line:
    def __init__(self, what: str, stream: TextIO, after: float) -> None:
        self._what, self._stream = what, stream
        self._next = time.monotonic() + after
        self._width = 0

    def step(self, done: int, total: int | None, name: str) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + EVERY
            share = f" of {total} ({done / total:.0%})" if total else ""
            self._draw(f"{self._what}: {done}{share} {_printable(name)[-30:]}")

    def close(self) -> None:
        if self._width:
            self._draw("")
            self._stream.write("\r")
            self._stream.flush()

    def _draw(self, text: str) -> None:
        self._stream.write(f"\r{text.ljust(self._width)}")
        self._stream.flush()
        self._width = len(text)


def _printable(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
