"""The plain view: a line when something happened, and one now and then where nothing did. Fine in the log of a job."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, TextIO, final

from overfit_monitor.following.follower import FollowedRun, Look
from overfit_monitor.following.news import Kind, News
from overfit_monitor.reports.base import printable

EVERY: Final = 60.0
MOST_FOUND: Final = 10
_LOUD: Final[dict[Kind, str]] = {"alarm": "ALARM", "stop": "STOP", "unread": "cannot read", "awaited": "waiting for"}


@final
class Lines:
    """Writes lines with the time of day.

    Args:
        stream: Where to.
        every: Seconds between two lines that only say how it stands.
        clock: Seconds that never go back.
    """

    def __init__(self, stream: TextIO, *, every: float = EVERY, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._every, self._clock = stream, every, clock
        self._told = -every
        self._look: Look | None = None
        self._steps: dict[str, int | None] = {}

    def show(self, look: Look, news: Sequence[News]) -> None:
        """Write what is new."""
        found = [each for each in news if each.kind == "found"]
        for each in news:
            if each.kind != "found" or len(found) <= MOST_FOUND:
                self.say(news_line(each))
        if len(found) > MOST_FOUND:
            self.say(f"{len(found)} runs found: {_counted(look)}")
        self._steps |= {each.run.name: each.run.checked.step for each in found if each.run}
        self._look = look

    def say(self, text: str) -> None:
        """Write one line."""
        print(f"{time.strftime('%H:%M:%S')} {' '.join(printable(text).splitlines())}", file=self._stream, flush=True)

    def tick(self) -> None:
        """Say how it stands, where it went on since that was last said and that is long ago."""
        look, now = self._look, self._clock()
        if look is None or now - self._told < self._every:
            return
        steps = {run.name: run.checked.step for run in look.runs}
        grown = [run for run in look.runs if self._steps.get(run.name) != run.checked.step]
        if not grown:
            return
        self._told, self._steps = now, steps
        if len(grown) <= 3:
            for run in grown:
                self.say(f"{run.name}: {standing(run)}")
        else:
            self.say(f"{len(look.runs)} runs: {_counted(look)}; {len(grown)} went on")


def standing(run: FollowedRun) -> str:
    """Return in one line how a run stands."""
    checked = run.checked
    parts = [checked.verdict if checked.step is None else f"{checked.verdict} at step {checked.step}"]
    if checked.last_value is not None:
        parts.append(f"{checked.metrics.val} {checked.last_value:.4g}")
    if checked.best_value is not None:
        parts.append(f"best {checked.best_value:.4g} at {checked.best_step}")
    if checked.gap.raw is not None:
        parts.append(f"gap {checked.gap.raw:.3g}")
    return ", ".join(parts)


def news_line(news: News) -> str:
    """Return what is new in one line, with the name of the run."""
    if news.run is None:
        return f"{_LOUD[news.kind]} {news.text}"
    loud = f"{_LOUD[news.kind]}: " if news.kind in _LOUD else ""
    text = standing(news.run) if news.kind == "found" else news.text
    return f"{news.run.name}: {loud}{text}"


def _counted(look: Look) -> str:
    counts = Counter(run.checked.verdict for run in look.runs)
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
