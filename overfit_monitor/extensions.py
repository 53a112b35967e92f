"""The seam for everything that needs a framework: entry points, loaded when asked for.

An integration registers what it offers under one of these groups, so that the
core never imports it:

- ``overfit_monitor.sinks``: ``factory(run_dir: Path) -> Sink``
- ``overfit_monitor.readers``: a `overfit_monitor.readers.base.Reader`
- ``overfit_monitor.commands``: ``command(arguments: list[str]) -> int``
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def registered(kind: str) -> tuple[EntryPoint, ...]:
    """Return the entry points of ``overfit_monitor.<kind>``, sorted by name, none of them loaded."""
    from importlib.metadata import entry_points

    return tuple(sorted(entry_points(group=f"overfit_monitor.{kind}"), key=lambda point: point.name))
