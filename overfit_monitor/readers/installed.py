"""The readers of installed integrations, looked up only when a file needs one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import final

from overfit_monitor.errors import UsageError
from overfit_monitor.readers.base import Reader
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.walk import Found

NEEDS_TENSORBOARD = 'a TensorBoard event file: pip install "overfit-monitor[tensorboard]" to read it'


@final
class InstalledReaders:
    """Finds the reader for a file that no reader of the core recognizes.

    Args:
        names: What the user says is compared with what, None to go by the names in the files.
    """

    def __init__(self, names: Names | None = None) -> None:
        self.names = names

    def reader_of(self, found: Found) -> Reader | None:
        """Return the first reader that recognizes the file, None if none does.

        Raises:
            UsageError: The user said what is compared with what, and a reader cannot be told.
        """
        return next((reader for reader in self.readers if reader.recognizes(found.path, found.head)), None)

    @cached_property
    def readers(self) -> Sequence[Reader]:
        """The readers of the integrations whose framework is installed."""
        from overfit_monitor.extensions import registered

        readers: list[Reader] = []
        for point in registered("readers"):
            try:
                make = point.load()
            except ImportError:
                continue  # the integration's own framework is not installed
            try:
                readers.append(make() if self.names is None else make(names=self.names))
            except TypeError:
                raise UsageError(f"the reader {point.name!r} cannot be told which names to compare.") from None
        return tuple(readers)
