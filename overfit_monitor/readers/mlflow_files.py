"""MLflow's file store: ``mlruns/EXPERIMENT/RUN/metrics/NAME``, lines of timestamp, value and step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from overfit_monitor.readers.base import Run, printable, run_name
from overfit_monitor.readers.lines import Faults, lines_of, number_of
from overfit_monitor.readers.pairing import Names
from overfit_monitor.readers.series import Points, run_of_series, step_of

METRICS: Final = "metrics"
_LINE = re.compile(rb"\d{9,} \S+(?: -?\d+)?(?: \S+ \S+)?\r?(?:\n|$)")
_META = re.compile(r"^(run_name|lifecycle_stage): *(.*)$", re.MULTILINE)
_META_BYTES: Final = 1 << 16


@final
@dataclass(frozen=True, slots=True)
class MlflowFiles:
    """Reads the metrics of each run below a folder, whatever folders their names make.

    Attributes:
        names: What the user says is compared with what, None to go by the names of the metrics.
    """

    names: Names | None = None
    name: str = "mlflow"

    def recognizes(self, path: Path, head: bytes) -> bool:
        """Return whether the file lies below ``metrics`` and its first line is one of MLflow's."""
        return METRICS in path.parts[:-1] and _LINE.match(head) is not None

    def read(self, paths: Sequence[Path], root: Path) -> Iterable[Run]:
        """Read the files of each run as one run; deleted runs are passed over."""
        by_run: dict[Path, list[Path]] = {}
        for path in paths:
            by_run.setdefault(_home(path), []).append(path)
        for home, files in by_run.items():
            told = _told(home, root)
            if told.get("lifecycle_stage") == "deleted":
                continue
            series, notes = _series(home, files)
            name = told.get("run_name") or (run_name(home, root) if home != root else printable(home.resolve().name))
            yield run_of_series(series, self.names, name=name, source=printable(home), notes=notes)


def _home(path: Path) -> Path:
    """Return the folder of the run: that of MLflow's own file, or else that with the folder of metrics."""
    above = [folder.parent for folder in path.parents if folder.name == METRICS]
    return next((folder for folder in above if (folder / "meta.yaml").is_file()), above[-1])


def _told(home: Path, root: Path) -> dict[str, str]:
    """Return what MLflow's file says of the run, as long as it lies below what was named."""
    path = home / "meta.yaml"
    if not home.is_relative_to(root) or path.is_symlink() or not path.is_file():
        return {}
    with path.open("rb") as file:
        text = file.read(_META_BYTES).decode("utf-8", "replace")
    return {key: printable(value.strip().strip("'\"")) for key, value in _META.findall(text)}


def _series(home: Path, files: Sequence[Path]) -> tuple[dict[str, Points], tuple[str, ...]]:
    series: dict[str, Points] = {}
    notes: list[str] = []
    for path in files:
        faults = Faults(f"{path.relative_to(home / METRICS).as_posix()}, ")
        points = series.setdefault(printable(path.relative_to(home / METRICS).as_posix()), [])
        for line in lines_of(path):
            cells = line.text.split(" ")
            value = number_of(cells[1]) if len(cells) > 1 else None
            step = step_of(cells[2]) if len(cells) > 2 else 0
            if value is None or step is None or not line.whole:
                faults.at(line.number, "is cut off or damaged")
            else:
                points.append((step, value))
        notes += faults.notes()
    return {name: points for name, points in series.items() if points} or {key: [] for key in series}, tuple(notes)
