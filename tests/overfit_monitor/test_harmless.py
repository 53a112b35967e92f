"""A fault injected into every place where the core touches the world costs one warning and no judgement."""

import logging
import os
import shutil
import signal
import threading
import warnings

import pytest

from overfit_monitor import Monitor, MonitorWarning, UsageError
from overfit_monitor.journal import FILE_NAME, Journal, read_journal
from overfit_monitor.testing import curves
from overfit_monitor.worker import Worker

CURVE = curves.overfit(60)


def boom(*_args, **_kwargs):
    raise OSError(28, "No space left on device")


class Hang:
    """Hangs for as long as the test lasts, and half a minute at most."""

    def __init__(self):
        self.over = threading.Event()

    def __call__(self, *_args, **_kwargs):
        self.over.wait(30)
        self.over.set()


@pytest.fixture(params=["boom", "hang"])
def fault(request, monkeypatch):
    """Return what is called in the place of a part, which is waited for as long as a healthy one ever needs."""
    if request.param == "boom":
        yield boom
        return
    hang = Hang()
    monkeypatch.setattr(Worker.__init__, "__kwdefaults__", {"seconds": 0.3})
    yield hang
    hang.over.set()


def run(monitor, steps=range(60)):
    for step in steps:
        monitor.log(step=step, train={"loss": CURVE.train[step]}, val={"loss": CURVE.val[step]})
    diagnosis, stop = monitor.diagnosis, monitor.should_stop
    monitor.close()
    return diagnosis, stop


class Collector:
    """A sink that fails in one of its methods."""

    def __init__(self, fault=None, method=None):
        self.reports = []
        if fault is not None:
            setattr(self, method, fault)

    def write(self, report):
        self.reports.append(report)

    def close(self):
        pass


@pytest.fixture
def truth():
    return run(Monitor())


@pytest.mark.parametrize("where", ["read_journal", "Journal", "make_sinks"])
def test_opening(where, fault, tmp_path, monkeypatch, truth):
    Monitor(run_dir=tmp_path, sinks={}).close()
    monkeypatch.setattr(f"overfit_monitor.outlets.{where}", fault)
    with pytest.warns(MonitorWarning, match="is off after (OSError|TimeoutError)") as told:
        monitor = Monitor(run_dir=tmp_path)
        assert run(monitor) == truth
    assert len(told) == 1


def test_what_is_installed_cannot_be_told(tmp_path, monkeypatch, truth):
    monkeypatch.setattr("overfit_monitor.outlets.installed_sinks", boom)
    with pytest.warns(MonitorWarning, match="sinks is off after OSError") as told:
        assert run(Monitor(run_dir=tmp_path)) == truth
    assert len(told) == 1


@pytest.mark.parametrize("method", ["write", "close"])
def test_the_journal(method, fault, tmp_path, monkeypatch, truth):
    monitor = Monitor(run_dir=tmp_path, sinks={})
    monkeypatch.setattr(Journal, method, fault)
    with pytest.warns(MonitorWarning, match="journal is off after .*; training goes on and everything is jud") as told:
        assert run(monitor) == truth
    assert len(told) == 1


@pytest.mark.parametrize("method", ["write", "close"])
def test_a_sink(method, fault, truth):
    good = Collector()
    monitor = Monitor(sinks={"bad": Collector(fault, method), "good": good})
    with pytest.warns(MonitorWarning, match="bad is off after") as told:
        assert run(monitor) == truth
    assert (len(told), len(good.reports)) == (1, 60)


def test_a_folder_that_vanishes(tmp_path, truth):
    folder = tmp_path / "run"
    monitor = Monitor(run_dir=folder, sinks={})
    shutil.rmtree(folder)
    assert run(monitor) == truth  # the file is still there for who holds it


@pytest.mark.parametrize("kind", ["file", "read-only"])
def test_a_folder_that_takes_nothing(kind, tmp_path, truth):
    folder = tmp_path / "run"
    if kind == "file":
        folder.write_text("here already")
    else:
        folder.symlink_to("/proc/1/none")
    with pytest.warns(MonitorWarning, match="journal is off") as told:
        assert run(Monitor(run_dir=folder)) == truth
    assert len(told) == 1


