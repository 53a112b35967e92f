"""Which readers there are, in the order in which they are asked; each is imported when a file may be its."""

from __future__ import annotations

from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Final, NamedTuple, cast, final

from overfit_monitor.journal import FILE_NAME
from overfit_monitor.readers.base import Reader
from overfit_monitor.readers.pairing import Names


class Entry(NamedTuple):
    """One reader of the core.

    Attributes:
        module: Module in this package.
        class_name: The reader in it.
        begins: First bytes, one of which a file of the format begins with, after spaces; empty for any.
        holds: What must stand among the first bytes of such a file.
        suffix: Suffix that such a file has; empty for any.
        called: Name by which a file is one of the format whatever it begins with; empty for none.
    """

    module: str
    class_name: str
    begins: bytes = b""
    holds: bytes = b""
    suffix: str = ""
    called: str = ""

    def __call__(self, *, names: Names | None = None) -> Reader:
        """Import and make the reader."""
        module = import_module(f"{__package__}.{self.module}")
        return cast("Reader", getattr(module, self.class_name)(names=names))

    def may_be(self, path: Path, head: bytes) -> bool:
        """Return whether it is worth asking the reader; an empty file is asked of all."""
        if path.name == self.called:
            return True
        fits = not self.begins or (start := _start(head)) in self.begins or not start
        return fits and (not head or self.holds in head) and path.suffix.endswith(self.suffix)


@lru_cache(1)  # all entries are asked of one file after another
def _start(head: bytes) -> bytes:
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] or head[:1]


@final
class Offered:
    """A reader of the catalogue that is made when it is first needed.

    Args:
        entry: Its entry.
        names: What the user says is compared with what, None to go by the names in the files.
    """

    def __init__(self, entry: Entry, names: Names | None) -> None:
        self._entry = entry
        self._names = names

    @cached_property
    def reader(self) -> Reader:
        """The reader."""
        return self._entry(names=self._names)

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether this is a file of its format."""
        return self._entry.may_be(path, head) and self.reader.recognizes(path, head)


# The first that recognizes a file reads it; the readers of installed integrations come after these.
CATALOGUE: Final = (
    Entry("journal", "JournalReader", begins=b"{", called=FILE_NAME),
    Entry("wandb_offline", "WandbOffline", begins=b":"),
    Entry("mlflow_sqlite", "MlflowSqlite", begins=b"S", holds=b"SQLite format 3"),
    Entry("refused", "Refused", begins=b"\x80(c\x93P\x89S\x1fB\xfd\x287\x78\0"),
    Entry("notebook", "Notebook", begins=b"{"),
    Entry("json_records", "JsonRecords", begins=b"{["),
    Entry("keras_history", "KerasHistory", begins=b"{"),
    Entry("json_lines", "JsonLines", begins=b"{"),
    Entry("wandb_table", "WandbTable", holds=b" - "),
    Entry("long_table", "LongTable"),
    Entry("csv_table", "CsvTable"),
)
# Asked before those: one run is spread over many files, which are read together.
SPREAD: Final = (
    Entry("mlflow_files", "MlflowFiles", begins=b"0123456789"),
    Entry("dvclive", "DvcLive", holds=b"step", suffix=".tsv"),
)
# What a person saw on the screen, read below a folder only where nothing better lies there.
LAST_RESORT: Final = (Entry("console", "ConsoleLog"),)
