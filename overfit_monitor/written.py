"""Settings that somebody wrote by hand, in TOML, YAML or JSON, and the line on which each of them stands."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from overfit_monitor.errors import UsageError

Place = Sequence[str | int]

_KEY = r"(?:[A-Za-z0-9_-]+|\"[^\"]*\"|'[^']*')"
_KEYS = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_TABLE = rf"\s*\[\s*({_KEYS})\s*\]\s*(?:#.*)?$"
_ELEMENT = rf"\s*\[\[\s*({_KEYS})\s*\]\]\s*(?:#.*)?$"
_SETTING = rf"\s*({_KEYS})\s*="


class Written(NamedTuple):
    """What a file says.

    Attributes:
        content: What it holds; None where it is empty.
        line_of: Returns the line of a setting, or of the nearest above it that has one; None where unknown.
    """

    content: Any
    line_of: Callable[[Place], int | None]


def read_written(path: Path) -> Written:
    """Read a file in TOML (``.toml``), YAML (``.yaml``, ``.yml``; needs the extra ``yaml``) or else JSON.

    Raises:
        UsageError: It cannot be read, or is not what its name says; the message names file and line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
        if path.suffix == ".toml":
            return _toml(text, path)
        return _yaml(text, path) if path.suffix in (".yaml", ".yml") else Written(json.loads(text), lambda _: None)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    except UsageError:
        raise
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: no valid {path.suffix.lstrip('.').upper() or 'JSON'}: {error}") from None


def at(path: Path, line: int | None) -> str:
    """Return a file with the line, as compilers write them: ``settings.toml:12``."""
    return str(path) if line is None else f"{path}:{line}"


def _toml(text: str, path: Path) -> Written:
    import tomllib

    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = re.search(r"\(at (?:line (\d+).*|end of document)\)$", str(error))
        line = int(told[1]) if told and told[1] else len(text.splitlines()) or 1
        raise UsageError(f"{at(path, line)}: no valid TOML: {error}") from None
    return Written(content, lambda place: _nearest(toml_lines(text), place))  # lines are only asked for in errors


def toml_lines(text: str) -> dict[tuple[str | int, ...], int]:
    r"""Return the line of every table and setting of a TOML document, dashes in their names as underscores.

    ``tomllib`` does not tell lines. What stands in inline tables is found under the setting that holds them.

    Example:
        >>> toml_lines("a = 1\n[[b]]\nc-d = 2\n")
        {('a',): 1, ('b', 0): 2, ('b', 0, 'c_d'): 3}
    """
    lines: dict[tuple[str | int, ...], int] = {}
    table: tuple[str | int, ...] = ()
    elements: Counter[tuple[str | int, ...]] = Counter()
    inside = ""  # the quotes of a string over several lines
    for number, line in enumerate(text.splitlines(), 1):
        if not inside:
            if found := re.match(_ELEMENT, line):
                table = _within(_parts(found[1]), elements)
                elements[table] += 1
                table = (*table, elements[table] - 1)
            elif found := re.match(_TABLE, line):
                table = _within(_parts(found[1]), elements)
                table = (*table, elements[table] - 1) if elements[table] else table
            elif found := re.match(_SETTING, line):
                lines.setdefault((*table, *_parts(found[1])), number)
            if found and table and found.re.pattern != _SETTING:
                lines.setdefault(table, number)
        inside = _still_inside(line, inside)
    return lines


def _still_inside(line: str, inside: str) -> str:
    for quotes in re.findall(r'"""|' + r"'''", line):
        inside = "" if inside == quotes else inside or quotes
    return inside


def _within(parts: Sequence[str], elements: Mapping[tuple[str | int, ...], int]) -> tuple[str | int, ...]:
    """Return the place of a table, with the last element of every list of tables above it."""
    place: tuple[str | int, ...] = ()
    for i, part in enumerate(parts):
        place = (*place, part)
        if i < len(parts) - 1 and elements.get(place):
            place = (*place, elements[place] - 1)
    return place


def _parts(keys: str) -> list[str]:
    return [part.strip("\"'").replace("-", "_") for part in re.findall(_KEY, keys)]


def _nearest(lines: Mapping[tuple[str | int, ...], int], place: Place) -> int | None:
    wanted = tuple(part.replace("-", "_") if isinstance(part, str) else part for part in place)
    return next((lines[wanted[:n]] for n in range(len(wanted), 0, -1) if wanted[:n] in lines), None)


def _yaml(text: str, path: Path) -> Written:
    try:
        import yaml
    except ImportError:
        raise UsageError(f"{path}: YAML needs pyyaml: pip install 'overfit-monitor[yaml]', or use TOML.") from None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or " ".join(str(error).split())
        raise UsageError(f"{at(path, mark and mark.line + 1)}: no valid YAML: {problem}") from None
    return Written(content, lambda place: _line_in(yaml.compose(text, Loader=yaml.SafeLoader), place))


def _line_in(node: Any, place: Place) -> int | None:
    line = None
    for part in place:
        inner, line_of_key = _step(node, part)
        if inner is None:
            break
        node, line = inner, line_of_key
    return line


def _step(node: Any, part: str | int) -> tuple[Any, int | None]:
    value = getattr(node, "value", None)
    if not isinstance(value, list):
        return None, None
    if isinstance(part, int) and part < len(value) and not isinstance(value[part], tuple):
        return value[part], value[part].start_mark.line + 1
    for pair in value:
        if isinstance(pair, tuple) and str(pair[0].value).replace("-", "_") == str(part).replace("-", "_"):
            return pair[1], pair[0].start_mark.line + 1
    return None, None
