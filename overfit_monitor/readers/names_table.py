"""What a project may add to the conventions: ``[tool.overfit-monitor.names]``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from overfit_monitor.errors import UsageError, from_validation
from overfit_monitor.readers.conventions import Conventions
from overfit_monitor.records import Mode

Word = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=100)]
Words = tuple[Word, ...]


class NamesTable(BaseModel):
    """Words added to those known; they are compared without regard to case.

    Attributes:
        train: Words that say train (``fit``).
        val: Words that say validation (``probe``); they go before those known.
        aliases: Other spellings in the name of a metric (``error_rate = "error"``).
        steps: Names of the column that counts steps; they go before those known.
        splits: Names of a column that says which split a row belongs to.
        validation: Patterns (``*``, ``?``, ``[abc]``) of names measured on validation that do not say so.
        ignore: Patterns of names that are no curve to compare.
        directions: ``min`` where lower, ``max`` where higher is better, by metric, where the name does not tell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    train: Words = ()
    val: Words = ()
    aliases: dict[Word, Word] = Field(default_factory=dict)
    steps: Words = ()
    splits: Words = ()
    validation: Words = ()
    ignore: Words = ()
    directions: dict[Word, Mode] = Field(default_factory=dict)


def extended(known: Conventions, table: Mapping[str, Any], source: str) -> Conventions:
    """Return the conventions with a project's table added; see `overfit_monitor.readers.conventions.load`.

    Raises:
        UsageError: A key is unknown, a value cannot be right, or a word is said to be both train and validation.
    """
    try:
        added = NamesTable.model_validate(table)
    except ValidationError as error:
        raise UsageError(f"{source}: {from_validation(error, NamesTable.model_fields)}") from None
    both = (set(added.train) & {*added.val, *known.val}) | (set(added.val) & set(known.train))
    if both:
        raise UsageError(f"{source}: {min(both)!r} cannot be a word for train and for validation.")
    return replace(
        known,
        train=(*known.train, *added.train),
        val=(*added.val, *known.val),
        aliases={**known.aliases, **{" ".join(key.replace("_", " ").split()): v for key, v in added.aliases.items()}},
        steps=(*added.steps, *known.steps),
        splits=(*known.splits, *added.splits),
        validation=(*known.validation, *added.validation),
        ignore=(*known.ignore, *added.ignore),
        directions={**known.directions, **added.directions},
    )
