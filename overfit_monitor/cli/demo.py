"""``overfit-monitor demo``: the demo of whichever integration has one."""

from __future__ import annotations

from overfit_monitor.cli.common import COULD_NOT_JUDGE, PROGRAM, say


def run(arguments: list[str]) -> int:
    """Run the demo and return its exit status; without the packages it needs, say which."""
    from overfit_monitor.extensions import registered

    for point in registered("commands"):
        if point.name == "demo":
            try:
                command = point.load()
            except ImportError as error:
                say(f'the demo needs more packages ({error}): pip install "{PROGRAM}[demo]"')
                return COULD_NOT_JUDGE
            return int(command(arguments))
    say(f'the demo is not installed: pip install "{PROGRAM}[demo]"')
    return COULD_NOT_JUDGE
