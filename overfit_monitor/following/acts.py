"""What is done on an alarm or a stop: a command, a message, a file, a signal. Each says in one line what it did."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from signal import Signals
from typing import IO, Final, final

from overfit_monitor.errors import UsageError
from overfit_monitor.following.news import News
from overfit_monitor.following.process import OtherProcess
from overfit_monitor.reports.base import printable
from overfit_monitor.webhook import Webhook, WebhookError, message

PREFIX: Final = "OVERFIT_MONITOR_"
FIRST_LINE: Final = "overfit-monitor: stop"
_STANDARD_ERROR: Final = 2  # standard output is for the report
_OURS: Final = ("PYDANTIC_DISABLE_PLUGINS", "__all__")
LAST_WAIT: Final = 10.0


class Act:
    """Something to do on an alarm or a stop."""

    def take(self, news: News) -> Iterator[str]:
        """Do it, and say what was done."""
        raise NotImplementedError

    def tell(self) -> Iterator[str]:
        """Say what has become of it since; asked now and then."""
        yield from ()

    def close(self) -> Iterator[str]:
        """Wait for what is under way, not long, and say what has become of it."""
        yield from ()


@final
class RunCommand(Act):
    """Runs a command once for each alarm, beside the watching; what happened is in its environment.

    Args:
        command: The command.
        shell: Whether a shell runs it; otherwise it is split as a shell would and run as it is.
        quiet: Whether what it prints is thrown away, because a view has the terminal.

    Raises:
        UsageError: There is no such command.
    """

    def __init__(self, command: str, *, shell: bool = False, quiet: bool = False) -> None:
        try:
            self._words: str | list[str] = command if shell else shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--exec {command!r}: {str(error).lower()}.") from None
        if not self._words:
            raise UsageError("--exec must be a command but got an empty one.")
        if not shell and shutil.which(self._words[0]) is None:
            raise UsageError(f"--exec: there is no command {self._words[0]!r} here; --shell runs it by a shell.")
        self._shell, self._quiet = shell, quiet
        self._running: list[tuple[subprocess.Popen[bytes], IO[bytes], str]] = []

    def take(self, news: News) -> Iterator[str]:
        """Start the command on an alarm."""
        if news.kind != "alarm" or news.run is None:
            return
        told = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the command runs
        try:
            process = subprocess.Popen(  # noqa: S603 - the user's own command
                self._words,
                shell=self._shell,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL if self._quiet else _STANDARD_ERROR,
                stderr=told,
                env=_without_ours(os.environ) | environment(news),
            )
        except (OSError, ValueError) as error:
            told.close()
            yield f"--exec could not be run: {error}"
            return
        self._running.append((process, told, news.run.name))
        yield f"--exec runs for {news.run.name} (process {process.pid})"

    def tell(self) -> Iterator[str]:
        """Say which commands ended with a fault."""
        for each in list(self._running):
            process, told, name = each
            if process.poll() is not None:
                self._running.remove(each)
                yield from _ended(process.returncode, told, name)

    def close(self) -> Iterator[str]:
        """Wait for the commands that run, for at most ten seconds each, and leave them alone then."""
        for process, _, name in self._running:
            try:
                process.wait(LAST_WAIT)
            except subprocess.TimeoutExpired:
                process.returncode = 0  # it goes on by itself, and Python is not to complain of it
                yield f"--exec for {name} still runs (process {process.pid}) and is left to itself"
        yield from self.tell()


@final
class SendMessage(Act):
    """Sends one message for each alarm and each stop to a webhook.

    Args:
        hook: The webhook.
    """

    def __init__(self, hook: Webhook) -> None:
        self._hook = hook

    def take(self, news: News) -> Iterator[str]:
        """Send a message."""
        if news.run is not None:
            content = message(news.kind, news.run.checked, news.text)
            yield from _tried(lambda: self._hook.send(content))

    def tell(self) -> Iterator[str]:
        """Say what the server did not take."""
        yield from _tried(self._hook.check)

    def close(self) -> Iterator[str]:
        """Send what waits."""
        yield from _tried(self._hook.close)


@final
class StopFile(Act):
    """Writes a file for a loop to look for: whole or not at all, once.

    Args:
        path: The file. One of ours, left by an earlier watch, is removed.

    Raises:
        UsageError: There is a file of somebody else's, or the folder takes none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = False
        try:
            if path.exists():
                if not path.is_file() or not path.read_bytes().startswith(FIRST_LINE.encode()):
                    raise UsageError(f"--stop-file {path}: it is there already, and not ours: give another name.")
                path.unlink()
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"--stop-file {path}: {error.strerror or error}.") from None

    def take(self, news: News) -> Iterator[str]:
        """Write the file."""
        if self._written or news.run is None:
            return
        checked = news.run.checked
        facts = [f"{FIRST_LINE}: {news.kind}", printable(news.text), f"run: {printable(news.run.name)}"]
        facts += [f"step: {checked.step}", f"best step: {checked.best_step}", f"verdict: {checked.verdict}"]
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            beside.write_text("\n".join(facts) + "\n", encoding="utf-8", errors="backslashreplace")
            os.replace(beside, self.path)  # noqa: PTH105 - the atomic one
        except OSError as error:
            with suppress(OSError):
                beside.unlink()
            yield f"--stop-file {self.path} could not be written: {error.strerror or error}"
            return
        self._written = True
        yield f"--stop-file {self.path} was written"


@final
class StopProcess(Act):
    """Sends a process a signal, once.

    Args:
        process: The process.
        number: The signal.
    """

    def __init__(self, process: OtherProcess, number: Signals) -> None:
        self._process, self._number = process, number
        self._sent = False

    def take(self, news: News) -> Iterator[str]:
        """Send the signal."""
        if not self._sent:
            self._sent = True
            name = news.run.name if news.run else news.text
            yield f"{self._process.signal(self._number)} because of {name}: {news.text}"


def environment(news: News) -> dict[str, str]:
    """Return what a command is told of an alarm, by environment variable; an unknown step is empty."""
    if news.run is None:
        return {}
    checked = news.run.checked
    steps = {name: getattr(checked, name) for name in ("step", "best_step", "onset_step", "alarm_step", "stop_step")}
    told = {"event": news.kind, "run": checked.run, "source": checked.source, "verdict": checked.verdict, **steps}
    told["reason"] = news.text
    return {PREFIX + name.upper(): "" if value is None else printable(str(value)) for name, value in told.items()}


def _without_ours(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what our command line sets for itself, to start sooner."""
    return {name: value for name, value in variables.items() if (name, value) != _OURS}


def _tried(call: Callable[[], None]) -> Iterator[str]:
    try:
        call()
    except WebhookError as error:
        yield f"--webhook: {error}"


def _ended(status: int, told: IO[bytes], name: str) -> Iterator[str]:
    told.seek(0)
    lines: Sequence[str] = told.read(1 << 16).decode(errors="replace").strip().splitlines()
    told.close()
    if status:
        said = f": {printable(lines[-1])}" if lines else ""
        yield f"--exec for {name} ended with status {status}{said}"
