"""What is new at a look, told once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, final

from overfit_monitor.following.files import is_remote
from overfit_monitor.following.follower import FollowedRun, Key, Look

Kind = Literal["found", "restart", "verdict", "alarm", "stop", "gone", "back", "unread", "awaited"]


@dataclass(frozen=True, slots=True)
class News:
    """One thing that happened.

    Attributes:
        kind: ``alarm`` is a run that reached the limit of the gate, ``stop`` one that the stopping policy would stop;
            ``found``, ``gone`` and ``back`` are of its file, ``unread`` of one that cannot be read, ``awaited``
            of one that is not there yet.
        text: What happened, in one line without the name of the run.
        run: The run; None for ``unread`` and ``awaited``.
    """

    kind: Kind
    text: str
    run: FollowedRun | None = None


@final
class Newsroom:
    """Compares each look with what was told before.

    An alarm is told once for each verdict and alarm step, a stop once; a run that began anew is a new one.
    """

    def __init__(self) -> None:
        self._runs: dict[Key, FollowedRun] = {}
        self._told: dict[Key, set[tuple[str, str, int | None]]] = {}
        self._unread: frozenset[tuple[str, str]] = frozenset()

    def news(self, look: Look) -> list[News]:
        """Return what is new, in the order of the runs."""
        found = [news for run in look.runs for news in self._of(run)]
        unread = frozenset((error.source, error.message) for error in look.result.errors)
        for source, message in sorted(unread - self._unread):
            there = is_remote(source) or Path(source).exists()
            found.append(News("unread" if there else "awaited", f"{source}: {message}"))
        self._unread = unread
        self._runs = {run.key: run for run in look.runs}
        return found

    def _of(self, run: FollowedRun) -> Iterator[News]:
        key, checked = run.key, run.checked
        before = self._runs.get(key)
        told = self._told.setdefault(key, set())
        if before is None:
            yield News("found", _where(run), run)
        elif before.restarts != run.restarts:
            told.clear()
            yield News("restart", f"the log began anew; {_where(run)}", run)
        elif (before.state == "gone") != (run.state == "gone"):
            back = before.state == "gone"
            yield News("back" if back else "gone", "its file is back" if back else "its file is gone", run)
        if before is not None and before.checked.verdict != checked.verdict:
            yield News("verdict", f"{before.checked.verdict} -> {checked.verdict}", run)
        if checked.outcome == "fail" and _first(told, ("alarm", checked.verdict, checked.alarm_step)):
            yield News("alarm", checked.reason or checked.verdict, run)
        if checked.stop_step is not None and _first(told, ("stop", "", checked.stop_step)):
            yield News("stop", f"the stopping policy stops at step {checked.stop_step}; best {checked.best_step}", run)


def _first(told: set[tuple[str, str, int | None]], what: tuple[str, str, int | None]) -> bool:
    first = what not in told
    told.add(what)
    return first


def _where(run: FollowedRun) -> str:
    checked = run.checked
    at = "no step yet" if checked.step is None else f"step {checked.step}"
    return f"{checked.verdict} at {at}"
