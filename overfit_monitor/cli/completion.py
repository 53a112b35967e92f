"""``overfit-monitor completion``: the script that makes a shell complete our commands."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

from overfit_monitor.cli.common import COULD_NOT_JUDGE, PROGRAM, put, say

if TYPE_CHECKING:
    from collections.abc import Iterator

SHELLS: Final = ("bash", "zsh", "fish")
FILES: Final = frozenset({"FILE", "PATH", "LOG", "[FORMAT=]FILE"})
# Where zsh is told of several paths, shtab lets it complete the first alone.
_MANY: Final = re.compile(r'^( *")\(\*\)::?', re.M)
# What may stand there among other things, so that it cannot be the choices that the parser takes.
_WORDS: Final = {
    "fail_on": ("overfitting", "diverging", "underfitting", "inconclusive", "healthy", "error", "warning", "info"),
    "policy": ("evidence", "patience:10", "gl:3", "pq:1", "up:3", "never"),
    "signal": ("TERM", "INT", "HUP", "USR1", "KILL"),
}
EXAMPLES: Final = """\
examples:
  once, in bash:
    eval "$(overfit-monitor completion bash)"
  bash:
    cd ~/.local/share/bash-completion/completions
    overfit-monitor completion bash > overfit-monitor
  zsh, with fpath+=~/.zfunc before compinit in ~/.zshrc:
    overfit-monitor completion zsh > ~/.zfunc/_overfit-monitor
  fish:
    cd ~/.config/fish/completions
    overfit-monitor completion fish > overfit-monitor.fish

a new shell completes then; write the script again after an update. It needs the extra 'completion'.
"""


def describe(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.description = "Print the script that makes a shell complete commands, options and their values."
    parser.epilog = EXAMPLES
    parser.add_argument("shell", choices=SHELLS, help="the shell it is for")


def run(options: argparse.Namespace) -> int:
    """Print the script and return the exit status; without shtab, say how to install it."""
    try:
        import shtab
    except ImportError:
        say(f'completion needs one more package: pip install "{PROGRAM}[completion]"')
        return COULD_NOT_JUDGE
    from overfit_monitor.cli import parser

    whole = parser()
    for action in _actions(whole):
        action.choices = _WORDS.get(action.dest, action.choices)
        if action.metavar in FILES or action.type is Path:
            action.complete = shtab.FILE  # type: ignore[attr-defined]  # where shtab looks for it
    script = shtab.complete(whole, options.shell)
    put(_MANY.sub(r"\1*:", script) if options.shell == "zsh" else script, None)
    return 0


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
