"""The benchmark of the pages runs as a user would run it: every table but that of the long run, which is slow."""

import subprocess
import sys
from pathlib import Path

import pytest

from ..chromium import browser_path

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "frontend.py"


def rows(text):
    """Return the rows below the heads of all tables."""
    lines = [[cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines() if line.startswith("| ")]
    return lines[1::2]


def printed(*arguments):
    command = [sys.executable, str(SCRIPT), *arguments]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_bytes_add_up():
    pytest.importorskip("playwright")
    ((*parts, total),) = [[float(cell) for cell in row] for row in rows(printed("--tables", "bytes"))]
    assert total == pytest.approx(sum(parts), abs=0.2)


def test_first_paint_and_news_are_measured():
    pytest.importorskip("playwright")
    pytest.importorskip("tensorboard")
    browser_path()
    paint, news = rows(printed("--tables", "paint", "--runs", "3", "--evaluations", "20"))
    first, _, judged, whole, own = map(float, paint)
    assert 0 < first <= judged
    assert first < whole
    assert own > 0
    assert news[-1] == "1"
