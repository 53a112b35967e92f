"""Alerts and stops to an address on the web, in the JSON that Slack, Mattermost and others take.

Training never waits for it: a message is put into a queue, and a thread of its own sends it. A message that is not
taken is tried again at most twice, after the time that the server asks for (``Retry-After``: Slack takes one message a
second of each webhook); what is wrong then is raised by the next call, where `overfit_monitor.guard.Guard`
turns it into one warning and switches the webhook off. The address is a secret, since whoever has it can post there:
it is shown nowhere, only the host is.

Slack's limits: 3,000 characters and at least one in a text object of a block, 40,000 in ``text``, ``&``, ``<`` and
``>`` escaped (docs.slack.dev: text object, formatting message text, rate limits; read in November 2026).
"""

from __future__ import annotations

import atexit
import json
import os
import re
import threading
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from http.client import HTTPException
from queue import Full, Queue
from time import sleep
from typing import Any, Final, final

from overfit_monitor.errors import UsageError
from overfit_monitor.records import Diagnosis, Report

SECONDS: Final = 5.0
PAUSES: Final = (0.5, 2.0)  # before the second and the third try
WAITING: Final = 100
LONGEST_PAUSE: Final = 60.0  # a server that asks for more is not waited for
LONGEST: Final = 2900
_ESCAPES: Final = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_REASON: Final = re.compile(r"[a-z_]{3,40}")  # as Slack gives it: ``no_service``, ``channel_is_archived``
_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})


class WebhookError(OSError):
    """A message was not taken; the text names the host and never the whole address.

    Attributes:
        again: Whether it may pass by itself.
        after: Seconds that the server asks to wait, 0 where it does not.
    """

    def __init__(self, text: str, *, again: bool = False, after: float = 0.0) -> None:
        super().__init__(text)
        self.again, self.after = again, after


def webhook(url: str, *, run: str | None = None, seconds: float = SECONDS) -> Webhook:
    """Return a sink that sends every alert, and the stop, to a webhook.

    Args:
        url: Address, ``https`` or ``http``; a secret that is not shown anywhere.
        run: Name of the run where the monitor has none.
        seconds: Longest wait for the server at each try, and at the end for what is still to be sent.

    Raises:
        UsageError: This is no address that can be posted to.

    Example:
        >>> from overfit_monitor import Monitor
        >>> monitor = Monitor(sinks={"webhook": webhook("https://hooks.example.com/services/T0/B0/secret")})
    """
    return Webhook(url, run=run, seconds=seconds)


@final
class Webhook:
    """Sends messages one after another from a thread of its own; see `webhook` for the arguments."""

    def __init__(self, url: str, *, run: str | None = None, seconds: float = SECONDS) -> None:
        self._url, self.host = _checked(url)
        self._run, self._seconds = run, seconds
        self._queue: Queue[dict[str, Any] | None] = Queue(WAITING)
        self._error: WebhookError | None = None
        self._thread: threading.Thread | None = None
        self._process = os.getpid()
        self._opener = urllib.request.build_opener(_NoRedirects)

    def __repr__(self) -> str:
        return f"Webhook({self.host})"

    def write(self, report: Report) -> None:
        """Send what this report raises.

        Raises:
            WebhookError: A message before this one was not taken.
        """
        self.check()
        for alert in report.alerts:
            told = {"finding": alert.id, "severity": alert.severity, "alarm_step": alert.alarm_step}
            self.send(message("alert", self._named(report.diagnosis), alert.message, told))
        if report.stop is not None:
            told = {"rule": report.stop.rule, "stop_step": report.stop.step}
            self.send(message("stop", self._named(report.diagnosis), report.stop.message, told))

    def send(self, content: dict[str, Any]) -> None:
        """Put a message into the queue and return at once.

        Raises:
            WebhookError: There are 100 waiting already.
        """
        if self._process != os.getpid():
            return  # a copy in a forked process; the messages are its parent's
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="overfit-monitor webhook", daemon=True)
            self._thread.start()
            atexit.register(self._drain)  # for a program that ends without closing its monitor
        try:
            self._queue.put_nowait(content)
        except Full:
            raise WebhookError(f"{self.host} does not keep up: {WAITING} messages wait") from None

    def check(self) -> None:
        """Raise what went wrong since it was last asked.

        Raises:
            WebhookError: A message was not taken.
        """
        error, self._error = self._error, None
        if error is not None:
            raise error

    def close(self) -> None:
        """Send what is waiting, for at most ``seconds``; closing twice is fine.

        Raises:
            WebhookError: A message was not taken.
        """
        self._drain()
        self.check()

    def _drain(self) -> None:
        thread, self._thread = self._thread, None
        if thread is None or self._process != os.getpid():
            return
        atexit.unregister(self._drain)
        with suppress(Full):  # then the thread ends with the process
            self._queue.put_nowait(None)
        thread.join(self._seconds)
        if thread.is_alive() and self._error is None:
            self._error = WebhookError(f"{self.host} did not take all messages within {self._seconds:g} seconds")

    def _work(self) -> None:
        while (content := self._queue.get()) is not None:
            try:
                self._post(json.dumps(content).encode())
            except WebhookError as error:
                self._error = error

    def _post(self, body: bytes) -> None:
        for pause in (*PAUSES, None):
            try:
                self._post_once(body)
            except WebhookError as error:
                if pause is None or not error.again or error.after > LONGEST_PAUSE:
                    raise
                sleep(max(pause, error.after))
            else:
                return

    def _post_once(self, body: bytes) -> None:
        headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "overfit-monitor"}
        try:
            request = urllib.request.Request(self._url, data=body, headers=headers, method="POST")  # noqa: S310
            with self._opener.open(request, timeout=self._seconds):
                return
        except urllib.error.HTTPError as error:
            told = f"{self.host} answered {error.code}{self._reason(error)}"
            after = _seconds(error.headers.get("Retry-After"))
            told += f" and asks to wait {after:g} seconds" if after > LONGEST_PAUSE else ""
            raise WebhookError(told, again=error.code in _AGAIN, after=after) from None
        except Exception as error:  # noqa: BLE001 - whatever it is, its text may hold the address; its kind does not
            reason = getattr(error, "reason", error)
            why = reason.strerror if isinstance(reason, OSError) and reason.strerror else type(reason).__name__
            again = isinstance(error, OSError | HTTPException)
            raise WebhookError(f"{self.host} cannot be reached: {why}", again=again) from None

    def _reason(self, error: urllib.error.HTTPError) -> str:
        if error.code // 100 == 3:
            error.close()
            return ", a redirect, which is not followed"
        with suppress(OSError, HTTPException), error:
            told = error.read(50).decode(errors="replace").strip()
            return f" ({told})" if _REASON.fullmatch(told) and told not in self._url else ""
        return ""

    def _named(self, diagnosis: Diagnosis) -> Diagnosis:
        return diagnosis if diagnosis.run else diagnosis.model_copy(update={"run": self._run})


