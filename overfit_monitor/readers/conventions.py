"""How training logs call things: a table of data, `conventions.json`, which a project may add to.

Columns, keys, tags and words on a console are all understood by this one table. It is looked up
by `current`, as a locale is: what a reader is told about files does not depend on who logs how.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from fnmatch import fnmatchcase, translate
from functools import cached_property
from pathlib import Path
from typing import Any, Final, final

from overfit_monitor.records import Mode

DATA: Final = "conventions.json"


@final
@dataclass(frozen=True, eq=False)
class Conventions:
    """The words of training logs. Two of them are equal only if they are the same object.

    Attributes:
        train: Words that say train.
        val: Words that say validation; the earlier wins where a log has several (``val``, then ``test``).
        fillers: Words that are no part of a metric's name (``epoch_loss`` is ``loss``).
        aliases: Other spellings of a word, or of words side by side, in the name of a metric.
        rates: How a learning rate is called.
        steps: Names of the column that counts steps, in the order of preference.
        index: What the index of a table is called where nothing else counts.
        splits: Names of a column that says which split a row belongs to.
        validation: Patterns of names that were measured on validation although they do not say so.
        ignore: Patterns of names that are no curve to compare (times, sizes).
        directions: ``min`` or ``max`` of metrics whose name does not tell.
        written: Names by who writes them, for the documentation.
    """

    train: tuple[str, ...]
    val: tuple[str, ...]
    fillers: tuple[str, ...]
    aliases: Mapping[str, str]
    rates: tuple[str, ...]
    steps: tuple[str, ...]
    index: tuple[str, ...]
    splits: tuple[str, ...]
    validation: tuple[str, ...]
    ignore: tuple[str, ...]
    directions: Mapping[str, Mode] = field(default_factory=dict)
    written: tuple[Mapping[str, str], ...] = ()

    @cached_property
    def rate_words(self) -> tuple[frozenset[str], ...]:
        """The words of each name of a learning rate."""
        return tuple(frozenset(name.split()) for name in self.rates)

    @cached_property
    def phrases(self) -> tuple[tuple[re.Pattern[str], str], ...]:
        """Aliases of several words, as patterns on a metric's name."""
        return tuple(
            (re.compile(rf"(?<![^_]){re.escape(key.replace(' ', '_'))}(?![^_])"), word)
            for key, word in self.aliases.items()
            if " " in key
        )

    def ignored(self, name: str) -> str | None:
        """Return the pattern by which a name is no curve to compare, None where there is none."""
        return self._ignore.fitting(name)

    def validated(self, name: str) -> str | None:
        """Return the pattern by which a name was measured on validation, None where there is none."""
        return self._validation.fitting(name)

    @cached_property
    def _ignore(self) -> _Patterns:
        return _Patterns(self.ignore)

    @cached_property
    def _validation(self) -> _Patterns:
        return _Patterns(self.validation)


@final
class _Patterns:
    """Patterns of names, looked for all at once, since hardly a name fits one."""

    def __init__(self, patterns: Iterable[str]) -> None:
        self._patterns = tuple(patterns)
        self._any = re.compile("|".join(translate(pattern.lower()) for pattern in self._patterns) or "(?!)")

    def fitting(self, name: str) -> str | None:
        """Return the first pattern that a name fits, None where there is none."""
        plain = name.strip().lower()
        if not self._any.match(plain):
            return None
        return next(pattern for pattern in self._patterns if fnmatchcase(plain, pattern.lower()))


def _default() -> Conventions:
    data: dict[str, Any] = json.loads(Path(__file__).with_name(DATA).read_text(encoding="utf-8"))
    told: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in data.items()}
    return Conventions(**told)


DEFAULT: Final = _default()
_CURRENT: ContextVar[Conventions] = ContextVar("conventions", default=DEFAULT)


def current() -> Conventions:
    """Return the conventions that names are understood by here and now."""
    return _CURRENT.get()


@contextmanager
def using(conventions: Conventions) -> Iterator[None]:
    """Understand names by these conventions inside a ``with`` block; another process does not see it."""
    token = _CURRENT.set(conventions)
    try:
        yield
    finally:
        _CURRENT.reset(token)


def adopt(conventions: Conventions) -> None:
    """Understand names by these conventions from here on, to the end of the context (`contextvars`)."""
    _CURRENT.set(conventions)


def load(table: Mapping[str, Any], source: str = "names") -> Conventions:
    """Return the default conventions with what a project adds to them.

    Args:
        table: Content of ``[tool.overfit-monitor.names]``; see `overfit_monitor.readers.names_table.NamesTable`.
        source: Where it stands, for messages.

    Raises:
        UsageError: A key is unknown or a value cannot be right.
    """
    from overfit_monitor.readers.names_table import extended

    return extended(DEFAULT, table, source)
