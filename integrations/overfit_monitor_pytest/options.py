"""What can be set: on the command line, in the ini file, by the markers. Nothing here needs the analyzer."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

LOGS_NODE: Final = "overfit-logs"
LOGS_MARKER: Final = "overfit_logs"
MARKERS: Final = (
    "overfit(fail_on=None, max_gap=None, allow_inconclusive=False, **settings): what makes the overfit_guard of this "
    "test fail; settings are those of MonitorConfig, such as metric and mode.",
    f"{LOGS_MARKER}: a run in a log folder, made by --overfit-logs; '-m {LOGS_MARKER}' judges these only.",
)
UNUSED_MARKER: Final = (
    "the marker 'overfit' says what makes overfit_guard fail, but the test does not use that fixture."
)
_FAIL_ON: Final = "verdicts or a severity from which on a run fails, as 'check --fail-on'; default: error"
_LOGS: Final = "log file or folder: every run in it is a test of its own; repeat it for several"


def add(parser: pytest.Parser) -> None:
    """Add the options and the ini keys."""
    group = parser.getgroup("overfitting", "overfit-monitor")
    group.addoption("--overfit-logs", action="append", metavar="PATH", help=_LOGS)
    group.addoption("--overfit-fail-on", action="append", metavar="WORDS", help=_FAIL_ON)
    group.addoption(
        "--overfit-max-gap", metavar="GAP", help="largest generalization gap of a run, as 'check --max-gap'"
    )
    group.addoption(
        "--overfit-baseline", metavar="FILE", help="fail only on log runs that got worse than these, as 'check'"
    )
    group.addoption(
        "--overfit-config", metavar="FILE", help="settings instead of [tool.overfit-monitor] of pyproject.toml"
    )
    group.addoption(
        "--overfit-run-dir", metavar="DIR", help="folder for the journals of trainings that overfit_guard watches"
    )
    parser.addini("overfit_logs", f"{_LOGS}; not where tests are named on the command line", type="linelist")
    parser.addini("overfit_fail_on", _FAIL_ON, type="linelist")
    for name in ("max_gap", "baseline", "config", "run_dir"):
        parser.addini(f"overfit_{name}", f"as --overfit-{name.replace('_', '-')}", type="string")


def settle(config: pytest.Config) -> None:
    """Put the ini file's values where the command line has none, paths made absolute.

    Log folders of the ini file are left alone where tests are named: who runs one test wants that one. An xdist
    worker is given the arguments of the controller and comes to the same.

    Raises:
        UsageError: A log folder is standard input, which no test can read.
    """
    option, here = config.option, config.invocation_params.dir
    below = config.inipath.parent if config.inipath else config.rootpath
    named = config.args_source is pytest.Config.ArgsSource.ARGS
    if not option.overfit_logs:
        option.overfit_logs = [] if named else [_absolute(path, below) for path in config.getini("overfit_logs")]
    else:
        option.overfit_logs = [_absolute(path, here) for path in option.overfit_logs]
    if "-" in option.overfit_logs:
        raise pytest.UsageError("--overfit-logs cannot read standard input: write it to a file.")
    option.overfit_fail_on = option.overfit_fail_on or config.getini("overfit_fail_on")
    option.overfit_max_gap = option.overfit_max_gap or config.getini("overfit_max_gap") or None
    for name in ("overfit_baseline", "overfit_config", "overfit_run_dir"):
        given, kept = getattr(option, name), config.getini(name)
        setattr(option, name, _absolute(given, here) if given else _absolute(kept, below) if kept else None)
    if log_paths(config):
        from overfit_monitor_pytest.policy import log_policy

        log_policy(config)


def log_paths(config: pytest.Config) -> list[str]:
    """Return the log files and folders, absolute."""
    return list(config.option.overfit_logs or ())


def told_by(config: pytest.Config) -> dict[str, Any]:
    """Return the options that decide what fails, by their short names; None and empty where not given."""
    return {name: getattr(config.option, f"overfit_{name}") for name in ("fail_on", "max_gap", "baseline", "config")}


def _absolute(path: str, folder: Path) -> str:
    return path if path == "-" or "://" in path else str(folder / path)