def message(event: str, diagnosis: Diagnosis, text: str, told: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the JSON of one message: ``text`` and ``blocks`` for Slack, and the same as plain fields for others.

    Args:
        event: ``alert``, ``alarm`` or ``stop``.
        diagnosis: The diagnosis at that time.
        text: What happened.
        told: Further plain fields.
    """
    advice = diagnosis.recommendations[0].title if diagnosis.recommendations else None
    run = diagnosis.run or "a run"
    facts = {"step": diagnosis.step, "best step": diagnosis.best_step, "onset": diagnosis.onset_step}
    below = [f"{name} {value}" for name, value in facts.items() if value is not None]
    below += [f"try: {advice}"] if advice else []
    head = f"{event}: {run} ({diagnosis.verdict})"
    return {
        "text": _escaped(f"{head}: {text}"),
        "blocks": [
            {"type": "section", "text": _text(_escaped(head, 300))},
            {"type": "section", "text": _text(_escaped(text) or event)},
            {"type": "context", "elements": [_text(_escaped(" · ".join(below) or "no step yet"))]},
        ],
        "event": event,
        "run": diagnosis.run,
        "source": diagnosis.source,
        "verdict": diagnosis.verdict,
        "step": diagnosis.step,
        "best_step": diagnosis.best_step,
        "onset_step": diagnosis.onset_step,
        "message": text[:LONGEST],
        "recommendation": advice,
        **(told or {}),
    }


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect would turn the message into a request without content, possibly to another host."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""


def _checked(url: str) -> tuple[str, str]:
    """Return the address and its host, which may be shown."""
    try:
        parts = urllib.parse.urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        parts, host = urllib.parse.urlsplit(""), None
    if parts.scheme not in ("https", "http") or not host or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError("webhook must be an address that begins with https:// or http:// (it is not shown here).")
    return url, host


def _seconds(told: str | None) -> float:
    """Return the seconds of a ``Retry-After``; one with a date is left to the usual pauses."""
    return float(told) if told is not None and told.strip().isdecimal() else 0.0


def _text(text: str) -> dict[str, Any]:
    """Return a text object in which a name that looks like a channel, a mention or an address is left as it is."""
    return {"type": "mrkdwn", "text": text, "verbatim": True}


def _escaped(text: str, longest: int = LONGEST) -> str:
    """Return text in which Slack finds no link, no mention and no channel, and no longer than it takes."""
    escaped: list[str] = []
    length = 0
    for char in text:
        piece = _ESCAPES.get(char, char) if char.isprintable() else " "
        length += len(piece)
        if length > longest:
            return "".join(escaped) + " ..."
        escaped.append(piece)
    return "".join(escaped)
