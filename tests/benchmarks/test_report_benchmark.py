"""The benchmark of the report runs as a user would run it, and the pages stay light."""

import subprocess
import sys
from pathlib import Path

import pytest

from ..chromium import browser_path

pytest.importorskip("playwright.sync_api")
SCRIPT = Path(__file__).parents[2] / "benchmarks" / "report.py"


def test_three_tables_are_printed():
    browser_path()
    small = ("--runs", "2", "--evaluations", "20", "--points", "40", "--frames", "2")
    command = [sys.executable, str(SCRIPT), *small]
    result = subprocess.run(command, check=False, capture_output=True, text=True, timeout=500)
    assert result.returncode == 0, result.stderr
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in result.stdout.splitlines() if "|" in line]
    first = [line[0] for line in lines]
    assert first.count("runs") == first.count("page") == first.count("part") == 1
    report = dict(zip(lines[0], lines[2], strict=True))
    assert report["runs"] == "2"
    assert 0.1 < float(report["size (MB)"]) < 2.0
    whole = next(line for line in lines if line[0] == "in all")
    assert float(whole[2]) <= 150.0  # what the tab may weigh, gzipped
