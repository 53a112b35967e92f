"""The bar, with tqdm and without it, and where nobody looks."""

import inspect
import io
import sys
import threading
import time

import pytest

from overfit_monitor.progress import bar


class Terminal(io.StringIO):
    def isatty(self):
        return True


def walk(step):
    for number in range(3):
        step(number + 1, 3, f"run\x1b{number}")


@pytest.fixture(params=["tqdm", "without"])
def library(request, monkeypatch):
    if request.param == "tqdm":
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm", None)
    return request.param


def test_it_shows_how_far_it_is(library):
    terminal = Terminal()
    with bar("runs", stream=terminal, after=0.0) as step:
        walk(step)
    drawn = terminal.getvalue()
    assert "runs: " in drawn
    assert "run\x1b" not in drawn
    assert drawn.endswith("\r")  # nothing of it is left


def test_it_has_no_thread(library):
    threads = threading.active_count()
    with bar("runs", stream=Terminal(), after=0.0) as step:
        walk(step)
        assert threading.active_count() == threads


def test_nothing_before_its_time(library):
    assert inspect.signature(bar).parameters["after"].default == 1.0
    terminal = Terminal()
    with bar("runs", stream=terminal, after=3600.0) as step:
        walk(step)
    assert terminal.getvalue().strip() == ""


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO, False), (Terminal, True)])
def test_nothing_where_nobody_looks(stream, quiet, library):
    where = stream()
    with bar("runs", quiet=quiet, stream=where, after=0.0) as step:
        walk(step)
    assert where.getvalue() == ""


def test_a_number_that_is_not_known_yet(library):
    terminal = Terminal()
    with bar("runs", stream=terminal, after=0.0) as step:
        step(4, None, "a")
        time.sleep(0.15)
        step(5, None, "a")
    assert "5" in terminal.getvalue()


def test_an_error_within_gets_out(library):
    with pytest.raises(ZeroDivisionError), bar("runs", stream=Terminal(), after=0.0):
        raise ZeroDivisionError
