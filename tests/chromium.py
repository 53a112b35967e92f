"""The one place where tests and the pictures of the documentation start a browser."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# How long a page may take to come to what is expected of it; only a test that fails takes so long.
PATIENCE_MS = 60_000
WATCH_VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", event => window.violations.push(event.blockedURI));
"""


def browser_path() -> str:
    """Return the installed browser; without one skip, or fail where CI asks for it."""
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        missing = "no Chromium or Chrome was found: apt-get install chromium"
        if os.environ.get("CI") == "true":
            pytest.fail(missing)
        pytest.skip(missing)
    return path


@contextmanager
def chromium() -> Iterator[Any]:
    """Give a running browser, and end it."""
    from playwright import sync_api

    path = browser_path()
    sync_api.expect.set_options(timeout=PATIENCE_MS)
    with sync_api.sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=list(FLAGS))
        yield launched
        launched.close()


def shoot(page: Any, name: str) -> None:
    """Save a screenshot of a page if ``OVERFIT_MONITOR_SCREENSHOTS`` names a folder."""
    folder = os.environ.get("OVERFIT_MONITOR_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(folder) / f"{name}.png")
