"""The sink that writes alerts and derived curves for TensorBoard, without TensorFlow."""

from __future__ import annotations

import os
import re
import socket
import time
from io import BytesIO
from itertools import count
from pathlib import Path
from typing import Any, final

from tensorboard.summary.writer.record_writer import RecordWriter

from overfit_monitor.records import Report
from overfit_monitor.sinks import Sink
from overfit_monitor_tensorboard.names import (
    ALERTS_TAG,
    APPLIED_TAG,
    BEST_TAG,
    GAP_TAG,
    LEVEL_TAG,
    MEMBERSHIP_TAG,
    PLUGIN_NAME,
    PROBE_TAG,
    REAL_GAP_TAG,
    SUB_FOLDER,
    SUMMARY_TAG,
    TRAIN_TAG,
    VAL_TAG,
)

_STAMP = re.compile(r"\.tfevents\.(\d+)\.")


def event_sink(run_dir: Path) -> Sink:
    """Return the sink that writes event files into ``<run_dir>/overfit-monitor/``.

    Args:
        run_dir: Folder of the run. Alerts that an earlier process wrote there are gone on from.
    """
    return EventSink(run_dir)


@final
class EventSink:
    """Writes one record for each report, and one more when there is something to say.

    A record is out of this process when `write` returns, so that a killed process loses
    nothing of it; a power failure may cost what the operating system had not yet written.

    Args:
        run_dir: Folder of the run.
    """

    def __init__(self, run_dir: Path) -> None:
        from overfit_monitor_tensorboard.alerts import AlertState
        from overfit_monitor_tensorboard.events import event_files, read_folder

        self.folder = run_dir / SUB_FOLDER
        before = read_folder(event_files(self.folder))
        self._state = before.state or AlertState()
        self._written = before.state
        self._sequence = before.sequence + 1
        self._last: int | None = None
        self._report: Report | None = None
        self._file: int | None = None

    def write(self, report: Report) -> None:
        """Write the report's curves, and the state of the alerts where it has changed."""
        from overfit_monitor_tensorboard.alerts import shortened

        diagnosis, step, self._report = report.diagnosis, report.observation.step, report
        evaluated = diagnosis.metrics.val in report.observation.val
        state = self._state
        if evaluated:
            # The first report of this process may take up an earlier one's run before its end.
            state = state.rewind(step) if self._last is None or step <= self._last else state
            self._last = step
        state = (
            state.add(step, report.alerts)
            .change(report.applied)
            .model_copy(
                update={"step": step, "metrics": diagnosis.metrics, "verdict": diagnosis.verdict}
                | {"recommendations": diagnosis.recommendations, "stop": report.stop or state.stop}
                | {"settings": report.settings}
            )
        )
        if report.alerts or report.stop:
            state = state.model_copy(update={"examples": shortened(report.examples)})
        self._state = state
        curves = [*_curves(report, evaluated=evaluated), *_applied(report)]
        if curves:
            self._append(step, curves)
        if evaluated and self._news():
            self._append_state()

    def close(self) -> None:
        """Write the last state, and close the file; closing twice is fine."""
        if self._file is None:
            return
        self._take_last_examples()
        if self._written != self._state:
            self._append_state()
        os.close(self._file)
        self._file = None

    def _take_last_examples(self) -> None:
        from overfit_monitor_tensorboard.alerts import shortened

        tables = self._report.examples if self._report is not None else None
        if tables is not None:
            self._state = self._state.model_copy(update={"examples": shortened(tables)})

    def _news(self) -> bool:
        before, now = self._written, self._state
        told = ("alerts", "stop", "metrics", "applied")
        return before is None or any(getattr(before, name) != getattr(now, name) for name in told)

    def _append_state(self) -> None:
        self._append(self._sequence, _state_values(self._state))
        self._written = self._state
        self._sequence += 1

    def _append(self, step: int, values: list[Any]) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        if self._file is None:
            self._file = _new_file(self.folder)
            _write_record(self._file, Event(wall_time=time.time(), file_version="brain.Event:2"))
        _write_record(self._file, Event(wall_time=time.time(), step=step, summary=Summary(value=values)))


def _new_file(folder: Path) -> int:
    """Open a file whose name sorts behind all that are there, since TensorBoard reads them in that order."""
    from overfit_monitor_tensorboard.events import event_files

    folder.mkdir(parents=True, exist_ok=True)
    stamps = [int(found[1]) for path in event_files(folder) if (found := _STAMP.search(path.name))]
    for stamp in count(max([int(time.time()), *(stamp + 1 for stamp in stamps)])):
        path = folder / f"events.out.tfevents.{stamp:010d}.{socket.gethostname()}.{os.getpid()}.0"
        try:
            return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            continue
    raise AssertionError  # `count` has no end


def _write_record(file: int, event: Any) -> None:
    record = BytesIO()
    RecordWriter(record).write(event.SerializeToString())
    # One call for the whole record, so that no crash of this process can tear it.
    if os.write(file, record.getbuffer()) != record.tell():
        raise OSError("the disk took only a part of an event record")


def _curves(report: Report, *, evaluated: bool) -> list[Any]:
    from tensorboard.compat.proto.summary_pb2 import Summary

    from overfit_monitor_tensorboard.alerts import level

    metrics = report.diagnosis.metrics
    values: dict[str, float | None] = {TRAIN_TAG: report.observation.train.get(metrics.train or "")}
    if evaluated:
        values[VAL_TAG] = report.observation.val[metrics.val or ""]
        values[GAP_TAG] = report.gap
        values[BEST_TAG] = report.best
        values[REAL_GAP_TAG] = report.diagnosis.gap.like_for_like
        if (probe := report.observation.probe) is not None:
            values[PROBE_TAG] = probe.value
            values[MEMBERSHIP_TAG] = probe.membership.auc if probe.membership is not None else None
        values[LEVEL_TAG] = float(level(report.diagnosis.findings))
    return [Summary.Value(tag=tag, simple_value=value) for tag, value in values.items() if value is not None]


def _applied(report: Report) -> list[Any]:
    """What was changed in the training before this step, as a text at this step."""
    if not report.applied:
        return []
    from tensorboard.plugins.text.metadata import create_summary_metadata

    text = "\n".join(f"- {change}" for change in report.applied)
    return [_text(APPLIED_TAG, text.encode(), create_summary_metadata("", "Changes that overfit-monitor applied"))]


def _state_values(state: Any) -> list[Any]:
    from tensorboard.plugins.text.metadata import create_summary_metadata

    from overfit_monitor_tensorboard.alerts import encode, markdown

    return [
        _text(ALERTS_TAG, encode(state), _metadata(PLUGIN_NAME, b'{"version": 1}')),
        _text(SUMMARY_TAG, markdown(state).encode(), create_summary_metadata("", "Alerts of overfit-monitor")),
    ]


def _metadata(plugin: str, content: bytes) -> Any:
    from tensorboard.compat.proto.summary_pb2 import SummaryMetadata

    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=content))


def _text(tag: str, content: bytes, metadata: Any) -> Any:
    from tensorboard.compat.proto.summary_pb2 import DATA_CLASS_TENSOR, Summary
    from tensorboard.compat.proto.tensor_pb2 import TensorProto
    from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
    from tensorboard.compat.proto.types_pb2 import DT_STRING

    metadata.data_class = DATA_CLASS_TENSOR
    tensor = TensorProto(dtype=DT_STRING, tensor_shape=TensorShapeProto(), string_val=[content])
    return Summary.Value(tag=tag, metadata=metadata, tensor=tensor)
