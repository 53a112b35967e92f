"""A module that is imported when something of it is first used, so that what never needs it starts without it."""

from __future__ import annotations

from importlib import import_module
from typing import Any, final


@final
class Deferred:
    """Stands for a module until something of it is asked for.

    ``import numpy`` alone takes longer than judging a whole run of a few hundred evaluations from a file, and
    most logs hold nothing that needs it. Under ``TYPE_CHECKING`` the module itself stands in its place.

    Args:
        name: Full name of the module.

    Example:
        >>> Deferred("math").sqrt(9.0)
        3.0
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        value = getattr(import_module(self._name), attribute)
        setattr(self, attribute, value)
        return value
