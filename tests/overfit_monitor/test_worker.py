"""The worker: a plain call while all is well, a short wait where a call hangs."""

import os
import threading

import pytest

from overfit_monitor.worker import Worker


def test_it_returns_what_is_returned_and_raises_what_is_raised():
    worker = Worker()
    assert worker.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        worker.run(lambda: 1 // 0)
    with pytest.raises(SystemExit):
        worker.run(lambda: exec("raise SystemExit"))
    assert worker.run(threading.get_ident) == worker.run(threading.get_ident) != threading.get_ident()
    worker.close()
    worker.close()


def test_a_call_that_hangs_is_left_behind():
    worker, released = Worker(seconds=0.05), threading.Event()
    with pytest.raises(TimeoutError, match=r"no answer in 0\.05 seconds"):
        worker.run(lambda: released.wait(30))
    released.set()
    worker.close()


def test_closing_ends_the_thread():
    worker, before = Worker(), threading.active_count()
    worker.run(lambda: None)
    thread = next(t for t in threading.enumerate() if t.name == "overfit-monitor")
    worker.close()
    thread.join(5)
    assert threading.active_count() <= before


def test_a_copy_in_a_child_process_says_so(monkeypatch):
    worker, pid = Worker(), os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert worker.forked
    with pytest.raises(RuntimeError, match="forked"):
        worker.run(lambda: None)
    worker.close()
