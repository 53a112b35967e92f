"""The watching itself: look, tell, act, wait, until there is a reason to end."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, final

from overfit_monitor.following.acts import Act
from overfit_monitor.following.follower import Follower, Look
from overfit_monitor.following.news import News, Newsroom

Until = Literal["alarm", "stop", "end"]

QUICKEST: Final = 0.25
SLOWER: Final = 1.5
SHARE: Final = 10.0  # a look is followed by a pause of at least ten times what it took


class View(Protocol):
    """Shows what goes on."""

    def show(self, look: Look, news: Sequence[News]) -> None:
        """Show how everything stands, and what is new."""

    def say(self, text: str) -> None:
        """Tell one line."""

    def tick(self) -> None:
        """Show that time goes by."""


@dataclass(frozen=True, slots=True)
class Ends:
    """When to end.

    Attributes:
        until: At the first ``alarm``, at the first ``stop``, or at neither.
        idle: Seconds without a change of any file after which to end, None for never.
        timeout: Seconds after which to end in any case, None for never.
        over: Each returns why it is over, as the end of a sentence; None where it is not.
    """

    until: Until = "end"
    idle: float | None = None
    timeout: float | None = None
    over: Sequence[Callable[[], str | None]] = ()


@final
class Watching:
    """Watches files until there is a reason to end.

    Args:
        follower: Looks at the files.
        view: Shows what goes on.
        acts: What is done on alarms and stops.
        ends: When to end.
        slowest: Longest pause between two looks, in seconds, where nothing happens.
        clock: Seconds that never go back.
        sleep: Waits for some seconds.
    """

    def __init__(
        self,
        follower: Follower,
        view: View,
        *,
        acts: Sequence[Act] = (),
        ends: Ends | None = None,
        slowest: float = 5.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._follower, self._view, self._acts, self._ends = follower, view, acts, ends or Ends()
        self._slowest, self._clock, self._sleep = slowest, clock, sleep
        self._newsroom = Newsroom()
        self._begun = self._changed = clock()

    def run(self) -> str:
        """Watch, and return why it ended, as the end of a sentence."""
        pause = QUICKEST
        while True:
            look = self._follower.look()
            if look is None:
                pause = min(pause * SLOWER, self._slowest)
            else:
                pause, self._changed = QUICKEST, self._clock()
            why = self._reached(self._take(look) if look else ()) or self._over()
            if why is not None:
                return why
            self._view.tick()
            self._sleep(self._wait(pause))

    def finish(self, *, act: bool = True) -> Look:
        """Look a last time, with everything as it stands, and let what is under way come to its end.

        Args:
            act: Whether what is new now is acted upon.
        """
        look = self._follower.finish()
        self._take(look, act=act)
        for each in self._acts:
            for text in each.close():
                self._view.say(text)
        return look

    def _take(self, look: Look, *, act: bool = True) -> Sequence[News]:
        news = self._newsroom.news(look)
        self._view.show(look, news)
        for each in news if act else ():
            if each.kind in ("alarm", "stop"):
                for one in self._acts:
                    for text in one.take(each):
                        self._view.say(text)
        return news

    def _reached(self, news: Sequence[News]) -> str | None:
        for each in self._acts:
            for text in each.tell():
                self._view.say(text)
        found = next((each for each in news if each.kind == self._ends.until), None)
        return None if found is None or found.run is None else f"{found.kind} in {found.run.name}"

    def _over(self) -> str | None:
        now, ends = self._clock(), self._ends
        for over in ends.over:
            if (why := over()) is not None:
                return why
        if ends.timeout is not None and now - self._begun >= ends.timeout:
            return f"{ends.timeout:g} seconds are over"
        if ends.idle is not None and now - self._changed >= ends.idle:
            return f"nothing was written for {ends.idle:g} seconds"
        return None

    def _wait(self, pause: float) -> float:
        now, ends = self._clock(), self._ends
        left = [self._begun + ends.timeout - now] if ends.timeout is not None else []
        left += [self._changed + ends.idle - now] if ends.idle is not None else []
        return max(0.0, min([max(pause, SHARE * self._follower.cost), *left]))
