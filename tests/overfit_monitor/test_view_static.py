"""The pages' own files: nothing in them that could run a log's text, types that fit, and few bytes."""

from __future__ import annotations

import gzip
import os
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

STATIC = Path(str(files("overfit_monitor.view") / "static"))
OWN = sorted(path for path in STATIC.iterdir() if path.suffix in {".js", ".css"})
MODULES = [path for path in OWN if path.suffix == ".js"]
MOST_BYTES = 150_000
MOST_LINES = 340
# Whatever turns text into markup or code, and whatever loads something from elsewhere.
FORBIDDEN = (
    r"\b(inner|outer)HTML\b|insertAdjacentHTML|createContextualFragment|DOMParser|document\.write|srcdoc",
    r"\beval\(|new Function|javascript:|setTimeout\(\s*[\"'`]|setInterval\(\s*[\"'`]",
    r"https?://(?!www\.w3\.org/)\w|@import|sendBeacon|WebSocket|EventSource|XMLHttpRequest",
)
IMPORT = re.compile(
    r"^(?:import|export)\b[^;]*?\bfrom \"(.+?)\";|(?<!typedef \{)(?<!\{)\bimport\(\"(.+?)\"\)(?!\.\w+)", re.M
)


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
@pytest.mark.parametrize("pattern", FORBIDDEN, ids=["markup", "code", "network"])
def test_no_text_of_a_log_can_become_markup_or_code(path: Path, pattern: str) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    found = [f"{path.name}:{i}: {line.strip()}" for i, line in enumerate(lines, 1) if re.search(pattern, line)]
    assert not found


def test_forbidden_words_are_found() -> None:
    bad = ["a.innerHTML = x", "eval(x)", 'fetch("https://elsewhere.org")']
    assert [bool(re.search(pattern, line)) for pattern, line in zip(FORBIDDEN, bad, strict=True)] == [True] * 3
    assert not re.search(FORBIDDEN[2], 'const SVG = "http://www.w3.org/2000/svg";')


def test_frontend_is_small() -> None:
    everything = [path for path in STATIC.rglob("*") if path.is_file() and path.name != "LICENSE"]
    size = sum(len(gzip.compress(path.read_bytes(), 6)) for path in everything)
    assert 30_000 < size <= MOST_BYTES, f"{size:,} bytes gzipped"


def test_modules_are_short_enough_to_be_read() -> None:
    long = {path.name: count for path in MODULES if (count := len(path.read_text().splitlines())) > MOST_LINES}
    assert not long


def test_every_module_is_imported_and_every_import_is_there() -> None:
    seen: set[Path] = set()
    waiting = [STATIC / "index.js"]
    while waiting:
        path = waiting.pop()
        if path in seen or "vendor" in path.parts:
            continue
        seen.add(path)
        for found in IMPORT.finditer(path.read_text(encoding="utf-8")):
            target = (path.parent / (found[1] or found[2])).resolve()
            assert target.is_file(), f"{path.name} imports {target.name}"
            waiting.append(target)
    # Types only, which no module imports when it runs.
    assert {path.name for path in MODULES} - {path.name for path in seen} == {"contract.js"}


def test_types_fit() -> None:
    """`tsc` where it is installed, or in CI by npm; what is vendored is not ours to check."""
    here = shutil.which("tsc")
    npx = shutil.which("npx") if os.environ.get("CI") == "true" else None
    if here is None and npx is None:
        pytest.skip("no tsc: `make types` runs it by npm")
    command = [here] if here else [str(npx), "--yes", "-p", "typescript@5.9.3", "tsc"]
    config = STATIC.parent / "jsconfig.json"
    done = subprocess.run([*command, "-p", str(config)], capture_output=True, text=True, timeout=500, check=False)
    if "error TS" not in done.stdout and done.returncode:
        pytest.skip(f"tsc could not be run: {done.stderr[-200:]}")
    assert "error TS5" not in done.stdout, done.stdout  # its own settings
    ours = [line for line in done.stdout.splitlines() if "error TS" in line and "/vendor/" not in line]
    assert not ours, "\n".join(ours)
