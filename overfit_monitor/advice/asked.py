"""Which recommendations a configuration asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from overfit_monitor.records import Recommendation


def asked(known: Sequence[Recommendation], config: Mapping[str, Any]) -> list[Recommendation]:
    """Return the recommendations whose whole change is in the configuration; of two for one setting the wider one."""
    found: list[Recommendation] = []
    settled: set[str] = set()
    for one in sorted(known, key=lambda one: -len(one.change)):
        inside = all(name in config and config[name] == value for name, value in one.change.items())
        if inside and settled.isdisjoint(one.change):
            found.append(one)
            settled |= set(one.change) - {"augmentation"}
    return found
