"""The parser of the command line: what is wrong with it is one line, and its help is made to be read."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, NoReturn

from overfit_monitor.errors import UsageError, unknown_name

_INVALID: Final = re.compile(r"invalid (?P<kind>int|float) value: (?P<value>.*)", re.S)
_WANTED: Final = {"int": "a whole number", "float": "a number"}
_MISSING: Final = "the following arguments are required: "


class Help(argparse.RawDescriptionHelpFormatter):
    """Keeps examples as they are written; the usage names no options, of which there is a list below it."""

    def __init__(self, prog: str, **more: Any) -> None:
        super().__init__(prog, max_help_position=28, **more)
        self._action_max_length = 14  # the names of our commands, which argparse reckons too short

    def add_usage(self, usage: str | None, actions: Iterable[Any], groups: Iterable[Any], prefix: Any = None) -> None:
        """Add the usage."""
        given = list(actions)
        positional = [action for action in given if not action.option_strings]
        if usage is None and len(positional) < len(given):
            usage = f"%(prog)s [OPTION ...] {' '.join(map(self._told, positional))}".rstrip()
        super().add_usage(usage, given, groups, prefix)

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        import textwrap  # needed for help alone, as below for a mistake alone

        lines = (textwrap.wrap(line, width) if line[:1].strip() else [line] for line in text.splitlines())
        return "\n".join(indent + line for wrapped in lines for line in wrapped)

    def _told(self, action: argparse.Action) -> str:
        return self._format_args(action, self._get_default_metavar_for_positional(action))


class Parser(argparse.ArgumentParser):
    """Raises what is wrong as a `UsageError` with what would be right."""

    def __init__(self, **more: Any) -> None:
        super().__init__(**{"formatter_class": Help, **more})

    def parsed(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Return the arguments of a command line, without the program's name.

        Raises:
            UsageError: They cannot be right.
        """
        options, unknown = self.parse_known_args(arguments)
        if unknown:
            self._called(options)._complain(unknown[0])
        return options

    def error(self, message: str) -> NoReturn:
        """Raise a `UsageError`.

        Args:
            message: What argparse says is wrong.
        """
        if message.startswith(_MISSING):
            raise UsageError(f"{message.removeprefix(_MISSING)} is missing; {self._helps}.")
        told = message.removeprefix("argument ")
        name, _, rest = told.partition(": ")
        if found := _INVALID.fullmatch(rest):
            raise UsageError(f"{name} must be {_WANTED[found['kind']]} but got {found['value']}.")
        if rest == "expected one argument":
            raise UsageError(f"{name} needs a value; {self._helps}.")
        raise UsageError(f"{told}.")

    @property
    def _helps(self) -> str:
        return f"'{self.prog} --help' has examples"

    def _called(self, options: argparse.Namespace) -> Parser:
        """Return the parser of the command that was called."""
        for action in self._actions:
            name = getattr(options, action.dest, None)
            if isinstance(action, argparse._SubParsersAction) and name in action.choices:
                called: Parser = action.choices[name]
                return called._called(options)
        return self

    def _complain(self, word: str) -> NoReturn:
        import difflib

        name = word.partition("=")[0]
        if not name.startswith("-"):
            raise UsageError(f"{word!r} is one argument too many; {self._helps}.")

        close = difflib.get_close_matches(name, self._option_string_actions, n=2, cutoff=0.6)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        raise UsageError(f"unknown option {name}.{hint} '{self.prog} --help' lists all.")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            kind = "/".join(action.option_strings) or action.dest
            raise UsageError(unknown_name(kind, str(value), map(str, action.choices)))


def existing(given: str) -> Path:
    """Return the path of a file that is there, for an argument."""
    path = Path(given)
    if not path.exists():
        raise argparse.ArgumentTypeError(f"there is no file {given}")
    return path
