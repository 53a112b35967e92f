"""The neighbours on PyPI and ours, each called as its console script calls it."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

Alternatives = Sequence[Sequence[str]]


@dataclass(frozen=True)
class Tool:
    """A program that judges a log.

    Attributes:
        name: Its distribution; the module is ``name.cli``.
        judge: Arguments that judge the file put after them.
        as_json: Arguments that make it print JSON.
        onset: The step at which overfitting began by its JSON, NaN where it names none; None where it does not
            call the run overfit.
        asked: Arguments with which an overfit run is to fail.
        module: Module of the command line.
    """

    name: str
    judge: Sequence[str]
    as_json: Sequence[str]
    onset: Callable[[Any], float | None]
    asked: Sequence[str] = ()
    module: str = ""

    @property
    def installed(self) -> str | None:
        """Its version, None where it is not installed."""
        try:
            return version(self.name) if find_spec(self._module) else None
        except (PackageNotFoundError, ModuleNotFoundError):
            return None

    @property
    def _module(self) -> str:
        return f"{self.module or self.name}.cli"

    def command(self, *arguments: object) -> list[str]:
        """Return the command line that does what its console script does."""
        call = f"import sys; from {self._module} import main; sys.argv[0] = {self.name!r}; sys.exit(main())"
        return [sys.executable, "-c", call, *map(str, arguments)]

    def run(
        self, *arguments: object, folder: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run it in a process of its own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("GITHUB_")} | dict(env or {})
        command = self.command(*arguments)
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
        )

    def told(self, log: Path) -> float | None:
        """Return what `onset` makes of a log; it runs in this process, since that is done thousands of times."""
        said, main = io.StringIO(), import_module(self._module).main
        argv, sys.argv = sys.argv, [self.name, *self.judge, str(log), *self.as_json]
        try:
            with contextlib.redirect_stdout(said), contextlib.redirect_stderr(io.StringIO()):
                main()
        except SystemExit:
            pass
        finally:
            sys.argv = argv
        return self.onset(json.loads(said.getvalue()))


def _ours(said: Any) -> float | None:
    steps = [run["onset_step"] for run in said["runs"] if run["verdict"] == "overfitting"]
    return float(steps[0]) if steps else None


def _trainproof(said: Any) -> float | None:
    found = [finding for report in said["reports"] for finding in report["findings"] if finding["id"] == "TP-OVERFIT"]
    steps = [float(step) for finding in found for step in re.findall(r"near step (\d+)", finding["evidence"])]
    return (steps or [math.nan])[0] if found else None


def _losslint(said: Any) -> float | None:
    steps = [f["details"].get("since_step") for f in said["findings"] if f["check"] == "overfit_onset"]
    return float(math.nan if steps[0] is None else steps[0]) if steps else None


def _runmedic(said: Any) -> float | None:
    steps = [f["step"] for run in said for f in run["findings"] if f["check"] == "overfitting"]
    return float(math.nan if steps[0] is None else steps[0]) if steps else None


OURS = Tool(
    name="overfit-monitor",
    module="overfit_monitor",
    judge=["check"],
    as_json=["--format", "json"],
    onset=_ours,
)
PEERS = (
    Tool(
        name="trainproof",
        judge=["epoch"],
        as_json=["--json"],
        onset=_trainproof,
    ),
    Tool(
        name="losslint",
        judge=["check"],
        as_json=["--format", "json"],
        onset=_losslint,
        asked=["--fail-severity", "info"],
    ),
    Tool(
        name="runmedic",
        judge=["diagnose"],
        as_json=["--json"],
        onset=_runmedic,
        asked=["--fail-on", "warning"],
    ),
)
TOOLS = (OURS, *PEERS)