def test_a_handler_of_log_messages(truth):
    class Raising(logging.Handler):
        emit = boom

    handler = Raising()
    logging.getLogger("overfit_monitor").addHandler(handler)
    try:
        with pytest.warns(MonitorWarning, match="log messages is off") as told:
            assert run(Monitor()) == truth
    finally:
        logging.getLogger("overfit_monitor").removeHandler(handler)
    assert len(told) == 1


def test_a_warning_that_cannot_be_shown_is_logged(monkeypatch, truth, no_unexpected_fault):
    monkeypatch.setattr(warnings, "showwarning", boom)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        assert run(Monitor(sinks={"bad": Collector(boom, "write")})) == truth
    assert ["bad is off" in message for message in no_unexpected_fault] == [True]
    no_unexpected_fault.clear()


@pytest.mark.parametrize("bad", ["low", None, object(), [1.0, 2.0], "x" * 10_000])
def test_a_metric_that_is_no_number_is_left_out_and_the_others_are_judged(bad, truth):
    monitor = Monitor()
    with pytest.warns(MonitorWarning, match="val metric 'note' must be a number") as told:
        for step in range(60):
            known = {"loss": CURVE.val[step], "note": bad}
            monitor.log(step=step, train={"loss": CURVE.train[step]}, val=known)
    assert len(told) == 1
    assert len(str(told[0].message)) < 250
    assert (monitor.diagnosis, monitor.should_stop) == truth
    with pytest.raises(UsageError, match="'note' must be a number"):
        Monitor(strict=True).log(step=0, val={"note": bad})


def test_where_the_metric_asked_for_is_no_number_nothing_is_judged():
    monitor = Monitor(metric="f1", mode="max")
    with pytest.warns(MonitorWarning, match="val metric 'f1' must be a number") as told:
        for step in range(4):
            monitor.log(step=step, val={"loss": 1.0, "f1": [0.1, 0.2]})
    assert len(told) == 1
    assert monitor.diagnosis.metrics.val is None
    monitor.log(step=4, val={"loss": 1.0, "f1": 0.5})
    assert (monitor.diagnosis.metrics.val, monitor.best_step) == ("f1", 4)


@pytest.mark.parametrize("learning_rates", [(0.1,), "ab", (1, "x")])
def test_an_argument_that_cannot_be(learning_rates):
    monitor = Monitor()
    with pytest.warns(MonitorWarning, match="monitor is off after"):
        monitor.log(step=0, val={"loss": 1.0}, learning_rates=learning_rates)
    assert monitor.log(step=1, val={"loss": 1.0}).verdict == "inconclusive"


def test_an_interrupt_gets_through(tmp_path):
    monitor = Monitor(run_dir=tmp_path, sinks={})
    monitor.log(step=0, val={"loss": 1.0})
    with pytest.raises(KeyboardInterrupt):
        threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
        for step in range(1, 10**9):
            monitor.log(step=step, val={"loss": 1.0})
    monitor.close()
    steps = [entry.record["step"] for entry in read_journal(tmp_path / FILE_NAME) if entry.kind == "observation"]
    assert steps == list(range(len(steps)))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")  # that is the case that is tested
def test_a_forked_process_leaves_the_files_to_its_parent(tmp_path):
    monitor = Monitor(run_dir=tmp_path, sinks={"sink": Collector()})
    monitor.log(step=0, val={"loss": 1.0})
    child = os.fork()
    if child == 0:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            monitor.log(step=99, val={"loss": 2.0})
            monitor.close()
        os._exit(len(told))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2  # one for the journal, one for the sink
    monitor.log(step=1, val={"loss": 1.0})
    monitor.close()
    steps = [entry.record["step"] for entry in read_journal(tmp_path / FILE_NAME) if entry.kind == "observation"]
    assert steps == [0, 1]


def test_what_is_wrong_at_set_up_fails_there():
    with pytest.raises(UsageError, match="patience"):
        Monitor(patience=-1)
