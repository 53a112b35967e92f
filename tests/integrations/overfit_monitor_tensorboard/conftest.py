"""Event files written by hand, and TensorBoard's own application over both of its data loaders."""

from __future__ import annotations

import argparse
import math
import time
import warnings
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import pytest

pytest.importorskip("tensorboard")

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.context import RequestContext
from tensorboard.summary.writer.record_writer import RecordWriter
from werkzeug.test import Client

from overfit_monitor_tensorboard.events import event_files, read_folder
from overfit_monitor_tensorboard.plugin import OverfitPlugin

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # from a library that TensorBoard brings with it
    from tensorboard.backend import application

# Falling train; validation that turns at step 10, is healthy, or is not there.
FALLING = [1.0 / (1 + i) + 0.01 * (i % 2) for i in range(60)]
TURNING = [1.0 / (1 + i) + 0.01 * (i % 3) if i < 10 else 0.1 + 0.02 * (i - 10) + 0.01 * (i % 3) for i in range(60)]
LEVEL = [1.0 / (1 + i) + 0.2 + 0.01 * (i % 3) for i in range(60)]
BROKEN = [value if i < 30 else math.nan for i, value in enumerate(LEVEL)]


def record(**fields):
    """Return one record as bytes."""
    buffer = BytesIO()
    RecordWriter(buffer).write(Event(**fields).SerializeToString())
    return buffer.getvalue()


def scalar(tag, step, value, wall_time=None):
    """Return the record of one plain scalar."""
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return record(wall_time=1000.0 + step if wall_time is None else wall_time, step=step, summary=summary)


def write_events(folder: Path, curves, *, stamp=1700000000, wall_time=1000.0) -> Path:
    """Write an event file with these curves, given as values from step 0 or as (step, value)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events.out.tfevents.{stamp}.host.1.0"
    points = {
        tag: [v if isinstance(v, tuple) else (i, v) for i, v in enumerate(values)] for tag, values in curves.items()
    }
    longest = max((len(values) for values in points.values()), default=0)
    with path.open("wb") as file:
        file.write(record(wall_time=wall_time, file_version="brain.Event:2"))
        for i in range(longest):
            for tag, values in points.items():
                if i < len(values):
                    file.write(scalar(tag, *values[i], wall_time=wall_time + i))
    return path


@pytest.fixture(scope="session")
def logs():
    """How to write event files by hand, and the curves to write."""
    return SimpleNamespace(
        record=record, scalar=scalar, write=write_events, falling=FALLING, turning=TURNING, level=LEVEL, broken=BROKEN
    )


@pytest.fixture(params=["rust", "python"])
def loader(request):
    return request.param


@pytest.fixture
def serve(loader):
    """Return a function that serves a folder and returns a client, its data loaded."""
    ingesters = []

    def start(logdir, *, damaged=False, **samples):
        flags = argparse.Namespace(
            logdir=str(logdir),
            logdir_spec="",
            path_prefix="",
            window_title="",
            samples_per_plugin=dict(samples),
            purge_orphaned_data=True,
            max_reload_threads=1,
            reload_multifile=False,
            reload_interval=0,
            reload_task="blocking",
            detect_file_replacement=None,
        )
        plugin = OverfitPlugin()
        plugin.fix_flags(flags)
        ingester = _ingester(loader, flags)
        ingesters.append(ingester)
        client = Client(application.TensorBoardWSGIApp(flags, [plugin], ingester.data_provider))
        if loader == "rust":
            _await_data(ingester.data_provider, logdir, damaged=damaged)
        return client

    yield start
    for ingester in ingesters:
        if hasattr(ingester, "_stdin_handle"):
            ingester._stdin_handle.close()


def _ingester(loader, flags):
    if loader == "python":
        from tensorboard.backend.event_processing.data_ingester import LocalDataIngester

        ingester = LocalDataIngester(flags)
        ingester.start()
        return ingester
    pytest.importorskip("tensorboard_data_server")
    from tensorboard.data import server_ingester
    from tensorboard.util import grpc_util

    ingester = server_ingester.SubprocessServerDataIngester(
        server_ingester.get_server_binary(),
        flags.logdir,
        reload_interval=0,
        channel_creds_type=grpc_util.ChannelCredsType.LOCAL,
        samples_per_plugin=flags.samples_per_plugin,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # TensorBoard lets go of the process it starts
        ingester.start()
    return ingester


def _await_data(provider, logdir, *, damaged=False):
    """Wait until the server, which loads in the background, holds the last steps (some, of damaged files)."""
    expected = {}
    for folder in {path.parent for path in Path(logdir).rglob("*tfevents*")}:
        curves = read_folder(event_files(folder)).curves
        if curves:
            expected[folder.relative_to(logdir).as_posix()] = {tag: points[-1][0] for tag, points in curves.items()}
    deadline = time.monotonic() + 60
    while (_last_steps(provider).keys() if damaged else _last_steps(provider)) != (
        expected.keys() if damaged else expected
    ):
        assert time.monotonic() < deadline, (_last_steps(provider), expected)
        time.sleep(0.02)


def _last_steps(provider):
    listed = provider.list_scalars(RequestContext(), experiment_id="", plugin_name="scalars")
    return {run: {tag: series.max_step for tag, series in tags.items()} for run, tags in listed.items()}
