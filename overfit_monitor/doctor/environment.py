"""What is installed: versions, known trouble, and whether our entry points work. Nothing large is imported."""

from __future__ import annotations

import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import metadata
from importlib.metadata import EntryPoint
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Literal

from overfit_monitor.records import Record

NAME: Final = "overfit-monitor"
# What is told of beside what the core needs, in this order, with the extra that installs it.
SHOWN: Final = {
    "torch": "torch",
    "keras": "keras",
    "tensorflow": "keras",
    "tensorboard": "tensorboard",
    "google-crc32c": "tensorboard",
    "rich": "watch",
    "matplotlib": "plot",
    "pyyaml": "yaml",
    "shtab": "completion",
}
GROUPS: Final = ("overfit_monitor.readers", "overfit_monitor.sinks", "tensorboard_plugins", "pytest11")
_REQUIREMENT: Final = re.compile(
    r"([\w.-]+)(?:\[[\w,.-]+\])?\s*(?:\(?>=\s*([\d.]+))?[^;]*(?:;.*extra\s*==\s*['\"](\S+)['\"])?"
)


class Package(Record):
    """A package that we can make use of.

    Attributes:
        name: Its name.
        version: The version that is installed, None where it is not.
        needs: The least version that we work with, None where any does.
        extra: The extra that installs it, None where the core needs it.
        trouble: What is wrong with it, None for nothing. One that is only missing is in trouble if the core needs it.
    """

    name: str
    version: str | None
    needs: str | None
    extra: str | None
    trouble: str | None = None


class Offer(Record):
    """An entry point of ours in somebody else's program or our own.

    Attributes:
        group: The group of the entry point.
        name: Its name.
        state: ``works``, ``unused`` where the package it is for is not installed, or ``broken``.
        why: What is wrong, None where it works.
    """

    group: str
    name: str
    state: Literal["works", "unused", "broken"]
    why: str | None = None


class Environment(Record):
    """What is installed.

    Attributes:
        version: Our own version.
        place: Where we are installed.
        python: Version of Python.
        executable: The Python that runs this.
        system: The operating system.
        packages: What we can make use of.
        offers: Our entry points.
        troubles: Everything that is wrong, in whole sentences; empty where nothing is.
    """

    version: str
    place: str
    python: str
    executable: str
    system: str
    packages: tuple[Package, ...]
    offers: tuple[Offer, ...]
    troubles: tuple[str, ...] = ()


def look_at_environment(
    versions: Callable[[str], str | None] | None = None, points: Iterable[EntryPoint] | None = None
) -> Environment:
    """Return what is installed.

    Args:
        versions: Version of a package by its name, None where it is not there; None asks the installation.
        points: Our entry points; None asks the installation.
    """
    version_of = versions or _version
    packages = tuple(_packages(version_of))
    offers = tuple(map(_offer, _points() if points is None else points))
    return Environment(
        version=version_of(NAME) or "not installed",
        place=str(Path(__file__).parents[1]),
        python=platform.python_version(),
        executable=sys.executable,
        system=platform.platform(),
        packages=packages,
        offers=offers,
        troubles=tuple(_troubles(packages, offers, version_of)),
    )


def _packages(version_of: Callable[[str], str | None]) -> Iterator[Package]:
    needs = _needs()
    for name in (*(name for name, (_, extra) in needs.items() if extra is None), *SHOWN):
        least, _ = needs.get(name, (None, None))
        extra, version = SHOWN.get(name), version_of(name)
        trouble = None
        if version is None and extra is None:
            trouble = "it is not installed, and the core needs it"
        elif version is not None and least is not None and _number(version) < _number(least):
            trouble = f"it is older than {least}, the oldest that is supported"
        yield Package(name=name, version=version, needs=least, extra=extra, trouble=trouble)


def _troubles(
    packages: Iterable[Package], offers: Iterable[Offer], version_of: Callable[[str], str | None]
) -> Iterator[str]:
    for package in packages:
        if package.trouble:
            to = NAME if package.extra is None else f"{NAME}[{package.extra}]"
            yield f'{package.name}: {package.trouble}: pip install --upgrade "{to}".'
    for offer in offers:
        if offer.state == "broken":
            yield f"the entry point {offer.name!r} of {offer.group} does not work: {offer.why}."
    board, setuptools = version_of("tensorboard"), version_of("setuptools")
    if board is not None and not any(offer.group == "tensorboard_plugins" for offer in offers):
        yield f"TensorBoard does not know of the tab: install {NAME} into the environment that runs tensorboard."
    if board and setuptools and _number(board) < (2, 21) and _number(setuptools) >= (82, 0):
        yield (
            f"tensorboard {board} does not start with setuptools {setuptools}: pip install --upgrade tensorboard, or "
            "pip install 'setuptools<82'."  # its issues 7003 and 7064
        )


def _needs() -> Mapping[str, tuple[str | None, str | None]]:
    """Return the least version and the extra of everything we ask for, by name; the first extra of several."""
    needs: dict[str, tuple[str | None, str | None]] = {}
    for text in _requires():
        found = _REQUIREMENT.match(text)
        if found:
            needs.setdefault(found[1].lower(), (found[2], found[3]))
    return needs


def _requires() -> list[str]:
    try:
        return metadata.requires(NAME) or []
    except metadata.PackageNotFoundError:
        return []


def _points() -> Iterator[EntryPoint]:
    for group in GROUPS:
        for point in sorted(metadata.entry_points(group=group), key=lambda point: point.name):
            if point.module.partition(".")[0].startswith("overfit_monitor"):
                yield point


def _offer(point: EntryPoint) -> Offer:
    host = {"tensorboard_plugins": "tensorboard", "pytest11": "pytest"}.get(point.group, point.name)
    if find_spec(host) is None:
        return Offer(group=point.group, name=point.name, state="unused", why=f"{host} is not installed")
    try:
        point.load()
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what we are here to tell
        return Offer(group=point.group, name=point.name, state="broken", why=f"{type(error).__name__}: {error}")
    return Offer(group=point.group, name=point.name, state="works")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _number(version: str) -> tuple[int, ...]:
    parts = [int(part) for part in re.findall(r"\d+", version.partition("+")[0])[:3]]
    return (*parts, 0, 0, 0)[:3]
