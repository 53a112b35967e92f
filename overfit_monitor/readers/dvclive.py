"""DVCLive: ``dvclive/plots/metrics/**/NAME.tsv``, a file for each metric."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.lines import Faults, lines_of, number_of
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.series import Points, run_of_series, step_of

_FOLDERS: Final = ("plots", "metrics")


@final
@dataclass(frozen=True, slots=True)
class DvcLive:
    """Reads the metrics of each DVCLive folder as one run; the folders below ``metrics`` are part of the names.

    Attributes:
        names: What the user says is compared with what, None to go by the names of the metrics.
    """

    names: Names | None = None
    name: str = "dvclive"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether the file lies below ``plots/metrics`` and its header has ``step`` and its own name."""
        header = head.decode("utf-8", "replace").splitlines()[:1]
        cells = header[0].split("\t") if header else []
        return path.suffix == ".tsv" and "step" in cells and path.stem in cells and _home(path) is not None

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read the files of each folder as one run."""
        by_run: dict[Path, list[Path]] = {}
        for path in paths:
            by_run.setdefault(_home(path) or path.parent, []).append(path)
        for home, files in by_run.items():
            series: dict[str, Points] = {}
            notes: list[str] = []
            for path in files:
                name = path.relative_to(home.joinpath(*_FOLDERS)).with_suffix("").as_posix()
                faults = Faults(f"{name}, ")
                series[printable(name)] = list(_points(path, faults))
                notes += faults.notes()
            name = run_name(home, root) if home != root else printable(home.resolve().name)
            yield run_of_series(series, self.names, name=name, source=printable(home), notes=notes)


def _home(path: Path) -> Path | None:
    """Return the DVCLive folder, the parent of ``plots/metrics``."""
    return next((f.parent.parent for f in path.parents if (f.parent.name, f.name) == _FOLDERS), None)


def _points(path: Path, faults: Faults) -> Iterable[tuple[int, float]]:
    header: list[str] = []
    for line in lines_of(path):
        cells = line.text.split("\t")
        if not header:
            header = cells
            continue
        told = dict(zip(header, cells, strict=False))
        step, value = step_of(told.get("step", "")), number_of(told.get(path.stem, ""))
        if step is None or value is None or not line.whole:
            faults.at(line.number, "is cut off or damaged")
        else:
            yield step, value
