"""Harmlessness: a fault in the monitor costs one warning, never a training run."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from overfit_monitor.errors import MonitorWarning, UsageError

logger = logging.getLogger("overfit_monitor")


class Guard:
    """Switches a part of the monitor off when it fails, and says so once.

    Args:
        strict: Raise the error instead.
        name: Name of the run, told in every warning; None tells none.

    Example:
        >>> guard = Guard()
        >>> if guard.on("journal"):
        ...     with guard.protect("journal", still="everything is judged, nothing is written"):
        ...         pass
    """

    def __init__(self, *, strict: bool = False, name: str | None = None) -> None:
        self.strict = strict
        self.name = name
        self._off: set[str] = set()
        self._told: set[str] = set()

    def on(self, part: str) -> bool:
        """Return whether the part still works."""
        return part not in self._off

    @contextmanager
    def protect(self, part: str, *, still: str) -> Iterator[None]:
        """Run a block; on an exception switch ``part`` off and warn what still works."""
        try:
            yield
        except Exception as error:
            if self.strict:
                raise
            self._off.add(part)
            self.warn(f"{part} is off after {type(error).__name__}: {error}; training goes on and {still}.")

    def complain(self, about: str, message: str) -> None:
        """Warn of something that the caller got wrong, once for each thing that it is about.

        Raises:
            UsageError: With ``strict``.
        """
        if self.strict:
            raise UsageError(message)
        self.say(about, message)

    def say(self, about: str, message: str) -> None:
        """Warn once for each thing that it is about."""
        if about not in self._told:
            self._told.add(about)
            self.warn(message)

    def warn(self, message: str) -> None:
        """Warn once, without ever raising from the training loop's point of view."""
        try:
            warnings.warn(self.told(message), MonitorWarning, stacklevel=4)
        except Exception:  # noqa: BLE001 - warnings are errors here, or are shown by code that fails
            with suppress(Exception):
                logger.error("%s", self.told(message))  # noqa: TRY400

    def told(self, message: str) -> str:
        """Return a message with who says it, and of which run."""
        return f"overfit-monitor: {message}" if self.name is None else f"overfit-monitor: {self.name}: {message}"
