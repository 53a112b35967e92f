"""The pages of the view as one document: modules, styles and the policy that lets nothing else in.

A page opened from disk cannot import files, so every module is put into an import map as a ``data:`` address,
under a name that the others import it by. The scripts of the document are known to its content security policy
by their hashes; the modules that they import are trusted by ``'strict-dynamic'`` (CSP Level 3, W3C 2024,
section 8.2), and nothing may be loaded from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from functools import lru_cache
from importlib.resources import files
from typing import Final, NamedTuple

PACKAGE: Final = "overfit-monitor"
ENTRY: Final = "index.js"
# In the order in which they hold.
STYLES: Final = ("vendor/uplot-1.6.32/uPlot.min.css", "base.css", "overview.css", "compare.css", "run.css")
# Comments are left out first, which also name modules.
_COMMENT: Final = re.compile(r"/\*\*.*?\*/", re.S)
_IMPORT: Final = re.compile(r"""(?P<head>\bfrom\s+|^import\s+|\bimport\()"(?P<path>\.{1,2}/[^"]+\.js)\"""", re.M)
_START: Final = f'import {{ render }} from "{PACKAGE}/{ENTRY}";render();'
_BOOT: Final = f"""\
const start = document.createElement("script");
start.type = "module";
start.onerror = () => (document.getElementById("failed").hidden = false);
start.src = {json.dumps("data:text/javascript;base64," + base64.b64encode(_START.encode()).decode())};
document.body.append(start);
"""


class Bundle(NamedTuple):
    """What a document needs to show the pages.

    Attributes:
        import_map: Content of the import map.
        boot: Content of the module script that starts the pages.
        style: Content of the style element.
        policy: The content security policy that allows these three and nothing else.
    """

    import_map: str
    boot: str
    style: str
    policy: str


@lru_cache(maxsize=1)
def bundle() -> Bundle:
    """Return the pages as they are installed."""
    modules = {f"{PACKAGE}/{path}": _address(source) for path, source in sorted(_modules())}
    import_map = json.dumps({"imports": modules}, indent=0)
    style = "\n".join(_read(path) for path in STYLES).replace("</", "<\\/")
    scripts = " ".join(_hash(script) for script in (import_map, _BOOT))
    policy = (
        f"default-src 'none'; script-src {scripts} 'strict-dynamic'; style-src {_hash(style)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return Bundle(import_map, _BOOT, style, policy)


def _modules() -> Iterator[tuple[str, str]]:
    """Yield place and source of every module that the entry needs, its imports by the names of the import map."""
    seen, wanted = {ENTRY}, [ENTRY]
    while wanted:
        place = wanted.pop()
        source, needed = _renamed(place)
        yield place, source
        wanted += [path for path in needed if path not in seen]
        seen |= set(needed)


def _renamed(place: str) -> tuple[str, list[str]]:
    """Return the source of a module with its imports renamed, and the places of what it imports."""
    folder = place.rpartition("/")[0]
    needed: dict[str, None] = {}

    def rename(match: re.Match[str]) -> str:
        path = _resolved(folder, match["path"])
        needed.setdefault(path)
        return f'{match["head"]}"{PACKAGE}/{path}"'

    return _IMPORT.sub(rename, _COMMENT.sub("", _read(place))), list(needed)


def _resolved(folder: str, path: str) -> str:
    parts = [part for part in folder.split("/") if part]
    for part in path.split("/"):
        if part == "..":
            parts.pop()
        elif part != ".":
            parts.append(part)
    return "/".join(parts)


def _read(path: str) -> str:
    return files("overfit_monitor").joinpath("view", "static", *path.split("/")).read_text(encoding="utf-8")


def _address(source: str) -> str:
    return "data:text/javascript;base64," + base64.b64encode(source.encode()).decode()


def _hash(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
