"""``overfit-monitor schema``: the JSON schemas of what is written and of what may be set."""

from __future__ import annotations

import argparse
import json
from typing import Any, Final

from overfit_monitor.cli.common import add_output, put

SCHEMAS: Final = {
    "check": "what 'check --format json' writes",
    "config": "what may stand in [tool.overfit-monitor], or in a file of its own",
    "baseline": "what 'baseline update' writes",
}
EXAMPLES: Final = """\
examples:
  overfit-monitor schema check                   what a program can rely on
  overfit-monitor schema config --output c.json  for an editor that checks YAML
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Print a JSON schema: " + "; ".join(f"{name}: {told}" for name, told in SCHEMAS.items()) + "."
    parser.epilog = EXAMPLES
    parser.add_argument("schema", choices=tuple(SCHEMAS), metavar="|".join(SCHEMAS), help="which one")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    """Print it and return the exit status."""
    put(json.dumps(schema(options.schema), indent=2) + "\n", options.output)
    return 0


def schema(name: str) -> dict[str, Any]:
    """Return the JSON schema of this name.

    Args:
        name: ``check``, ``config`` or ``baseline``.
    """
    from overfit_monitor.published import schema_of_settings, schema_of_written

    if name == "config":
        from overfit_monitor.project_config import CheckConfig

        return schema_of_settings(CheckConfig, name)
    if name == "baseline":
        from overfit_monitor.baseline_file import BaselineFile

        return schema_of_written(BaselineFile, name)
    from overfit_monitor.reports.base import CheckResult

    return schema_of_written(CheckResult, name)
