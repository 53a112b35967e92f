"""Another process, which may be signalled only as long as it is the one that was meant."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Final, final

from overfit_monitor.errors import UsageError, unknown_name

PROC: Final = Path("/proc")
_STATE_FIELD: Final = 0  # of what follows the command's name in /proc/PID/stat, see proc(5)
_START_FIELD: Final = 19
_ENDED: Final = ("Z", "X")


@final
class OtherProcess:
    """A process by its number and the time it was started at, since numbers are given out again.

    Args:
        pid: Its number.

    Raises:
        UsageError: There is no such process, it may not be signalled, or its start time cannot be told.
    """

    def __init__(self, pid: int) -> None:
        if pid <= 1 or pid == os.getpid():
            raise UsageError(f"--stop-pid must be the number of another process, above 1, but got {pid}.")
        self.pid = pid
        self._started = _started(pid)
        if self._started is None:
            raise UsageError(f"--stop-pid {pid}: there is no such process.")
        try:
            os.kill(pid, 0)
        except OSError as error:
            raise UsageError(f"--stop-pid {pid}: it cannot be signalled: {error.strerror}.") from None

    @property
    def runs(self) -> bool:
        """Whether the process is still there and the same."""
        return _started(self.pid) == self._started

    def over(self) -> str | None:
        """Return that it has ended, None where it has not."""
        return None if self.runs else f"process {self.pid} has ended"

    def signal(self, number: signal.Signals) -> str:
        """Send a signal, if the process is still the same, and return in one clause what was done."""
        if not self.runs:
            return f"process {self.pid} had ended already; nothing was signalled"
        try:
            os.kill(self.pid, number)
        except OSError as error:
            return f"process {self.pid} could not be sent {number.name}: {error.strerror}"
        return f"process {self.pid} was sent {number.name}"


def signal_of(name: str) -> signal.Signals:
    """Return the signal of a name or number: ``TERM``, ``SIGINT``, ``10``.

    Raises:
        UsageError: There is no such signal.
    """
    known = {each.name.removeprefix("SIG"): each for each in signal.Signals}
    asked = name.strip().upper().removeprefix("SIG")
    found = known.get(asked) or next((each for each in signal.Signals if asked == str(each.value)), None)
    if found is None:
        raise UsageError(unknown_name("--signal", name, known))
    return found


def _started(pid: int) -> str | None:
    """Return when a process was started, in whatever words the system has for it; None where it has ended."""
    if (PROC / "self" / "stat").exists():
        try:
            fields = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[_STATE_FIELD] in _ENDED else fields[_START_FIELD]
    try:  # macOS and the BSDs
        command = ["ps", "-o", "stat=,lstart=", "-p", str(pid)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        raise UsageError("--stop-pid needs /proc or the command ps, to tell processes apart.") from None
    state, _, started = done.stdout.strip().partition(" ")
    return None if not started or state[:1] in _ENDED else started.strip()
