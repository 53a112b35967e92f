"""What can be downloaded: a run or the table of runs, whole and unrounded, as JSON or CSV."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from overfit_monitor.view.series import Curve, plain
from overfit_monitor.view.shown import ShownRun

FileFormat = Literal["json", "csv"]

_ROW_FIELDS = (
    *("run", "verdict", "severity", "onset_step", "alarm_step", "best_step", "stop_step", "last_step", "evaluations"),
    *("best_value", "last_value", "loss_lost", "noise", "recommendation", "message", "train_tag", "val_tag"),
    *("sampled", "alerts"),
)
_LONGEST_NAME = 80


def export_run(shown: ShownRun, format: FileFormat) -> str:
    """Return a run's verdict and every point of its curves; CSV has the curves only.

    A value that is not finite is written ``NaN``, ``Infinity`` or ``-Infinity``, which JSON holds as text; what was
    not logged at a step is left empty.
    """
    curves = _curves(shown)
    if format == "csv":
        return _csv(["step", "wall_time", *curves], _table(curves))
    content = {
        "schema_version": 1,
        "run": shown.name,
        "sampled": shown.sampled,
        "tags": dict(shown.tags),
        "diagnosis": plain(shown.diagnosis.model_dump()),
        "series": {name: _columns(curve) for name, curve in curves.items()},
    }
    return json.dumps(content, allow_nan=False)


def export_rows(rows: Iterable[Mapping[str, Any]], format: FileFormat) -> str:
    """Return the table of runs."""
    if format == "csv":
        return _csv(_ROW_FIELDS, ([_harmless(row[name]) for name in _ROW_FIELDS] for row in rows))
    return json.dumps({"schema_version": 1, "runs": list(rows)}, allow_nan=False)


def file_name(name: str, format: FileFormat) -> str:
    """Return a name for the downloaded file, of letters that every system takes."""
    safe = re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._")[:_LONGEST_NAME]
    return f"{safe or 'run'}.{format}"


def _curves(shown: ShownRun) -> dict[str, Curve]:
    curves = shown.curves
    found = {
        "train": curves.train,
        "validation": curves.val,
        "gap": curves.gap(shown.diagnosis.metrics.mode),
        "like_for_like_gap": curves.like_for_like_gap,
        "train_probe": curves.probe,
        "learning_rate": curves.learning_rate,
    }
    return {name: curve for name, curve in found.items() if len(curve)}


def _columns(curve: Curve) -> dict[str, Any]:
    times = None if curve.times is None else [_number(time) for time in curve.times.tolist()]
    return {"steps": curve.steps.tolist(), "values": [_number(v) for v in curve.values.tolist()], "times": times}


def _table(curves: Mapping[str, Curve]) -> Iterable[list[Any]]:
    values = {name: dict(zip(c.steps.tolist(), c.values.tolist(), strict=True)) for name, c in curves.items()}
    timed = [(curve.steps, curve.times) for curve in curves.values() if curve.times is not None]
    times = {s: t for steps, known in timed for s, t in zip(steps.tolist(), known.tolist(), strict=True)}
    for step in sorted({step for known in values.values() for step in known}):
        yield [step, times.get(step, ""), *(_number(known[step]) if step in known else "" for known in values.values())]


def _number(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _harmless(value: Any) -> Any:
    """Return a cell that no spreadsheet takes for a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value


def _csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    return text.getvalue()
